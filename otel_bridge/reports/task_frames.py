"""When a task was worked on, in the spellings that people use (pure).

``started``/``ended``, ``start``/``end`` or ``started_at``/``ended_at``; else the day under ``date`` or ``day``; else
the day that the id begins with. Times are ISO 8601; days, and times without an offset, are local.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from otel_bridge.reports.active_time import MINUTE_NS
from otel_bridge.reports.work import SessionWork

_STARTS, _ENDS, _DAYS = ("started", "start", "started_at"), ("ended", "end", "ended_at"), ("date", "day")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER_NS = 1 << 63
_LONGEST_MINUTES = 10**9


class Frame(NamedTuple):
    """The time of a task in nanoseconds since the epoch; the end is not part of it."""

    start_ns: int
    end_ns: int
    density: Fraction = Fraction(1)
    """How much of this time went into the task: less than all where only its day and its length are known."""
    is_stated: bool = False
    """True when the task itself says when it began and ended."""

    def weight(self, work: SessionWork) -> Fraction | int:
        """Return how long a session and the task went on together, in nanoseconds; 0 for never.

        What has no length is taken for a nanosecond: a session of one moment is in the task of that moment.
        """
        end_ns = min(max(work.ended_ns, work.started_ns + 1), max(self.end_ns, self.start_ns + 1))
        overlap_ns = end_ns - max(work.started_ns, self.start_ns)
        return overlap_ns * self.density if overlap_ns > 0 else 0


def task_frame(task: Mapping[str, Any], zone: tzinfo) -> Frame | None:
    """Return when a task was worked on; ``None`` where it says nothing of that. A task without an end goes on.

    Raises:
        ValueError: what it says is no time; the sentence has the value.
    """
    started, ended, length_ns = _first(task, _STARTS), _first(task, _ENDS), stated_duration_ns(task)
    if started is None:
        day = _stated_day(task)
        return None if day is None else _day_frame(day, length_ns, zone)
    start_ns = _time_ns(started, zone)
    if ended is not None:
        end_ns = _time_ns(ended, zone, ends_day=True)
    elif length_ns:
        end_ns = start_ns + length_ns
    else:
        end_ns = _time_ns(started, zone, ends_day=True) if _DAY.fullmatch(started) else _NEVER_NS
    if end_ns < start_ns:
        raise ValueError(f"it ends at {ended!r}, before it starts at {started!r}")
    return Frame(start_ns, end_ns, is_stated=ended is not None)


def stated_duration_ns(task: Mapping[str, Any]) -> int | None:
    """Return the ``duration_minutes`` of a task in nanoseconds; ``None`` where there is no such number."""
    minutes = task.get("duration_minutes")
    if isinstance(minutes, bool) or not isinstance(minutes, int | Decimal) or not 0 <= minutes <= _LONGEST_MINUTES:
        return None
    return int(minutes * MINUTE_NS)


def _first(task: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((task[name] for name in names if task.get(name) is not None), None)


def _stated_day(task: Mapping[str, Any]) -> date | None:
    stated = _first(task, _DAYS)
    if stated is not None:
        return _date(stated)
    try:
        return _date(task.get("id"))
    except ValueError:  # an id may be anything
        return None


def _day_frame(day: date, length_ns: int | None, zone: tzinfo) -> Frame:
    start_ns, end_ns = _midnight_ns(day, zone), _midnight_ns(day + timedelta(days=1), zone)
    density = min(Fraction(1), Fraction(length_ns, end_ns - start_ns)) if length_ns else Fraction(1)
    return Frame(start_ns, end_ns, density)


def _time_ns(stated: Any, zone: tzinfo, *, ends_day: bool = False) -> int:
    """Return the time that is stated; a day alone is its midnight, or the next one as an end."""
    try:
        if _DAY.fullmatch(stated):
            return _midnight_ns(date.fromisoformat(stated) + timedelta(days=ends_day), zone)
        at = datetime.fromisoformat(stated)
        return _since_epoch_ns(at if at.tzinfo else at.replace(tzinfo=zone))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{stated!r} is no time such as 2026-02-23T14:00:00+02:00") from None


def _date(stated: Any) -> date:
    """Return the day that a text begins with."""
    try:
        day = date.fromisoformat(stated[:10])
        day + timedelta(days=1)  # its end must be in the calendar too
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{stated!r} is no day such as 2026-02-23") from None
    return day


def _midnight_ns(day: date, zone: tzinfo) -> int:
    return _since_epoch_ns(datetime.combine(day, time(), zone))


def _since_epoch_ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
