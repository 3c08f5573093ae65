"""Which spans the client sent in which turn, as they are kept with it (pure).

Each becomes, or is kept beside, what is made of its turn, so that whoever hangs on it finds it: a program that was
started with ``TRACEPARENT``, a hook, the API's own span of a request.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from otel_bridge.model import ModelCall, ToolCall, Turn, turn_calls
from otel_bridge.reported import ReportedSpan
from otel_bridge.sources.native.assemble.calls import OTHER
from otel_bridge.sources.native.records import AnyEvent, NativeSpan, ToolDecision, ToolResult
from otel_bridge.sources.native.spans import SpanIndex, has_failed, text

_WORD = re.compile(r"[\w.:-]{1,64}")


class PromptIndex(Protocol):
    """Knows the prompt of a trace and of a time."""

    def of_trace(self, trace_id: bytes) -> str | None:
        """Return the prompt that the events of a trace name."""

    def before(self, at_ns: int) -> str:
        """Return the latest prompt up to a time, else the first one."""


def spans_by_turn(
    spans: SpanIndex, events: Sequence[AnyEvent], turns: Sequence[Turn], finder: PromptIndex, *, has_events: bool
) -> dict[int, tuple[ReportedSpan, ...]]:
    """Return the spans of turns by their positions, in the order they began.

    A span belongs to the turn whose trace it is in, else to the one whose prompt its trace or its time leads to. One
    that will be a call, a tool call or a turn as soon as its event has come is left out until then; where
    ``has_events`` is false, ``events`` are made of the spans.
    """
    told = _Told(spans, events if has_events else None, turns, finder)
    traces = {turn.reported.trace_id: at for at, turn in reversed(list(enumerate(turns))) if turn.reported}
    keys = {turn.key: at for at, turn in enumerate(turns) if turn.ordinal == 0}
    found: defaultdict[int, list[ReportedSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.start_ns, span.span_id)):
        if told.is_settled(span) and turns:
            key = finder.of_trace(span.trace_id) or finder.before(span.start_ns)
            found[traces.get(span.trace_id.hex(), keys.get(key, 0))].append(_reported(span))
    return {at: tuple(own) for at, own in found.items()}


class _Told:
    """What is known of spans from elsewhere."""

    def __init__(
        self, spans: SpanIndex, events: Iterable[AnyEvent] | None, turns: Sequence[Turn], finder: PromptIndex
    ) -> None:
        self._spans = spans
        self._finder = finder
        self._rooted = {turn.key for turn in turns if turn.reported and turn.reported.span_id}
        """Turns that have a root: another one of the same prompt is none."""
        self._has_events = events is not None
        told = [event for event in events or () if isinstance(event, ToolResult | ToolDecision)]
        self._tool_ids = {event.tool_id for event in told} - {None}
        self._known = {(turn.reported.trace_id, turn.reported.span_id) for turn in turns if turn.reported}
        for turn in turns:
            calls = list(turn_calls(turn))
            tools = [*turn.late_tool_calls, *(tool for call in calls for tool in call.tool_calls)]
            self._known.update(_ids(calls), _ids(tools))

    def is_settled(self, span: NativeSpan) -> bool:
        """Tell whether no event is to come that would make a call, a tool call or a turn of a span."""
        if (span.trace_id.hex(), span.span_id.hex()) in self._known:
            return True
        match span.span_type:
            case "llm_request":
                return has_failed(span)
            case "tool":
                is_told = not self._has_events or text(span, "tool_use_id") in self._tool_ids
                return is_told or span.span_id in self._spans.runs
            case "interaction":
                return self._finder.of_trace(span.trace_id) in self._rooted
            case "tool.execution":
                return False
            case _:
                above = self._spans.parent(span)
                return above is None or above.span_type != "tool" or self.is_settled(above)


def _ids(made: Iterable[ModelCall] | Iterable[ToolCall]) -> set[tuple[str, str]]:
    return {(one.reported.trace_id, one.reported.span_id) for one in made if one.reported}


def _reported(span: NativeSpan) -> ReportedSpan:
    error = text(span, "error_class") or text(span, "error.type") or ""
    return ReportedSpan(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_id.hex(),
        span.span_type,
        span.start_ns,
        span.end_ns,
        (error if _WORD.fullmatch(error) else OTHER) if span.is_error else None,
        text(span, "agent_id"),
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        span.attributes,
    )
