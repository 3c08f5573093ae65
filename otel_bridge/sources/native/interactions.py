"""Interaction spans → the turns they are the client's own roots of, late and lost ones too (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from otel_bridge.reported import ReportedTurn
from otel_bridge.sources.native.pairs import nearest_pairs
from otel_bridge.sources.native.records import NativeSpan
from otel_bridge.sources.native.spans import SpanIndex, whole

REACH_NS = (-10_000_000_000, 10_000_000_000)
"""An interaction begins with its prompt; the client may need seconds before it writes the line."""


class TraceIndex(Protocol):
    """Knows the prompt of a trace."""

    def of_trace(self, trace_id: bytes) -> str | None:
        """Return the prompt that the events of a trace name."""


class Opening(Struct, frozen=True):
    """How a turn began."""

    key: str
    ordinal: int
    started_ns: int
    prompt_length: int | None


class Interaction(Struct, frozen=True):
    """The client's own root of a turn."""

    reported: ReportedTurn
    is_over: bool
    """The span itself was sent; else only spans below it, which name it as their parent."""


def interactions(
    spans: SpanIndex, finder: TraceIndex, openings: Sequence[Opening]
) -> dict[tuple[str, int], Interaction]:
    """Return the root of each turn that has one, by key and ordinal.

    A span finds its prompt through the events of its trace; where these have no ids, it is the turn with a prompt of
    its length that began nearest. A root that did not come (yet) is known from the spans below it. A continuation has
    no root of its own: the client knows no pauses.
    """
    firsts = [opening for opening in openings if opening.ordinal == 0]
    keys = {opening.key for opening in firsts}
    found: dict[tuple[str, int], Interaction] = {}
    left: list[NativeSpan] = []
    for span in sorted(spans.interactions, key=lambda span: (span.start_ns, span.span_id)):
        key = finder.of_trace(span.trace_id)
        if key is None:
            left.append(span)
        elif key in keys:
            found.setdefault((key, 0), _root(span))
    for span, opening in nearest_pairs(
        [(span.start_ns, span) for span in left],
        [(opening.started_ns, opening) for opening in firsts if (opening.key, 0) not in found],
        REACH_NS,
        lambda span, opening: whole(span, "user_prompt_length") in (None, opening.prompt_length),
    ):
        found[opening.key, 0] = _root(span)
    for trace_id, span_id in spans.missing_roots.items():
        lost = finder.of_trace(trace_id)
        if lost is not None and lost in keys:
            found.setdefault((lost, 0), Interaction(ReportedTurn(trace_id.hex(), span_id.hex()), is_over=False))
    return found


def _root(span: NativeSpan) -> Interaction:
    return Interaction(ReportedTurn(span.trace_id.hex(), span.span_id.hex(), span.parent_id.hex()), is_over=True)
