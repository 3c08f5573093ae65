"""How long somebody, or the model for them, was really at work (pure).

A session may stand open for days. What counts is the time between neighbouring moments of the transcript that are less
than a gap apart: an interval as long as the gap, or longer, is a pause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from otel_bridge.model import Session

MINUTE_NS = 60 * 1_000_000_000
GAP_NS = 5 * MINUTE_NS


def session_moments(session: Session) -> tuple[int, ...]:
    """Return the times at which something is known to have happened, in order, each once.

    They are the starts of turns and the starts and ends of model calls and tool calls, sub-agents included.
    """
    return tuple(sorted({at_ns for at_ns in _moments(session) if at_ns}))


def _moments(session: Session) -> Iterator[int]:
    for turn in session.turns:
        yield turn.started_ns
    for call in session.calls():
        yield call.started_ns
        yield call.ended_ns
    for tool in session.tool_calls():
        yield tool.started_ns
        yield tool.ended_ns or 0


def active_ns(moments: Iterable[int], gap_ns: int = GAP_NS) -> int:
    """Return the active time between moments that are in order, in nanoseconds."""
    return sum(end - start for start, end in pairwise(moments) if end - start < gap_ns)


def active_ns_by_day(moments: Iterable[int], day: Callable[[int], str], gap_ns: int = GAP_NS) -> dict[str, int]:
    """Return the active time by day, in nanoseconds; an interval belongs to the day it began."""
    days: Counter[str] = Counter()
    for start, end in pairwise(moments):
        if end - start < gap_ns:
            days[day(start)] += end - start
    return dict(days)


def whole_minutes(duration_ns: int) -> int:
    """Return a duration in minutes, rounded half up."""
    return (duration_ns + MINUTE_NS // 2) // MINUTE_NS


def local_iso_time(at_ns: int, zone: tzinfo) -> str:
    """Return a time to the second with the offset of its zone: ``2026-02-22T15:40:00+02:00``."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone(zone).isoformat()
