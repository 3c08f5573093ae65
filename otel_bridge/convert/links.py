"""From a turn to what it goes on from: span links between the traces of a conversation (pure)."""

from __future__ import annotations

from otel_bridge import semconv
from otel_bridge.convert import ids
from otel_bridge.convert.sent import linked_ids
from otel_bridge.model import Session, Turn
from otel_bridge.telemetry import Link

PREVIOUS_TURN = "previous_turn"
CONTINUED_TURN = "continued_turn"
FORK_ORIGIN = "fork_origin"


def turn_links(session: Session, turn: Turn) -> tuple[Link, ...]:
    """Return links to the turn a continuation goes on with, and to the turn before, which may be another session's."""
    links = []
    if turn.ordinal:
        links.append(_link(linked_ids(session, turn.index, turn.key, 0), CONTINUED_TURN))
    if turn.previous_key is not None:
        origin = turn.previous_session_id or session.id
        kind = PREVIOUS_TURN if origin == session.id else FORK_ORIGIN
        key, ordinal = turn.previous_key, turn.previous_ordinal
        own = linked_ids(session, turn.index, key, ordinal) if origin == session.id else None
        foreign = ids.turn_trace_id(origin, key, ordinal), ids.turn_span_id(origin, key, ordinal)
        previous = _link(own or foreign, kind)
        if all(link.span_id != previous.span_id for link in links):
            links.append(previous)
    return tuple(links)


def _link(target: tuple[bytes, bytes], kind: str) -> Link:
    return Link(*target, {semconv.LINK_TYPE: kind})
