"""What somebody knew of a session who had received a part of its records, or read a part of its lines (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import structs

from otel_bridge.model import Session
from otel_bridge.sources.native.records import ApiRequest, NativeRecord, NativeSpan

_SOURCES = {"query_source", "query_source_safe"}
"""Attributes in which the span of a model request says what it was for."""

Join = Callable[[Session, Sequence[NativeRecord]], Session]


def lesser_views(
    recorded: Session, forks: Sequence[Session], records: Sequence[NativeRecord], join: Join
) -> list[Session]:
    """Return a session as each source alone, or a part of it, tells it; ``forks`` are it without its origin."""
    nothing = Session(recorded.id, (), 0, 0)
    parts = _kinds(records)
    if not recorded.turns:
        return [join(nothing, part) for part in parts]
    views = [*forks, *(join(fork, records) for fork in forks)]
    views += [recorded, *(join(recorded, part) for part in parts)]
    lesser = [nothing, _without_calls(recorded)] if any(map(_is_nobodys, records)) else [nothing]
    return views + [join(view, known) for view in lesser for known in (records, *parts)]


def _kinds(records: Sequence[NativeRecord]) -> list[list[NativeRecord]]:
    """Return the events and the spans by themselves, nothing where there is one kind alone."""
    kinds: tuple[list[NativeRecord], list[NativeRecord]] = [], []
    for record in records:
        kinds[isinstance(record, NativeSpan)].append(record)
    return list(kinds) if all(kinds) else []


def _is_nobodys(record: NativeRecord) -> bool:
    if isinstance(record, NativeSpan):
        return record.span_type == "llm_request" and not record.attributes.keys() & _SOURCES
    return isinstance(record, ApiRequest) and record.query_source is None


def _without_calls(session: Session) -> Session:
    turns = (structs.replace(turn, calls=(), agents=(), late_tool_calls=()) for turn in session.turns)
    return structs.replace(session, turns=tuple(turns))
