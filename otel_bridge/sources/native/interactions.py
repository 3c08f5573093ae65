"""Interaction spans → the turns they are the client's own roots of (pure)."""

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
    """The client's own span of a turn."""

    span: NativeSpan

    @property
    def reported(self) -> ReportedTurn:
        """Its ids."""
        return ReportedTurn(self.span.trace_id.hex(), self.span.span_id.hex(), self.span.parent_id.hex())


def interactions(
    spans: SpanIndex, finder: TraceIndex, openings: Sequence[Opening]
) -> dict[tuple[str, int], Interaction]:
    """Return the span of each turn that has one, by key and ordinal.

    A span finds its prompt through the events of its trace; where these have no ids, it is the turn with a prompt of
    its length that began nearest. A continuation has no span of its own: the client knows no pauses.
    """
    firsts = [opening for opening in openings if opening.ordinal == 0]
    by_key = {opening.key: opening for opening in firsts}
    found: dict[tuple[str, int], Interaction] = {}
    left: list[NativeSpan] = []
    for span in sorted(spans.interactions, key=lambda span: (span.start_ns, span.span_id)):
        key = finder.of_trace(span.trace_id)
        if key is None:
            left.append(span)
        elif key in by_key:
            found.setdefault((key, 0), Interaction(span))
    for span, opening in nearest_pairs(
        [(span.start_ns, span) for span in left],
        [(opening.started_ns, opening) for opening in firsts if (opening.key, 0) not in found],
        REACH_NS,
        lambda span, opening: whole(span, "user_prompt_length") in (None, opening.prompt_length),
    ):
        found[opening.key, 0] = Interaction(span)
    return found
