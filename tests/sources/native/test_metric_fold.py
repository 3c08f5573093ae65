"""Points of a session add up to its counters: whatever comes twice, late, restarted or from two processes at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from otel_bridge import counters
from otel_bridge.counters import Amount, ClientCounters
from otel_bridge.sources.native.metrics.fold import fold_points, needed_points
from otel_bridge.sources.native.metrics.records import NativePoint, pack_point, unpack_point

SESSION = "s"
FIRST, SECOND = b"first", b"second"


def point(
    value: Amount, start: int, time: int, series: bytes = FIRST, *, totals: bool = True, model: str = "m"
) -> NativePoint:
    return NativePoint(
        SESSION, counters.TOKENS, (("model", model),), totals, start, time, value, series + model.encode()
    )


def fold(*points: NativePoint) -> ClientCounters:
    return fold_points(SESSION, points)


def total(*points: NativePoint) -> Amount:
    return sum(counter.total for counter in fold(*points).counters)


def changes(*points: NativePoint) -> Sequence[tuple[int, Amount]]:
    (counter,) = fold(*points).counters
    return counter.changes


def is_sure(*points: NativePoint) -> bool:
    return not fold(*points).doubts


small_points = st.builds(
    point,
    value=st.integers(0, 9),
    start=st.integers(0, 3),
    time=st.integers(4, 9),
    series=st.sampled_from([FIRST, SECOND]),
    totals=st.booleans(),
    model=st.sampled_from(["m", "n"]),
)
any_points = st.lists(small_points, max_size=12)
totals_only = st.lists(
    st.builds(point, value=st.integers(0, 4), start=st.integers(0, 1), time=st.integers(4, 12)), max_size=14
)
steps = st.lists(st.integers(0, 9), min_size=1, max_size=8)


def as_deltas(amounts: Sequence[int], start: int = 1, series: bytes = FIRST) -> list[NativePoint]:
    return [point(amount, start + at, start + at + 1, series, totals=False) for at, amount in enumerate(amounts)]


def as_totals(amounts: Sequence[int], start: int = 1, series: bytes = FIRST) -> list[NativePoint]:
    return [point(value, start, start + at + 1, series) for at, value in enumerate(accumulate(amounts))]


def test_a_counter_says_what_it_had_come_to_at_each_time() -> None:
    deltas = as_deltas([2, 0, 3])
    assert changes(*deltas) == ((2, 2), (4, 5))
    assert fold(*deltas).first_ns == 2
    assert list(fold(*deltas).counters[0].steps()) == [(2, 2), (4, 3)]


def test_a_counter_of_zero_is_known_and_never_grew() -> None:
    assert changes(point(0, 1, 2, totals=False)) == ()
    assert total(point(0, 1, 2, totals=False)) == 0


def test_series_that_differ_in_what_we_do_not_use_add_up() -> None:
    """The efforts of one model, say, are one counter of it."""
    assert changes(point(2, 1, 5), point(3, 1, 5, SECOND)) == ((5, 5),)


def test_counters_differ_in_what_we_use() -> None:
    found = fold(point(2, 1, 5), point(3, 1, 5, model="n"))
    assert [(counter.label("model"), counter.total) for counter in found.counters] == [("m", 2), ("n", 3)]


def test_two_processes_under_one_session_add_up() -> None:
    """Issue 56317: they share every attribute; their start times differ."""
    one, other = as_totals([5, 0, 5], start=1), as_totals([1, 1, 1], start=2)
    assert total(*one, *other) == 13
    assert is_sure(*one, *other)


def test_totals_sent_for_ever_add_nothing() -> None:
    """Issue 81991: an old process sends its totals on while a new one counts from 0."""
    old = [point(40, 1, time) for time in range(2, 50)]
    new = [point(3, 20, time) for time in range(21, 50)]
    assert total(*old, *new) == 43
    assert is_sure(*old, *new)
    assert len(needed_points([*old, *new])) == 4


def test_a_restart_adds_to_what_was() -> None:
    assert changes(*as_totals([5, 2]), *as_totals([1, 1], start=10)) == ((2, 5), (3, 7), (11, 8), (12, 9))


def test_a_total_that_falls_under_one_start_is_a_doubt_and_lowers_nothing() -> None:
    """A reset that kept its start, or two processes of one millisecond: nothing tells which."""
    found = [point(9, 1, 2), point(3, 1, 3), point(4, 1, 4)]
    assert changes(*found) == ((2, 9),)
    assert fold(*found).doubts == (3,)


def test_two_values_at_one_time_are_a_doubt_and_the_larger_counts() -> None:
    for totals in (False, True):
        assert total(point(3, 1, 2, totals=totals), point(5, 1, 2, totals=totals)) == 5
        assert fold(point(3, 1, 2, totals=totals), point(5, 1, 2, totals=totals)).doubts == (2,)


@given(amounts=steps)
def test_what_something_on_the_way_sends_in_both_forms_counts_once(amounts: list[int]) -> None:
    both = [*as_deltas(amounts), *as_totals(amounts)]
    assert total(*both) == sum(amounts)
    assert len(fold(*both).doubts) == 1


def test_a_client_set_to_the_other_form_goes_on_from_what_was() -> None:
    """Deltas of a time when no process sent totals are another process's."""
    assert total(*as_totals([5, 5], start=1), *as_deltas([2, 2], start=10)) == 14
    assert total(*as_deltas([2, 2], start=1), *as_totals([5, 5], start=10)) == 14
    assert is_sure(*as_deltas([2, 2], start=1), *as_totals([5, 5], start=10))


