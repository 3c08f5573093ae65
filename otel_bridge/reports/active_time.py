"""How long somebody, or the model for them, was really at work (pure).

A session may stand open for days. What counts is the time between neighbouring moments of the transcript that are less
than a gap apart: an interval as long as the gap, or longer, is a pause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from msgspec import Struct

from otel_bridge.model import Session

MINUTE_NS = 60 * 1_000_000_000
GAP_NS = 5 * MINUTE_NS
_HOUR_NS = 60 * MINUTE_NS


class Gap(Struct, frozen=True):
    """A pause; times are ISO 8601 with the local offset."""

    start: str
    end: str
    duration_hours: float


class ActivityReport(Struct, frozen=True):
    """Span, activity and pauses of a session, under the names that scripts read."""

    total_span_hours: float
    active_time_hours: float
    gap_time_hours: float
    num_gaps: int
    gaps: tuple[Gap, ...]
    num_blocks: int
    """Stretches of work between the pauses."""


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


def activity_report(moments: Sequence[int], zone: tzinfo, gap_ns: int = GAP_NS) -> ActivityReport | None:
    """Return span, activity and pauses between moments that are in order; ``None`` for less than two moments."""
    if len(moments) < 2:
        return None
    span_ns, work_ns = moments[-1] - moments[0], active_ns(moments, gap_ns)
    gaps = tuple(
        Gap(iso_time(start, zone), iso_time(end, zone), (end - start) / _HOUR_NS)
        for start, end in pairwise(moments)
        if end - start >= gap_ns
    )
    return ActivityReport(
        total_span_hours=span_ns / _HOUR_NS,
        active_time_hours=work_ns / _HOUR_NS,
        gap_time_hours=(span_ns - work_ns) / _HOUR_NS,
        num_gaps=len(gaps),
        gaps=gaps,
        num_blocks=len(gaps) + 1,
    )


def whole_minutes(duration_ns: int) -> int:
    """Return a duration in minutes, rounded half up."""
    return (duration_ns + MINUTE_NS // 2) // MINUTE_NS


def iso_time(at_ns: int, zone: tzinfo) -> str:
    """Return a time to the second with the offset of its zone: ``2026-02-22T15:40:00+02:00``."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone(zone).isoformat()
