"""Which call and which tool call the spans are of that carry no id of it (pure).

Up to 2.1.50 no span names its request or tool call, and neither does the event (of tool calls: before 2.1.119). The
client ends the span and writes the event in one breath, so the nearest end finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otel_bridge.sources.native.assemble.once import KeyedRequest
from otel_bridge.sources.native.assemble.tools import tool_key
from otel_bridge.sources.native.events import MCP_TOOL
from otel_bridge.sources.native.pairs import nearest_pairs
from otel_bridge.sources.native.records import AnyEvent, ApiRequest, NativeSpan, ToolResult
from otel_bridge.sources.native.spans import has_failed, text, whole

REACH_NS = (-20_000_000, 20_000_000)
"""How far the end of a span is from its event: on recordings up to 4 ms."""
LATE_REACH_NS = (-1_000_000_000, 1_000_000_000)
"""The same on a machine so busy that the client stops between the two; for what is left over."""


def request_spans(requests: Iterable[KeyedRequest], spans: Sequence[NativeSpan]) -> dict[str, NativeSpan]:
    """Return the span of each request that names none and has one, by the request's key: nearest, of equal tokens.

    Models do not decide: a span has the one asked for, an event the one that answered.
    """
    kept = list(requests)
    named = {keyed.request.request_id for keyed in kept}
    nameless = [(keyed.ended_ns, keyed) for keyed in kept if keyed.request.request_id is None]
    free = [
        (span.end_ns, span)
        for span in _in_order(spans)
        if span.span_type == "llm_request" and not has_failed(span) and (text(span, "request_id") or "") not in named
    ]
    pairs: dict[str, NativeSpan] = {}
    for reach_ns in (REACH_NS, LATE_REACH_NS):
        taken = {span.span_id for span in pairs.values()}
        found = nearest_pairs(
            sorted(((at_ns, keyed) for at_ns, keyed in nameless if keyed.key not in pairs), key=_key),
            [(at_ns, span) for at_ns, span in free if span.span_id not in taken],
            reach_ns,
            _has_same_tokens,
        )
        pairs |= {keyed.key: span for keyed, span in found}
    return pairs


def tool_spans(events: Iterable[AnyEvent], spans: Sequence[NativeSpan]) -> dict[str, NativeSpan]:
    """Return the ``tool`` span without an id of each result that has one: same name, nearest end."""
    named = {text(span, "tool_use_id") for span in spans if span.span_type == "tool"}
    results = [event for event in events if isinstance(event, ToolResult) and event.tool_id not in named - {None}]
    free = [span for span in _in_order(spans) if span.span_type == "tool" and not text(span, "tool_use_id")]
    pairs = nearest_pairs(
        [(result.time_ns, result) for result in results],
        [(span.end_ns, span) for span in free],
        REACH_NS,
        lambda result, span: text(span, "tool_name") in (result.name, MCP_TOOL if result.mcp_server else None),
    )
    return {tool_key(result): span for result, span in pairs}


def _key(item: tuple[int, KeyedRequest]) -> tuple[int, str]:
    return item[0], item[1].key


def _in_order(spans: Iterable[NativeSpan]) -> list[NativeSpan]:
    return sorted(spans, key=lambda span: (span.end_ns, span.span_id))


def _has_same_tokens(keyed: KeyedRequest, span: NativeSpan) -> bool:
    request: ApiRequest = keyed.request
    told = (request.input_tokens, request.output_tokens, request.cache_read_tokens, request.cache_write_tokens)
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
    return told == tuple(whole(span, name) or 0 for name in names)
