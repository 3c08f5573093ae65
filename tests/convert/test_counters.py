"""The client's own counters in our series: one authority per number, the other one compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import pytest
from msgspec.structs import replace

from otel_bridge import counters, semconv
from otel_bridge.convert import ConvertOptions
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.convert.metrics.counters import COMPARED, Difference, counters_are_authority, differences
from otel_bridge.convert.metrics.facts import session_facts
from otel_bridge.counters import ClientCounters, Counter
from otel_bridge.model import Session, Usage
from otel_bridge.telemetry import Batch, DataPoint, Metric
from otel_bridge.vcs import Commit, PullRequest, PullRequestLink
from tests.builders import MODEL, at_ns, model_call, session, tool_call, turn
from tests.convert.samples import counter, full_counters
from tests.native_metrics import counted_session

DEFAULTS = ConvertOptions()
CLIENT_ONLY = {semconv.NATIVE_STARTS.name, semconv.NATIVE_ACTIVE_TIME.name, semconv.NATIVE_EDIT_DECISIONS.name}
PULL_REQUEST = PullRequest("acme/widgets", 7, "https://github.com/acme/widgets/pull/7")


def points(batches: Iterable[Batch]) -> list[DataPoint]:
    return [item for batch in batches for item in batch.items if isinstance(item, DataPoint)]


def readings(found: Iterable[DataPoint]) -> dict[tuple[str, ...], float]:
    """Return what each series reads in the end, by metric and attributes without the session's id."""
    newest: dict[tuple[str, ...], DataPoint] = {}
    for point in found:
        labels = [str(value) for name, value in point.attributes.items() if name != semconv.SESSION_ID]
        key = (point.metric.name, *labels)
        if key not in newest or newest[key].time_ns <= point.time_ns:
            newest[key] = point
    return {key: point.value for key, point in newest.items() if not hasattr(point.value, "count")}


def sum_of(found: dict[tuple[str, ...], float], metric: Metric) -> float:
    return sum(value for key, value in found.items() if key[0] == metric.name)


def told(*own: Counter) -> ClientCounters:
    return ClientCounters("session", own, at_ns(0), point_count=len(own))


def agreeing(commits: tuple[str, ...] = ("a1", "b2")) -> tuple[Session, ClientCounters]:
    """Return a session, and the counters of a client that saw the same."""
    usage = Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_5m_tokens=4)
    made = tuple(Commit(sha, "committed", None, at_ns(4)) for sha in commits)
    edit = tool_call("toolu_1", "Edit", at_s=3, for_s=1, lines_added=5, lines_removed=6, commits=made)
    link = PullRequestLink(PULL_REQUEST, at_ns(5), "created")
    one = session(
        turn("p", model_call("req_1", edit, at_s=1, for_s=1, usage=usage, cost_usd=Decimal("0.25"))),
        pull_requests=(link, link),
    )
    own = told(
        counter(counters.COST, (20, Decimal("0.25")), model=MODEL),
        counter(counters.TOKENS, (20, 1), type="input"),
        counter(counters.TOKENS, (20, 2), type="output"),
        counter(counters.TOKENS, (20, 3), type="cacheRead"),
        counter(counters.TOKENS, (20, 4), type="cacheCreation"),
        counter(counters.LINES, (20, 5), type="added"),
        counter(counters.LINES, (20, 6), type="removed"),
        counter(counters.COMMITS, (20, len(commits))),
        counter(counters.PULL_REQUESTS, (20, 1)),
    )
    return one, own


def test_what_only_the_client_counts_is_its_own_series() -> None:
    """Starts, active time and decisions on edits, whether calls are known or not."""
    for batches in (
        session_metrics(replace(session(turn("p", model_call())), client_counters=full_counters()), DEFAULTS),
        session_metrics(counted_session(full_counters()), DEFAULTS),
    ):
        found = {key: value for key, value in readings(points(batches)).items() if key[0] in CLIENT_ONLY}
        assert found == {
            (semconv.NATIVE_STARTS.name, "fresh"): 1,
            (semconv.NATIVE_ACTIVE_TIME.name, "agent"): 4,
            (semconv.NATIVE_ACTIVE_TIME.name, "user"): 0.25,
            (semconv.NATIVE_EDIT_DECISIONS.name, "Edit", "accept", "config"): 2,
        }


def test_what_calls_say_is_not_sent_twice() -> None:
    """With calls, cost, tokens, lines and commits are theirs alone, whatever the counters say."""
    one, _ = agreeing()
    alone = readings(points(session_metrics(one, DEFAULTS)))
    both = readings(points(session_metrics(replace(one, client_counters=full_counters()), DEFAULTS)))
    for metric in (semconv.COST, semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.LINES, semconv.COMMITS):
        assert sum_of(both, metric) == sum_of(alone, metric), metric.name


