"""Spans as the events that would have been sent with them, for who exports traces alone (pure).

Spans know neither cost nor cache split nor the prompt's id: the trace stands for the prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from otel_bridge.sources.native.records import (
    AnyEvent,
    ApiFailure,
    ApiRequest,
    HookDone,
    NativeSpan,
    ToolResult,
    UserPrompt,
)
from otel_bridge.sources.native.spans import has_failed, text, whole


def events_of_spans(spans: Iterable[NativeSpan]) -> list[AnyEvent]:
    """Return a prompt for each interaction, a request or a failure for each call, a result for each tool, the hooks."""
    kept = list(spans)
    tools = {tool_id: span for span in kept if span.span_type == "tool" and (tool_id := text(span, "tool_use_id"))}
    events: list[AnyEvent] = []
    for span in kept:
        if span.span_type == "interaction":
            common = _common(span, span.start_ns)
            events.append(UserPrompt(**common, length=whole(span, "user_prompt_length")))
        elif span.span_type == "llm_request":
            events.append(_failure(span) if has_failed(span) else _request(span))
        elif span.span_type == "tool.execution" and (tool_id := text(span, "tool_use_id")):
            events.append(_result(span, tools.get(tool_id, span), tool_id))
        elif span.span_type == "hook":
            events.append(_hooks(span))
    return sorted(events, key=lambda event: (event.time_ns, event.span_id))


def _common(span: NativeSpan, time_ns: int) -> dict[str, Any]:
    return {
        "session_id": span.session_id,
        "time_ns": time_ns,
        "prompt_id": f"trace-{span.trace_id.hex()}",
        "trace_id": span.trace_id,
        "agent_id": text(span, "agent_id"),
        "parent_agent_id": text(span, "parent_agent_id"),
        "version": span.version,
    }


def _request(span: NativeSpan) -> ApiRequest:
    source = text(span, "query_source") or _source(text(span, "query_source_safe"))
    return ApiRequest(
        **_common(span, span.end_ns),
        model=text(span, "model") or "",
        duration_ms=_duration_ms(span),
        input_tokens=whole(span, "input_tokens") or 0,
        output_tokens=whole(span, "output_tokens") or 0,
        cache_read_tokens=whole(span, "cache_read_tokens") or 0,
        cache_write_tokens=whole(span, "cache_creation_tokens") or 0,
        ttft_ms=whole(span, "ttft_ms"),
        request_id=text(span, "request_id"),
        query_source=source,
        speed=text(span, "speed"),
        effort=text(span, "effort"),
        agent_name=source.rsplit(":", 1)[-1] if source and source.startswith("agent:") else None,
    )


def _hooks(span: NativeSpan) -> HookDone:
    return HookDone(
        **_common(span, span.end_ns),
        hook_event=text(span, "hook_event") or "",
        hook_name=text(span, "hook_name"),
        blocking=whole(span, "num_blocking") or 0,
        failed=whole(span, "num_non_blocking_error") or 0,
        cancelled=whole(span, "num_cancelled") or 0,
        duration_ms=_duration_ms(span),
    )


def _failure(span: NativeSpan) -> ApiFailure:
    return ApiFailure(
        **_common(span, span.end_ns),
        model=text(span, "model") or "",
        error_type=text(span, "error_class") or text(span, "error.type"),
        status=whole(span, "status_code"),
        attempt=whole(span, "attempt"),
        duration_ms=_duration_ms(span),
        request_id=text(span, "request_id"),
    )


def _result(run: NativeSpan, tool: NativeSpan, tool_id: str) -> ToolResult:
    named = {name: text(tool, name) for name in ("agent_id", "parent_agent_id")}
    return ToolResult(
        **(_common(run, run.end_ns) | named),
        name=text(tool, "tool_name") or "unknown",
        tool_id=tool_id,
        succeeded=not has_failed(run),
        duration_ms=_duration_ms(run),
        error_type=text(run, "error_class"),
        mcp_server=text(tool, "anthropic.mcp.server.name"),
        skill=text(tool, "skill_name"),
        subagent_type=text(tool, "subagent_type"),
    )


def _duration_ms(span: NativeSpan) -> float:
    return (span.end_ns - span.start_ns) / 1e6


def _source(safe: str | None) -> str | None:
    """Return a safe query source with the colons of the full one (``agent.builtin.Explore``)."""
    return safe.replace(".", ":") if safe is not None and safe.startswith("agent.") else safe
