"""Sessions in a few words: every builder fills in what a test does not care about.

Times are seconds after ``T0_NS``. Any field of the model can be given by its name.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from otel_bridge.model import Agent, ModelCall, Prompt, RecordContext, Session, ToolCall, Turn, Usage

T0_NS = 1_763_000_000_000_000_000
"""A Thursday in November 2025."""

MODEL = "claude-sonnet-4-5-20250929"
CONTEXT = RecordContext(cwd="/home/dev/widgets", branch="feat/otlp", version="2.1.196", entrypoint="cli")
USAGE = Usage(input_tokens=5, output_tokens=40, cache_read_tokens=1000, cache_write_5m_tokens=200)


def at_ns(at_s: float) -> int:
    """Nanoseconds since the epoch of a moment, given in seconds after ``T0_NS``."""
    return T0_NS + round(at_s * 1e9)


def tool_call(
    tool_id: str = "toolu_1", name: str = "Bash", *, at_s: float = 2, for_s: float = 1, **facts: Any
) -> ToolCall:
    """Build a finished tool call; ``ended_ns=None`` makes it an unfinished one."""
    defaults: dict[str, Any] = {"ended_ns": at_ns(at_s + for_s), "context": CONTEXT}
    return ToolCall(id=tool_id, name=name, started_ns=at_ns(at_s), **(defaults | facts))


def model_call(
    key: str = "req_1", *tools: ToolCall, at_s: float = 1, for_s: float = 1, usage: Usage = USAGE, **facts: Any
) -> ModelCall:
    """Build a priced response that stopped as its tools demand."""
    defaults: dict[str, Any] = {
        "message_id": f"msg_{key}",
        "model": MODEL,
        "request_id": key,
        "cost_usd": Decimal("0.00125"),
        "stop_reason": "tool_use" if tools else "end_turn",
        "tool_calls": tools,
        "context": CONTEXT,
    }
    return ModelCall(key=key, started_ns=at_ns(at_s), ended_ns=at_ns(at_s + for_s), usage=usage, **(defaults | facts))


def sub_agent(agent_id: str = "a1", *calls: ModelCall, at_s: float = 3, for_s: float = 5, **facts: Any) -> Agent:
    """Build a sub-agent of type ``Explore``."""
    defaults: dict[str, Any] = {"type": "Explore", "calls": calls, "context": CONTEXT}
    return Agent(id=agent_id, started_ns=at_ns(at_s), ended_ns=at_ns(at_s + for_s), **(defaults | facts))


def turn(key: str = "prompt-1", *calls: ModelCall, at_s: float = 0, for_s: float = 10, **facts: Any) -> Turn:
    """Build a finished turn that a person opened."""
    defaults: dict[str, Any] = {
        "ordinal": 0,
        "index": 0,
        "is_complete": True,
        "end_reason": "end_turn",
        "prompt": Prompt("human", length=12, source="typed"),
        "calls": calls,
        "context": CONTEXT,
    }
    return Turn(key=key, started_ns=at_ns(at_s), ended_ns=at_ns(at_s + for_s), **(defaults | facts))


def session(*turns: Turn, session_id: str = "5a1b2c3d-0000-4000-8000-000000000001", **facts: Any) -> Session:
    """Build a session of the turns given, over their time."""
    defaults: dict[str, Any] = {
        "started_ns": min((turn.started_ns for turn in turns), default=T0_NS),
        "ended_ns": max((turn.ended_ns for turn in turns), default=T0_NS),
    }
    return Session(id=session_id, turns=turns, **(defaults | facts))
