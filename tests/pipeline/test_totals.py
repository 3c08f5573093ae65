from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.model import Usage
from otel_bridge.totals import Totals, day_of

COUNTS = st.integers(0, 10**12)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, web_searches=COUNTS)
Calls = list[tuple[Usage, Decimal | None]]
CALLS: st.SearchStrategy[Calls] = st.lists(st.tuples(USAGES, st.none() | st.decimals(0, 1000, places=10)), max_size=8)


def added(calls: Calls) -> Totals:
    """Count calls one by one."""
    totals = Totals()
    for usage, cost_usd in calls:
        totals.add_call(usage, cost_usd)
    return totals


@given(CALLS, CALLS)
def test_groups_add_up_like_their_calls(
    some: list[tuple[Usage, Decimal | None]], more: list[tuple[Usage, Decimal | None]]
) -> None:
    """Adding groups is the same as counting all calls into one, whatever the order."""
    one, other = added(some), added(more)
    one.add(other)
    assert one == added(some + more) == added(more + some)


@given(CALLS)
def test_unpriced_calls_are_counted_and_cost_nothing(calls: Calls) -> None:
    """Cost leaves them out, the counter names them, and their tokens count."""
    totals = added(calls)
    assert totals.calls == len(calls)
    assert totals.unpriced_calls == sum(cost is None for _, cost in calls)
    assert totals.cost_usd == sum((cost for _, cost in calls if cost is not None), Decimal(0))
    assert totals.cache_write_tokens == sum(usage.cache_write_tokens for usage, _ in calls)


@given(CALLS)
def test_a_group_knows_its_usage(calls: Calls) -> None:
    """Priced as a whole, a group has the tokens of its calls in every kind that has a price."""
    assert added(calls).usage() == sum((usage for usage, _ in calls), Usage())


def test_days_change_at_midnight_of_the_zone() -> None:
    """To the nanosecond, across the switch to summer time too."""
    second = 1_000_000_000
    midnight = 1_772_409_600 * second  # 2026-03-02 00:00 UTC
    day = day_of(UTC)
    assert [day(midnight - 1), day(midnight)] == ["2026-03-01", "2026-03-02"]
    prague = day_of(ZoneInfo("Europe/Prague"))
    assert [prague(midnight - 3600 * second - 1), prague(midnight - 3600 * second)] == ["2026-03-01", "2026-03-02"]
    summer = 1_782_943_200 * second  # 2026-07-02 00:00 in Prague
    assert [prague(summer - 1), prague(summer)] == ["2026-07-01", "2026-07-02"]
