"""The ids of spans: those the client gave its own, where it sent some, else hashes of identities (pure).

What runs below a span of the client (a program it started with ``TRACEPARENT``) must find its parent, so the client's
ids are kept.
"""

from __future__ import annotations

from msgspec import UnsetType

from otel_bridge.convert import ids
from otel_bridge.model import ModelCall, Session, ToolCall, Turn
from otel_bridge.reported import ReportedCall, ReportedTool
from otel_bridge.telemetry import Link


def turn_ids(session_id: str, turn: Turn) -> tuple[bytes, bytes, bytes]:
    """Return trace, span and parent of a turn's root; the parent is empty unless somebody outside started the turn."""
    told = turn.reported
    if told and told.trace_id and told.span_id:
        return bytes.fromhex(told.trace_id), bytes.fromhex(told.span_id), bytes.fromhex(told.parent_id)
    trace_id = ids.turn_trace_id(session_id, turn.key, turn.ordinal)
    return trace_id, ids.turn_span_id(session_id, turn.key, turn.ordinal), b""


def linked_ids(session: Session, before: int, key: str, ordinal: int) -> tuple[bytes, bytes]:
    """Return trace and span of the turn of a key, which stands before a position of the session."""
    for at in range(min(before, len(session.turns)) - 1, -1, -1):
        turn = session.turns[at]
        if (turn.key, turn.ordinal) == (key, ordinal):
            return turn_ids(session.id, turn)[:2]
    return ids.turn_trace_id(session.id, key, ordinal), ids.turn_span_id(session.id, key, ordinal)


def call_span_id(call: ModelCall, trace_id: bytes) -> bytes:
    """Return the span of a model call in a trace."""
    return _told_id(call.reported, trace_id) or ids.call_span_id(call.key)


def call_links(call: ModelCall) -> tuple[Link, ...]:
    """Return what the client's span of a model call points to."""
    links = call.reported.links if call.reported else ()
    return tuple(Link(bytes.fromhex(trace_id), bytes.fromhex(span_id)) for trace_id, span_id in links)


def tool_span_id(tool: ToolCall, trace_id: bytes) -> bytes:
    """Return the span of a tool call in a trace."""
    return _told_id(tool.reported, trace_id) or ids.tool_span_id(tool.id)


def _told_id(told: ReportedCall | ReportedTool | UnsetType, trace_id: bytes) -> bytes:
    """Return the client's own id, nothing in another trace than its own: nobody would look for it there."""
    return bytes.fromhex(told.span_id) if told and told.trace_id in ("", trace_id.hex()) else b""