def test_a_session_with_counters_alone_has_their_numbers() -> None:
    """Cost by model and source, tokens by model, lines and commits; input is the whole prompt."""
    found = readings(points(session_metrics(counted_session(full_counters()), DEFAULTS)))
    assert found[semconv.COST.name, MODEL, MODEL, "main"] == 0.75
    assert sum_of(found, semconv.USAGE_INPUT) == 800
    assert sum_of(found, semconv.USAGE_UNCACHED) == 100
    assert sum_of(found, semconv.USAGE_OUTPUT) == 200
    assert sum_of(found, semconv.USAGE_CACHE_READ) == 300
    assert sum_of(found, semconv.USAGE_CACHE_WRITE) == 400
    assert found[semconv.LINES.name, "added"] == 5
    assert sum_of(found, semconv.COMMITS) == 1
    assert sum_of(found, semconv.SESSION_INFO) == 1
    assert sum_of(found, semconv.NATIVE_DIFFERENCE) == 0


def test_calls_found_later_take_the_place_of_counters() -> None:
    """In whichever order the two exports arrive, the calls are what is read."""
    one, _ = agreeing(commits=())
    own = replace(full_counters(), session_id=one.id)
    before, after = (
        points(session_metrics(counted_session(own), DEFAULTS)),
        points(session_metrics(replace(one, client_counters=own), DEFAULTS)),
    )
    for arrival in ([*before, *after], [*after, *before]):
        found = readings(stored(arrival))
        assert sum_of(found, semconv.COST) == 0.25
        assert sum_of(found, semconv.USAGE_INPUT) == 8
        assert sum_of(found, semconv.LINES) == 11
        assert sum_of(found, semconv.COMMITS) == 0


def stored(arrival: Iterable[DataPoint]) -> Iterator[DataPoint]:
    """Yield what Prometheus keeps: the first value at a time."""
    taken: set[tuple[object, ...]] = set()
    for point in arrival:
        place = point.metric.name, tuple(point.attributes.items()), point.time_ns
        if place not in taken:
            taken.add(place)
            yield point


def test_where_both_agree_every_difference_is_zero() -> None:
    """All that is compared is named, so that a difference of others, and one of yesterday, ends at 0."""
    one, own = agreeing()
    assert differences(one, session_facts(one, {}), own) == []
    found = readings(points(session_metrics(replace(one, client_counters=own), DEFAULTS)))
    compared = {key: value for key, value in found.items() if key[0] == semconv.NATIVE_DIFFERENCE.name}
    assert len(compared) == len(COMPARED)
    assert set(compared.values()) == {0}


@pytest.mark.parametrize("compared", range(len(COMPARED)))
def test_each_number_is_compared(compared: int) -> None:
    """A counter the client does not have counts as 0, and what is ours is the difference."""
    one, own = agreeing()
    name, kind, of, of_type = COMPARED[compared]
    theirs = sum(x.total for x in own.counters if x.name == of and of_type in ("", x.label("type")))
    rest = replace(own, counters=tuple(x for x in own.counters if x.name != of or of_type not in ("", x.label("type"))))
    assert theirs > 0
    assert differences(one, session_facts(one, {}), rest) == [Difference(name, kind, theirs, 0)]
    found = readings(points(session_metrics(replace(one, client_counters=rest), DEFAULTS)))
    assert found[tuple(x for x in (semconv.NATIVE_DIFFERENCE.name, name, kind) if x)] == float(theirs)


def test_both_are_compared_when_the_client_reports() -> None:
    """Calls after its last report are not missing, and a report that comes late closes the gap."""
    one = session(
        turn("p", *(model_call(f"r{at}", at_s=at, for_s=0, cost_usd=Decimal(1)) for at in (1, 2, 30)), for_s=40)
    )
    own = told(counter(counters.COST, (1, Decimal(1)), (3, Decimal("1.5")), (20, Decimal(2))))
    found = [
        (point.time_ns, point.value)
        for point in points(session_metrics(replace(one, client_counters=own), DEFAULTS))
        if point.metric is semconv.NATIVE_DIFFERENCE and point.attributes[semconv.COMPARED_METRIC] == semconv.COST.name
    ]
    assert found[1:-1] == [(at_ns(1), 0), (at_ns(3), 0.5), (at_ns(20), 0)]
    assert found[-1][1] == 0


def test_counters_are_believed_only_of_sessions_without_turns() -> None:
    assert counters_are_authority(None)
    assert counters_are_authority(session())
    assert not counters_are_authority(session(turn("p")))


def test_without_points_nothing_is_sent() -> None:
    assert points(session_metrics(counted_session(ClientCounters("session")), DEFAULTS)) == []


def test_a_doubt_is_a_problem() -> None:
    found = readings(points(session_metrics(counted_session(replace(told(), doubts=(at_ns(3), at_ns(4)))), DEFAULTS)))
    assert found[semconv.PROBLEMS.name, "counter_doubt"] == 2


def test_series_keep_the_rules_of_all_series() -> None:
    """An explicit zero first, the session's id on each, the service's name alone as resource, hours apart."""
    batches = list(session_metrics(counted_session(full_counters()), DEFAULTS))
    assert {batch.resource.attributes for batch in batches} == {((semconv.SERVICE_NAME, "claude-code"),)}
    starts = [point for batch in batches for point in batch.items if point.time_ns == point.start_ns]  # type: ignore[union-attr]
    found = points(batches)
    assert {point.value for point in starts} == {0}  # type: ignore[union-attr]
    assert len(starts) == len({(point.metric.name, str(point.attributes)) for point in found})
    assert {point.attributes[semconv.SESSION_ID] for point in found} == {"session"}
