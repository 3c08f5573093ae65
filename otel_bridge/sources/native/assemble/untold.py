"""What only spans tell of so far: their events come on another way, and may come later or never (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from otel_bridge.sources.native.assemble.span_events import events_of_spans
from otel_bridge.sources.native.records import (
    AnyEvent,
    ApiFailure,
    ApiRefusal,
    ApiRequest,
    NativeSpan,
    ToolResult,
    UserPrompt,
)


def told_events(events: Sequence[AnyEvent], spans: Sequence[NativeSpan]) -> list[AnyEvent]:
    """Return the events and, of requests and tool runs that these do not name, those that would be sent with the spans.

    Without any event that is all that spans say. Beside events it is what has an id (requests since 2.1.181, tool calls
    after 2.1.50): for what has none, nobody can tell whether an event is about it.
    """
    made = events_of_spans(spans)
    if not events:
        return made
    prompts = {event.trace_id: event.prompt_id for event in events if event.trace_id and event.prompt_id}
    if not prompts:
        return list(events)
    known = {name for event in events if (name := _name(event)) is not None}
    untold = [
        event for event in made if (name := _name(event)) is not None and name not in known and _says_enough(event)
    ]
    lone = {event.trace_id for event in untold} - prompts.keys()
    begun = [event for event in made if isinstance(event, UserPrompt) and event.trace_id in lone]
    moved = [structs.replace(event, prompt_id=prompts.get(event.trace_id, event.prompt_id)) for event in untold]
    return [*events, *begun, *moved]


def _says_enough(event: AnyEvent) -> bool:
    return not isinstance(event, ApiRequest) or bool(event.model)


def _name(event: AnyEvent) -> tuple[type, str] | None:
    """Return what is told of by an event, ``None`` where it does not say which it is."""
    if isinstance(event, ApiRequest | ApiFailure | ApiRefusal) and event.request_id:
        return ApiRequest, event.request_id
    if isinstance(event, ToolResult) and event.tool_id:
        return ToolResult, event.tool_id
    return None
