"""Series: what a reader that knows only points and times sees of a session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otel_bridge import semconv
from otel_bridge.convert import ConvertOptions
from otel_bridge.convert.metrics import MergedMetrics, session_metrics
from otel_bridge.convert.metrics.buckets import SCALE, Histogram, bucket_index
from otel_bridge.model import Session, Unrecorded, Usage
from otel_bridge.telemetry import DataPoint, Distribution, Metric
from otel_bridge.vcs import BranchLink, PullRequest, PullRequestLink
from tests.builders import CONTEXT, MODEL, at_ns, model_call, session, sub_agent, tool_call, turn
from tests.convert.samples import full_session

FAR_NS = at_ns(10**8)
SEVEN = PullRequest("acme/widgets", 7, "https://github.com/acme/widgets/pull/7")
DEFAULTS = ConvertOptions()
EIGHT = PullRequest("acme/widgets", 8, "https://github.com/acme/widgets/pull/8")
HOUR_S = 3600


def points(one: Session, *, options: ConvertOptions = DEFAULTS, lesser: Sequence[Session] = ()) -> list[DataPoint]:
    return [item for batch in session_metrics(one, options, lesser) for item in batch.items]  # type: ignore[misc]


def series(found: Iterable[DataPoint], metric: Metric) -> list[tuple[int, float]]:
    """Return times (ms) and values of the metric's only series."""
    of_metric = [point for point in found if point.metric is metric]
    assert len({tuple(point.attributes.items()) for point in of_metric}) == 1
    return [(point.time_ns // 1_000_000, point.value) for point in of_metric]  # type: ignore[misc]


def last_values(found: Iterable[DataPoint], metric: Metric, *, until_ns: int = FAR_NS) -> Mapping[str, float]:
    """Return what each series reads at a time, by its attributes without the session's id."""
    newest: dict[str, DataPoint] = {}
    for point in found:
        if point.metric is metric and point.time_ns <= until_ns:
            key = " ".join(str(v) for name, v in point.attributes.items() if name != semconv.SESSION_ID)
            if key not in newest or newest[key].time_ns <= point.time_ns:
                newest[key] = point
    return {key: point.value for key, point in newest.items()}  # type: ignore[misc]


def dollars(at_s: float, usd: str, **facts: object) -> object:
    return model_call(f"req_{at_s}", at_s=at_s, for_s=1, cost_usd=Decimal(usd), **facts)


def test_a_series_starts_at_zero_1_ms_before_its_first_change_and_ends_with_a_closing_point() -> None:
    one = session(turn("p", dollars(5, "0.25"), dollars(8, "0.5"), at_s=4))
    times, values = zip(*series(points(one), semconv.COST), strict=True)
    ends = [at_ns(6) // 10**6, at_ns(9) // 10**6]
    assert values == (0, 0.25, 0.75, 0.75)
    assert times[:3] == (ends[0] - 1, *ends)
    assert times[3] > ends[1]


def test_what_happens_in_one_millisecond_is_one_point() -> None:
    calls = [dollars(5, "0.25"), dollars(5.0002, "0.5")]
    one = session(turn("p", *calls, at_s=4))
    assert [value for _, value in series(points(one), semconv.COST)] == [0, 0.75, 0.75]


def test_who_knows_more_writes_later() -> None:
    """So the last value read is that of the fullest knowledge, whoever exported first."""
    less = session(turn("p", dollars(5, "0.25"), dollars(8, "0.5"), at_s=4))
    more = session(turn("p", dollars(5, "0.25"), dollars(6, "1"), dollars(8, "0.5"), at_s=4))
    (end_less, _), (end_more, _) = (series(points(one), semconv.COST)[-1] for one in (less, more))
    assert end_more > end_less


def test_a_copied_call_told_from_an_original_is_more_knowledge() -> None:
    alone = session(turn("p", dollars(5, "0.25"), dollars(8, "0.5"), at_s=4))
    beside_origin = session(turn("p", dollars(8, "0.5"), at_s=7))
    quality = replace(beside_origin.quality, foreign_calls=1)
    beside_origin = replace(beside_origin, quality=quality)
    ends = [series(points(one), semconv.COST)[-1] for one in (alone, beside_origin)]
    assert ends[1][0] > ends[0][0]
    assert ends[1][1] == 0.5


def test_a_point_depends_only_on_what_was_known_by_then() -> None:
    """Growing sessions repeat their old points to the bit; only closing points are new."""
    calls = [dollars(at_s, "0.1") for at_s in range(5, 60, 7)]
    whole = {str(p) for p in points(session(turn("p", *calls, at_s=4, is_complete=False)))}
    for size in range(1, len(calls)):
        found = points(session(turn("p", *calls[:size], at_s=4, is_complete=False)))
        closing_ns = max(point.time_ns for point in found)
        assert {str(point) for point in found if point.time_ns < closing_ns} <= whole


def test_batches_hold_an_hour_at_most_and_the_service_name_alone() -> None:
    one = session(turn("p", *(dollars(h * HOUR_S, "0.1") for h in range(1, 30)), at_s=4))
    options = ConvertOptions(resource=(("host.name", "laptop"), ("k8s.pod.name", "x")))
    for batch in session_metrics(one, options):
        times = [point.time_ns for point in batch.items]  # type: ignore[union-attr]
        assert max(times) - min(times) < HOUR_S * 10**9
        assert batch.resource.attributes == (("service.name", "claude-code"),)


def test_cost_is_told_by_model_asked_for_model_that_answered_and_who_called() -> None:
    inner = sub_agent("a1", dollars(7, "2", model="haiku"))
    calls = [
        dollars(5, "1", tool_calls=(tool_call("t1", at_s=6, for_s=4, agent=inner),), model="opus"),
        dollars(12, "4", model="opus", requested_model="opus[1m]"),
    ]
    found = last_values(points(session(turn("p", *calls, at_s=4))), semconv.COST)
    assert found == {"opus opus main": 1, "haiku haiku subagent": 2, "opus[1m] opus main": 4}


def test_an_unpriced_call_costs_nothing_and_is_named() -> None:
    one = session(turn("p", model_call("req", at_s=5, cost_usd=None, model="claude-next"), at_s=4))
    assert last_values(points(one), semconv.COST) == {}
    assert last_values(points(one), semconv.PROBLEMS) == {"unpriced_call claude-next": 1}


def test_input_tokens_are_whole_prompts_and_the_cache_is_told_apart() -> None:
    usage = Usage(10, 50, 1000, 200, 30, reasoning_tokens=20)
    found = points(session(turn("p", model_call("req", at_s=5, usage=usage), at_s=4)))
    metrics = (
        semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE,
        semconv.USAGE_REASONING,
    )  # fmt: skip
    assert [next(iter(last_values(found, metric).values())) for metric in metrics] == [1240, 50, 1000, 230, 20]


def test_a_pull_request_takes_what_was_spent_before_it_was_known() -> None:
    one = session(
        turn("p", dollars(5, "1"), dollars(20, "2"), dollars(40, "4"), at_s=4),
        pull_requests=(PullRequestLink(SEVEN, at_ns(10)), PullRequestLink(EIGHT, at_ns(30))),
    )
    found = points(one)
    seven, eight = (f"https://github.com/acme/widgets {number}" for number in (7, 8))
    assert last_values(found, semconv.CHANGE_COST, until_ns=at_ns(9)) == {"": 1}
    assert last_values(found, semconv.CHANGE_COST, until_ns=at_ns(15)) == {"": 0, seven: 1}
    assert last_values(found, semconv.CHANGE_COST) == {"": 0, seven: 3, eight: 4}


def test_who_only_comments_on_a_pull_request_does_not_work_on_it() -> None:
    link = PullRequestLink(SEVEN, at_ns(3), "commented")
    one = session(turn("p", dollars(5, "1"), at_s=4), pull_requests=(link,))
    assert last_values(points(one), semconv.CHANGE_COST) == {"": 1}


def test_a_branch_belongs_to_the_pull_request_another_session_linked_on_it() -> None:
    link = BranchLink("main", PullRequestLink(SEVEN, at_ns(8)))
    other = BranchLink("elsewhere", PullRequestLink(EIGHT, at_ns(8)))
    one = session(turn("p", dollars(5, "1"), dollars(10, "2"), at_s=4), branch_links=(link, other))
    branch = next(one.calls()).context.branch
    one = replace(one, branch_links=(replace(link, branch=str(branch)), other))
    assert last_values(points(one), semconv.CHANGE_COST) == {"": 0, "https://github.com/acme/widgets 7": 3}


def test_a_call_that_is_attributed_at_once_still_says_that_nothing_is_left_over() -> None:
    """An export that did not know the link has said otherwise, and its word must not stand."""
    link = PullRequestLink(SEVEN, at_ns(3))
    unaware = session(turn("p", dollars(5, "1"), at_s=4))
    aware = replace(unaware, pull_requests=(link,))
    both = sorted([*points(unaware), *points(aware)], key=lambda point: point.time_ns)
    assert last_values(both, semconv.CHANGE_COST) == {"": 0, "https://github.com/acme/widgets 7": 1}


def test_the_costs_of_all_changes_add_up_to_the_cost() -> None:
    one = session(
        turn("p", dollars(5, "1.1"), dollars(20, "2.2"), dollars(40, "4.4"), at_s=4),
        pull_requests=(PullRequestLink(SEVEN, at_ns(10)),),
    )
    found = points(one)
    for until_s in (6, 9, 12, 21, 40, 99):
        until_ns = at_ns(until_s)
        cost = sum(last_values(found, semconv.COST, until_ns=until_ns).values())
        assert sum(last_values(found, semconv.CHANGE_COST, until_ns=until_ns).values()) == pytest.approx(
            cost, abs=1e-12
        )


def test_the_clients_own_total_shows_beside_our_cost_and_never_in_it() -> None:
    history = (Unrecorded(at_ns(6), Decimal("0.5")), Unrecorded(at_ns(9), Decimal("-0.25")))
    one = session(turn("p", dollars(5, "1", model="opus"), at_s=4), unrecorded_history=history)
    found = points(one)
    assert last_values(found, semconv.COST, until_ns=at_ns(7)) == {"opus opus main": 1, "unrecorded": 0.5}
    assert last_values(found, semconv.COST) == {"opus opus main": 1, "unrecorded": 0}
    assert last_values(found, semconv.PRICE_DIFFERENCE) == {"": -0.25}


def test_exactly_one_set_of_facts_holds_of_a_session_at_any_time() -> None:
    one = session(turn("p", dollars(5, "1"), at_s=4), pull_requests=(PullRequestLink(SEVEN, at_ns(8)),))
    options = ConvertOptions(resource=(("coding_agent.host.type", "ci"), ("user.name", "dev"), ("host.name", "h")))
    found = points(one, options=options)
    early, late = (last_values(found, semconv.SESSION_INFO, until_ns=at_ns(at_s)) for at_s in (6, 9))
    assert early == {"claude-code ci dev": 1}
    assert late == {"claude-code ci dev": 0, "claude-code ci dev https://github.com/acme/widgets": 1}


def test_tool_calls_are_counted_by_what_they_came_to() -> None:
    tools = (
        tool_call("t1", "Bash", at_s=6, for_s=2),
        tool_call("t2", "Bash", at_s=6, for_s=3, error_type="exit_code"),
        tool_call("t3", "mcp__gh__x", at_s=6, for_s=1, mcp_server="gh"),
        replace(tool_call("t4", "Bash", at_s=6, for_s=1), ended_ns=None),
    )
    found = last_values(points(session(turn("p", dollars(5, "1", tool_calls=tools), at_s=4))), semconv.TOOL_DURATION)
    counts = {key: (value.count, value.sum) for key, value in found.items()}  # type: ignore[attr-defined]
    assert counts == {
        "Bash function": (1, 2), "Bash function exit_code": (1, 3), "mcp__gh__x extension gh": (1, 1)
    }  # fmt: skip


def test_a_turn_counts_its_time_and_calls_once_it_is_over() -> None:
    tools = (tool_call("t1", at_s=6, for_s=4, permission_wait_ns=3 * 10**9),)
    one = turn("p", dollars(5, "1", tool_calls=tools), at_s=4)
    seconds = (one.ended_ns - one.started_ns) / 1e9
    found = points(session(one))
    assert last_values(found, semconv.ACTIVE_TIME) == {"agent": seconds - 3, "user": 3}
    (calls,) = last_values(found, semconv.AGENT_INFERENCE_CALLS).values()
    assert (calls.count, calls.sum) == (1, 1)  # type: ignore[attr-defined]
    still_open = points(session(replace(one, is_complete=False)))
    assert {metric: last_values(still_open, metric) for metric in (semconv.ACTIVE_TIME, semconv.AGENT_DURATION)} == {
        semconv.ACTIVE_TIME: {}, semconv.AGENT_DURATION: {}
    }  # fmt: skip


def test_what_has_no_time_happened_when_the_session_began() -> None:
    timeless = replace(dollars(5, "1"), ended_ns=0, started_ns=0)  # type: ignore[type-var]
    one = replace(session(turn("p", dollars(6, "2"), timeless, at_s=4)), started_ns=at_ns(4))
    assert series(points(one), semconv.COST)[1] == (at_ns(4) // 10**6, 1)


def test_without_session_ids_all_sessions_share_their_series() -> None:
    merged = MergedMetrics(ConvertOptions(metrics_by_session=False))
    for number, usd in enumerate(("1", "2")):
        merged.add(replace(session(turn("p", dollars(5 + number, usd), at_s=4)), id=f"session-{number}"))
    found = [point for batch in merged.batches() for point in batch.items]
    assert [value for _, value in series(found, semconv.COST)] == [0, 1, 3]  # type: ignore[arg-type]
    assert all(semconv.SESSION_ID not in point.attributes for point in found)  # type: ignore[union-attr]
    assert all(point.metric is not semconv.SESSION_INFO for point in found)  # type: ignore[union-attr]


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_a_value_lies_above_its_buckets_lower_bound_and_not_above_the_upper(value: float) -> None:
    index = bucket_index(value)
    assert index / 2**SCALE - 1e-9 <= log2(value) <= (index + 1) / 2**SCALE + 1e-9


@pytest.mark.parametrize("exponent", range(-20, 20))
def test_a_power_of_two_is_an_upper_bound(exponent: int) -> None:
    assert bucket_index(2.0**exponent) == exponent * 2**SCALE - 1


@given(st.lists(st.integers(-5, 10**13), max_size=30))
def test_a_histogram_counts_every_value_once_and_sums_exactly(values: list[int]) -> None:
    histogram = Histogram(10**9)
    for value in values:
        histogram.add(value)
    state = histogram.distribution()
    assert isinstance(state, Distribution)
    assert state.count == len(values) == sum(state.buckets) + state.zero_count
    assert state.sum == sum(value for value in values if value > 0) / 10**9
    if state.buckets:
        assert state.buckets[0]
        assert state.buckets[-1]


def test_a_fork_told_from_its_origin_writes_later_than_one_that_was_taken_for_itself() -> None:
    """Whatever came with the copied calls: a link before them, a turn, a tool call and a sub-agent each."""
    copied = [
        turn(
            f"copied-{n}",
            dollars(
                10 * n + 5,
                "0.25",
                tool_calls=(tool_call(f"t{n}", at_s=10 * n + 6, agent=sub_agent(f"a{n}", dollars(10 * n + 6, "0.5"))),),
            ),
            at_s=10 * n + 4,
            for_s=4,
        )
        for n in range(5)
    ]
    own = turn("own", dollars(95, "0.5"), at_s=94, for_s=3)
    link = PullRequestLink(SEVEN, at_ns(1))
    alone = session(*copied, own, pull_requests=(link,))
    aware = session(own, pull_requests=(link,))
    quality = replace(aware.quality, foreign_calls=10, foreign_tool_calls=5)
    both = sorted([*points(alone), *points(replace(aware, quality=quality))], key=lambda point: point.time_ns)
    assert last_values(both, semconv.COST)[f"{MODEL} {MODEL} main"] == 0.5


def test_series_of_calls_that_turned_out_to_be_copies_end_at_zero() -> None:
    """Other models, tools and prices that only who did not have the origin took for the fork's own."""
    tools = (tool_call("t1", "Bash", at_s=6),)
    copied = turn("copied", dollars(5, "0.25", model="opus", tool_calls=tools), at_s=4, for_s=4)
    own = turn("own", dollars(95, "0.5", model="haiku"), at_s=94, for_s=3)
    alone, aware = session(copied, own), session(own)
    aware = replace(aware, quality=replace(aware.quality, foreign_calls=1, foreign_tool_calls=1))
    both = sorted([*points(alone), *points(aware, lesser=[alone])], key=lambda point: point.time_ns)
    assert last_values(both, semconv.COST) == {"opus opus main": 0, "haiku haiku main": 0.5}
    (bash,) = last_values(both, semconv.TOOL_DURATION).values()
    assert bash.count == 0  # type: ignore[attr-defined]
    nothing_left = replace(aware, turns=(), started_ns=0, ended_ns=0)
    gone = sorted([*points(alone), *points(nothing_left, lesser=[alone])], key=lambda point: point.time_ns)
    assert set(last_values(gone, semconv.COST).values()) == {0}


def test_a_client_total_without_difference_says_so() -> None:
    """Who lacks a sub-agent's file finds a difference; who has it must take that back."""
    one = session(turn("p", dollars(5, "1"), at_s=4), unrecorded_history=(Unrecorded(at_ns(6), Decimal(0)),))
    assert last_values(points(one), semconv.COST)["unrecorded"] == 0


def test_what_a_branch_had_taken_moves_to_the_pull_request_of_the_session() -> None:
    calls = turn("p", dollars(5, "1"), dollars(12, "2"), at_s=4)
    one = session(
        calls,
        branch_links=(BranchLink(str(CONTEXT.branch), PullRequestLink(SEVEN, at_ns(3))),),
        pull_requests=(PullRequestLink(EIGHT, at_ns(10)),),
    )
    seven, eight = (f"https://github.com/acme/widgets {number}" for number in (7, 8))
    assert last_values(points(one), semconv.CHANGE_COST, until_ns=at_ns(9)) == {"": 0, seven: 1}
    assert last_values(points(one), semconv.CHANGE_COST) == {"": 0, seven: 0, eight: 3}


def test_retries_failures_lines_commits_and_waits_are_counted() -> None:
    found = points(full_session())
    problems = last_values(found, semconv.PROBLEMS)
    assert (problems["api_retry"], problems["api_error"]) == (2, 1)
    assert last_values(found, semconv.COMMITS) == {"": 1}
    assert set(last_values(found, semconv.LINES)) == {"added", "removed"}
    (waits,) = last_values(found, semconv.PERMISSION_WAITS).values()
    assert (waits.count, waits.sum) == (1, 1.5)  # type: ignore[attr-defined]