@given(found=any_points, data=st.data())
def test_order_and_repeats_change_nothing(found: list[NativePoint], data: st.DataObject) -> None:
    """However the points are cut into requests, and however often each one comes."""
    repeated = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found or [point(1, 1, 4)])))))
    if found:
        assert fold(*repeated) == fold(*found)


@given(amounts=steps)
def test_both_forms_say_the_same(amounts: list[int]) -> None:
    assert changes(*as_deltas(amounts)) == changes(*as_totals(amounts))


@given(first=steps, second=steps, third=steps)
def test_processes_add_up_whatever_form_they_send(first: list[int], second: list[int], third: list[int]) -> None:
    found = [*as_totals(first), *as_totals(second, start=100), *as_deltas(third, start=3, series=SECOND)]
    assert total(*found) == sum(first + second + third)
    assert is_sure(*found)


@given(found=any_points, more=any_points, totals=st.booleans())
def test_more_points_never_lower_a_total(found: list[NativePoint], more: list[NativePoint], totals: bool) -> None:
    """Of one form: that a process sent totals at the time of a delta may turn out later."""
    found, more = ([structs.replace(one, is_cumulative=totals) for one in some] for some in (found, more))
    assert total(*found, *more) >= total(*found)


@given(found=any_points)
def test_a_counter_only_grows(found: list[NativePoint]) -> None:
    for counter in fold(*found).counters:
        assert all(amount > 0 for _, amount in counter.steps())
        assert [at_ns for at_ns, _ in counter.changes] == sorted({at_ns for at_ns, _ in counter.changes})


@given(found=any_points, until=st.integers(4, 9))
def test_what_comes_later_does_not_change_what_was(found: list[NativePoint], until: int) -> None:
    """The counters up to a time are those of the points up to that time."""
    early = {
        (counter.name, counter.labels): counter.changes
        for counter in fold(*(one for one in found if one.time_ns <= until)).counters
    }
    for counter in fold(*found).counters:
        before = tuple(change for change in counter.changes if change[0] <= until)
        assert before == early.get((counter.name, counter.labels), ())


@given(found=totals_only, more=totals_only)
def test_a_store_may_drop_what_is_not_needed(found: list[NativePoint], more: list[NativePoint]) -> None:
    """Whatever comes after it was dropped, the counters and doubts are those of all points."""
    kept, everything = fold(*needed_points(found), *more), fold(*found, *more)
    assert (kept.counters, len(kept.doubts)) == (everything.counters, len(everything.doubts))


@given(found=any_points)
def test_stored_points_fold_to_the_same(found: list[NativePoint]) -> None:
    kept = [unpack_point(pack_point(one)) for one in needed_points(found)]
    assert fold(*kept) == fold(*found)


def test_a_point_stored_before_more_of_it_was_kept_is_still_the_point() -> None:
    """A newer version of this program that keeps another attribute neither doubles nor splits a counter."""
    older = structs.replace(point(5, 1, 2), labels=())
    for found in ([older, point(5, 1, 2)], [point(5, 1, 2), older], [older, point(7, 1, 3)]):
        assert [counter.labels for counter in fold(*found).counters] == [(("model", "m"),)]
    assert total(older, point(5, 1, 2), point(7, 1, 3)) == 7


def test_money_adds_up_exactly() -> None:
    tenths = [point(Decimal("0.1"), at, at + 1, totals=False) for at in range(10)]
    assert total(*tenths) == 1
