"""Events and spans in a few words; times are seconds after ``T0_NS``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from otel_bridge.model import Session
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.records import ApiRequest, NativeEvent, NativeRecord, NativeSpan, ToolResult, UserPrompt
from tests.builders import T0_NS, at_ns

SESSION = "5a1b2c3d-0000-4000-8000-000000000001"
TRACE = b"t" * 16
LATER_NS = T0_NS + 10**15
"""A time by which every turn is over."""

Event = TypeVar("Event", bound=NativeEvent)


def event(kind: type[Event], at_s: float, **facts: Any) -> Event:
    return kind(session_id=SESSION, time_ns=at_ns(at_s), **({"prompt_id": "p1"} | facts))


def prompt(at_s: float = 0, key: str = "p1", **facts: Any) -> UserPrompt:
    return event(UserPrompt, at_s, prompt_id=key, **({"length": 12} | facts))


def request(at_s: float, request_id: str | None = None, *, for_s: float = 1, **facts: Any) -> ApiRequest:
    defaults: dict[str, Any] = {"model": "claude-opus-4-6", "cost_usd": Decimal("0.01"), "output_tokens": 10}
    return event(ApiRequest, at_s, request_id=request_id, duration_ms=for_s * 1000, **(defaults | facts))


def result(at_s: float, tool_id: str | None = None, *, for_s: float = 0.5, **facts: Any) -> ToolResult:
    defaults: dict[str, Any] = {"name": "Bash", "succeeded": True}
    return event(ToolResult, at_s, tool_id=tool_id, duration_ms=for_s * 1000, **(defaults | facts))


def span(
    span_type: str, at_s: float, span_id: str, parent_id: str = "", *, for_s: float = 1, **facts: Any
) -> NativeSpan:
    ids = span_id.encode().ljust(8, b"."), parent_id.encode().ljust(8, b".") if parent_id else b""
    named = {name: value for name, value in facts.items() if name != "is_error"}
    return NativeSpan(
        SESSION, TRACE, *ids, span_type, at_ns(at_s), at_ns(at_s + for_s), facts.get("is_error", False), named
    )


def assembled(*records: NativeRecord, now_ns: int = LATER_NS) -> Session:
    return native_session(SESSION, records, now_ns)
