from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from otel_bridge.reports.task_frames import Frame, stated_duration_ns, task_frame
from otel_bridge.reports.work import SessionWork, collect_work
from tests.builders import at_ns, session, turn

PRAGUE = ZoneInfo("Europe/Prague")
MINUTE_NS = 60_000_000_000


def ns(iso: str) -> int:
    """Nanoseconds since the epoch."""
    return round(datetime.fromisoformat(iso).timestamp()) * 1_000_000_000


def work(at_s: float, for_s: float) -> SessionWork:
    """Return what a session of that time did."""
    (only,) = collect_work([session(turn("p", at_s=at_s, for_s=for_s))], UTC)
    return only


@pytest.mark.parametrize(
    ("task", "start", "end"),
    [
        ({"started": "2026-02-23T14:00:00Z", "ended": "2026-02-23T15:30:00Z"}, "14:00+00:00", "15:30+00:00"),
        ({"start": "2026-02-23 14:00", "end": "2026-02-23 15:30"}, "14:00+01:00", "15:30+01:00"),
        ({"started_at": "2026-02-23T14:00+02:00", "ended_at": "2026-02-23T15:30"}, "14:00+02:00", "15:30+01:00"),
        ({"started": "2026-02-23T14:00", "ended": None, "duration_minutes": 45}, "14:00+01:00", "14:45+01:00"),
        ({"id": "2026-01-01-other", "started": "2026-02-23T14:00", "end": "2026-02-23T14:00"}, "14:00+01:00",
         "14:00+01:00"),
    ],
)  # fmt: skip
def test_times_are_read_in_common_spellings(task: dict[str, Any], start: str, end: str) -> None:
    """With an offset or local, with an end or a duration; what they say goes before the id."""
    assert task_frame(task, PRAGUE) == Frame(
        ns(f"2026-02-23T{start}"), ns(f"2026-02-23T{end}"), is_stated="duration_minutes" not in task
    )


@pytest.mark.parametrize(
    "task",
    [
        {"date": "2026-03-29"},
        {"day": "2026-03-29T10:00:00"},
        {"id": "2026-03-29-plugin-mvp"},
        {"id": "x", "date": "2026-03-29", "duration_minutes": None},
        {"start": "2026-03-29"},
        {"started": "2026-03-29", "ended": "2026-03-29"},
    ],
)
def test_a_day_is_the_local_one(task: dict[str, Any]) -> None:
    """From midnight to midnight; the day the clocks change has 23 hours."""
    frame = task_frame(task, PRAGUE)
    assert frame is not None
    assert (frame.start_ns, frame.end_ns) == (ns("2026-03-29T00:00+01:00"), ns("2026-03-30T00:00+02:00"))


def test_what_says_nothing_of_time_has_no_frame() -> None:
    """An id may be anything, also something that looks like a day that never was."""
    assert [task_frame(task, UTC) for task in ({}, {"id": 5}, {"id": "setup"}, {"id": "2026-02-30-x"})] == [None] * 4


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"started": "yesterday"}, "'yesterday' is no time such as"),
        ({"start": 1_763_000_000}, "1763000000 is no time"),
        ({"started": "2026-02-23", "ended": "14:00"}, "'14:00' is no time"),
        ({"started": "9999-12-31"}, "'9999-12-31' is no time"),
        ({"started": "2026-02-24", "ended": "2026-02-22"}, "ends at '2026-02-22', before it starts at '2026-02-24'"),
        ({"date": "Monday"}, "'Monday' is no day such as"),
        ({"date": "9999-12-31"}, "no day"),
        ({"day": [1]}, "no day"),
    ],
)
def test_what_is_no_time_is_said(task: dict[str, Any], words: str) -> None:
    """The sentence has the value seen."""
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        task_frame(task, UTC)


def test_durations_are_numbers() -> None:
    """Minutes, with a fraction where stated; texts and impossible numbers are none."""
    assert stated_duration_ns({"duration_minutes": Decimal("1.5")}) == 90_000_000_000
    assert stated_duration_ns({"duration_minutes": 0}) == 0
    for minutes in (None, "5", True, -1, Decimal("1e999999"), 10**30):
        assert stated_duration_ns({"duration_minutes": minutes}) is None


@pytest.mark.parametrize(
    ("session_s", "frame_s", "weight_s"),
    [
        ((0, 100), (0, 100), 100),
        ((0, 100), (40, 60), 20),
        ((40, 20), (0, 100), 20),
        ((0, 100), (90, 200), 10),
        ((0, 100), (100, 200), 0),
        ((100, 50), (0, 100), 0),
        ((50, 0), (0, 100), 1e-9),
        ((0, 100), (50, 50), 1e-9),
        ((100, 0), (0, 100), 0),
    ],
)
def test_a_session_weighs_as_long_as_it_lasted_with_the_task(
    session_s: tuple[int, int], frame_s: tuple[int, int], weight_s: float
) -> None:
    """The end of a task is not part of it; what has no length is in the task of its moment all the same."""
    frame = Frame(at_ns(frame_s[0]), at_ns(frame_s[1]))
    assert frame.weight(work(*session_s)) == round(weight_s * 1e9)


def test_a_task_without_an_end_goes_on() -> None:
    """Every later session is part of it, to its end."""
    frame = task_frame({"started": "2025-11-13T02:13:20Z"}, UTC)
    assert frame is not None
    assert frame.weight(work(1e6, 60)) == 60e9


def test_a_day_with_a_duration_counts_that_long() -> None:
    """Three of 24 hours: an eighth of any time the session shares with the day."""
    frame = task_frame({"date": "2025-11-13", "duration_minutes": 180}, UTC)
    assert frame is not None
    assert frame.density == Fraction(1, 8)
    assert frame.weight(work(0, 80)) == 10e9
    longer = task_frame({"date": "2025-11-13", "duration_minutes": 2000}, UTC)
    assert longer is not None
    assert longer.density == 1
