"""The client's own spans that became none of ours, and what it said of those that did (pure).

A turn, a model call and a tool call are one span each, under an id of the client. It sends more: a tool call is three
spans of its own, a failed request and a hook are one. Something may hang on any of them, so each that is no span of
ours is passed on as what it is, without any figure: nobody who adds up tokens, costs or calls counts it.
"""

from __future__ import annotations

from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes, add_facts
from otel_bridge.convert.options import ConvertOptions
from otel_bridge.convert.runs import turn_attributes
from otel_bridge.convert.sent import turn_ids
from otel_bridge.model import Session, ToolCall, Turn, turn_calls
from otel_bridge.redact import redact
from otel_bridge.reported import ReportedSpan
from otel_bridge.telemetry import Link, Span, SpanKind


def with_client_spans(spans: list[Span], session: Session, turn: Turn, options: ConvertOptions) -> list[Span]:
    """Return the spans of a turn with those of the client that no call, tool call or turn has the ids of.

    Those that are ours now have its links too and, if they are wanted, its attributes: whatever we say ourselves wins.
    """
    if not turn.reported or not turn.reported.spans:
        return spans
    told = {_ids(one): one for one in turn.reported.spans}
    for span in spans:
        if (one := told.get((span.trace_id, span.span_id))) is not None:
            span.links += tuple(link for link in _links(one) if link not in span.links)
            if options.original_attributes:
                span.attributes = original_attributes(one) | span.attributes
    ours = _ids_of_ours(session, turn)
    return [*spans, *(_client_span(session, turn, one, options) for ids, one in told.items() if ids not in ours)]


def original_attributes(told: ReportedSpan) -> Attributes:
    """Return what the client said on a span, but for secrets and what has one of our names."""
    return {
        name: value
        for name, value in told.attributes.items()
        if not _is_ours(name) and not (isinstance(value, str) and redact(value, emails=True) != value)
    }


def _is_ours(name: str) -> bool:
    """Tell whether we give a meaning to a name; whatever else counts tokens would be added to what we count."""
    return name in semconv.ATTRIBUTES or name.startswith(semconv.USAGE_NAMESPACE)


def _ids_of_ours(session: Session, turn: Turn) -> set[tuple[bytes, bytes]]:
    """Return the ids of the client in its own trace that spans of ours have, or will have when they are over."""
    trace_id, root_id, _ = turn_ids(session.id, turn)
    calls = list(turn_calls(turn))
    tools: list[ToolCall] = [*turn.late_tool_calls, *(tool for call in calls for tool in call.tool_calls)]
    told = [*(call.reported for call in calls), *(tool.reported for tool in tools)]
    own = (bytes.fromhex(one.span_id) for one in told if one and one.trace_id in ("", trace_id.hex()))
    return {(trace_id, root_id), *((trace_id, span_id) for span_id in own)}


def _ids(told: ReportedSpan) -> tuple[bytes, bytes]:
    return bytes.fromhex(told.trace_id), bytes.fromhex(told.span_id)


def _links(told: ReportedSpan) -> tuple[Link, ...]:
    return tuple(Link(bytes.fromhex(trace_id), bytes.fromhex(span_id)) for trace_id, span_id in told.links)


def _client_span(session: Session, turn: Turn, told: ReportedSpan, options: ConvertOptions) -> Span:
    attributes: Attributes = {**turn_attributes(session, turn), semconv.NATIVE_SPAN_TYPE: told.type}
    add_facts(attributes, {semconv.AGENT_ID: told.agent_id, semconv.ERROR_TYPE: told.error_type})
    if options.original_attributes:
        attributes = original_attributes(told) | attributes
    return Span(
        *_ids(told),
        bytes.fromhex(told.parent_id),
        f"{semconv.NATIVE_SPAN} {told.type}",
        SpanKind.INTERNAL,
        told.started_ns,
        told.ended_ns,
        attributes,
        _links(told),
    )
