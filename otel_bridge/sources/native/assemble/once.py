"""Each call once, however often and for whatever prompt or agent it was reported (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from otel_bridge.sources.native.assemble.times import started_ns
from otel_bridge.sources.native.records import AnyEvent, ApiRequest, ToolDecision, ToolResult, record_key


def call_key(request: ApiRequest) -> str:
    """Return what identifies a call: the request id (2.1.181+), else a hash of the event."""
    return request.request_id or record_key(request).hex()


class KeyedRequest(NamedTuple):
    """A request with what it is sorted and found by."""

    started_ns: int
    ended_ns: int
    key: str
    request: ApiRequest


def keyed_requests(events: Iterable[AnyEvent]) -> list[KeyedRequest]:
    """Return the requests among events in the order they began; no two have one key."""
    requests = (event for event in events if isinstance(event, ApiRequest))
    return sorted(
        (KeyedRequest(started_ns(request), request.time_ns, call_key(request), request) for request in requests),
        key=lambda keyed: keyed[:3],
    )


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
