"""Each call once, however often and for whatever prompt or agent it was reported (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otel_bridge.sources.native.records import AnyEvent, ApiRequest, ToolDecision, ToolResult, record_key


def call_key(request: ApiRequest) -> str:
    """Return what identifies a call: the request id (2.1.181+), else a hash of the event."""
    return request.request_id or record_key(request).hex()


def each_once(events: Sequence[AnyEvent]) -> list[AnyEvent]:
    """Return the events in their order without those that repeat a call.

    A stream reported in several steps (before 2.1.214) is its fullest step; a tool call that was put off and taken up
    again is its last result, and its last decision.
    """
    kept: dict[object, AnyEvent] = {}
    for event in events:
        key = _identity(event)
        known = kept.get(key)
        if not (isinstance(event, ApiRequest) and isinstance(known, ApiRequest)) or _is_fuller(event, known):
            kept[key] = event
    chosen = {id(event) for event in kept.values()}
    return [event for event in events if id(event) in chosen]


def _identity(event: AnyEvent) -> object:
    if isinstance(event, ApiRequest) and event.request_id:
        return ApiRequest, event.request_id
    if isinstance(event, ToolResult | ToolDecision) and event.tool_id:
        return type(event), event.tool_id
    return id(event)


def _is_fuller(request: ApiRequest, known: ApiRequest) -> bool:
    return (request.output_tokens, request.time_ns) >= (known.output_tokens, known.time_ns)


def result_ids(events: Iterable[AnyEvent]) -> set[str]:
    """Return the tool calls that have a result."""
    return {event.tool_id for event in events if isinstance(event, ToolResult) and event.tool_id}
