from __future__ import annotations

from datetime import UTC
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from otel_bridge.reports.active_time import (
    GAP_NS,
    active_ns,
    active_ns_by_day,
    session_moments,
    whole_minutes,
)
from otel_bridge.totals import day_of
from tests.builders import at_ns, model_call, session, sub_agent, tool_call, turn

MINUTE_NS = 60_000_000_000
MIDNIGHT_NS = 1_763_078_400 * 1_000_000_000
"""2025-11-14 00:00 UTC."""

moments = st.lists(st.integers(1, 60), unique=True).map(sorted).map(lambda at: [n * MINUTE_NS for n in at])


def minutes(*at: float) -> list[int]:
    """Return moments, given in minutes after the last midnight."""
    return [MIDNIGHT_NS + round(minute * MINUTE_NS) for minute in at]


def test_pauses_are_not_work() -> None:
    """The worked example of the design: of 14:00, :02, :04, :30 and :32 three intervals of two minutes count."""
    assert active_ns(minutes(0, 2, 4, 30, 32)) == 6 * MINUTE_NS


def test_an_interval_as_long_as_the_gap_is_a_pause() -> None:
    """Only shorter ones count, to the nanosecond."""
    assert active_ns([0, GAP_NS]) == 0
    assert active_ns([0, GAP_NS - 1]) == GAP_NS - 1
    assert active_ns([0, GAP_NS], gap_ns=GAP_NS + 1) == GAP_NS


def test_an_interval_belongs_to_the_day_it_began() -> None:
    """Work over midnight stays with the evening; the zone decides when that is."""
    work = minutes(-3, -1, 2, 4)
    assert active_ns_by_day(work, day_of(UTC)) == {"2025-11-13": 5 * MINUTE_NS, "2025-11-14": 2 * MINUTE_NS}
    assert active_ns_by_day(work, day_of(ZoneInfo("Europe/Prague"))) == {"2025-11-14": 7 * MINUTE_NS}


@given(moments, st.integers(1, 30))
def test_days_add_up_to_the_whole(work: list[int], gap_minutes: int) -> None:
    """Whatever the moments and the gap: nothing is lost between days, and work and pauses are the span."""
    gap_ns = gap_minutes * MINUTE_NS
    assert sum(active_ns_by_day(work, day_of(UTC), gap_ns).values()) == active_ns(work, gap_ns)
    pauses = sum(end - start for start, end in pairwise(work) if end - start >= gap_ns)
    assert active_ns(work, gap_ns) + pauses == (work[-1] - work[0] if work else 0)


def test_all_that_happened_is_a_moment() -> None:
    """Turns by their start, calls and tools by both ends, in sub-agents too; each time once, unknown ones never."""
    agent = sub_agent("a1", model_call("req_2", at_s=31, for_s=2))
    tools = [tool_call("toolu_1", at_s=30, for_s=9, agent=agent), tool_call("toolu_2", at_s=30, ended_ns=None)]
    work = session(turn("p", model_call("req_1", *tools, at_s=10, for_s=20), at_s=5, for_s=900))
    assert session_moments(work) == tuple(at_ns(second) for second in (5, 10, 30, 31, 33, 39))
    assert session_moments(session(structs.replace(turn("p"), started_ns=0))) == ()


def test_minutes_are_rounded_half_up() -> None:
    """Half a minute is one."""
    assert [whole_minutes(second * 1_000_000_000) for second in (0, 29, 30, 89, 90)] == [0, 0, 1, 1, 2]
