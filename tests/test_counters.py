"""The client's counters of recorded runs beside its calls: what each tells, and what of it is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from otel_bridge import counters, semconv
from otel_bridge.convert import ConvertOptions
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.convert.metrics.counters import Difference, differences
from otel_bridge.convert.metrics.facts import session_facts
from otel_bridge.counters import ClientCounters
from otel_bridge.model import Session
from otel_bridge.prices import price_call
from otel_bridge.sources.native.join import join_session
from otel_bridge.sources.native.metrics.fold import fold_points
from otel_bridge.sources.native.metrics.points import read_metrics
from otel_bridge.sources.native.metrics.records import NativePoint
from otel_bridge.telemetry import Batch, DataPoint, Metric
from tests.captures import FAR_FUTURE_NS, RUNS, native_account, read_sessions, unpack_transcripts
from tests.native import metric_requests, native_records
from tests.native_metrics import counted_session, native_counters
from tests.waterfall import exact, version

AGREEING = [run for run in RUNS if version(run) in {"2.1.181", "2.1.329"}]
OTHER_MODEL = {Decimal("0.318275"): Decimal("0.267639"), Decimal("0.152448"): Decimal("0.12713")}
"""Client's cost → ours of two sessions: another model answered sub-agents than the one asked for, and the client
prices that (2.1.181)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


def joined(run: str, folder: Path) -> Iterator[tuple[Session, ClientCounters]]:
    """Yield the sessions of a run, from transcripts and events, with the client's counters of each."""
    records = native_records(run)
    for recorded in read_sessions(unpack_transcripts(run, folder)).values():
        session = join_session(recorded, records[recorded.id], price_call, FAR_FUTURE_NS)
        yield session, native_counters(run)[session.id]


def found_differences(session: Session, told: ClientCounters) -> list[Difference]:
    return [
        Difference(name, kind, exact(Decimal(ours)), exact(Decimal(theirs)))
        for name, kind, ours, theirs in differences(session, session_facts(session, {}), told)
    ]


def newest(batches: Iterator[Batch]) -> dict[tuple[Metric, str], DataPoint]:
    points = [item for batch in batches for item in batch.items if isinstance(item, DataPoint)]
    in_order = sorted(points, key=lambda point: point.time_ns)
    return {(point.metric, str(sorted(point.attributes.items()))): point for point in in_order}


@pytest.mark.parametrize("run", AGREEING)
def test_calls_and_counters_agree(run: str, folder: Path) -> None:
    """From 2.1.181 on all that is compared is equal, but for the cost where another model answered."""
    for session, told in joined(run, folder):
        for difference in found_differences(session, told):
            assert difference.name == semconv.COST.name
            assert difference.ours == OTHER_MODEL[Decimal(difference.theirs)]


@pytest.mark.parametrize("run", [run for run in RUNS if version(run) == "2.1.50"])
def test_tokens_agree_since_2_1_50(run: str, folder: Path) -> None:
    """Only the cost differs: the client's prices of that time are others."""
    for session, told in joined(run, folder):
        assert {difference.name for difference in found_differences(session, told)} == {semconv.COST.name}


@pytest.mark.parametrize("run", [run for run in RUNS if version(run) != "1.0.60"])
def test_lines_commits_and_pull_requests_agree(run: str, folder: Path) -> None:
    """Client 1.0.60 does not count the commit; all others count what we find."""
    changes = {semconv.LINES.name, semconv.COMMITS.name, semconv.PULL_REQUEST.name}
    for session, told in joined(run, folder):
        assert not changes & {difference.name for difference in found_differences(session, told)}


@pytest.mark.parametrize("run", RUNS)
def test_differences_are_sent_as_they_are_in_the_end(run: str, folder: Path) -> None:
    """The series of each number compared reads what the two sides differ by."""
    for session, told in joined(run, folder):
        series = newest(session_metrics(replace(session, client_counters=told), ConvertOptions()))
        read = {
            (point.attributes[semconv.COMPARED_METRIC], point.attributes.get(semconv.COMPARED_KIND, "")): point.value
            for (metric, _), point in series.items()
            if metric is semconv.NATIVE_DIFFERENCE
        }
        assert {key: value for key, value in read.items() if value} == {
            (name, kind): float(Decimal(ours) - Decimal(theirs))
            for name, kind, ours, theirs in found_differences(session, told)
        }


@pytest.mark.parametrize("run", RUNS)
def test_counters_alone_are_sent_as_the_client_counted(run: str) -> None:
    """Without transcript and events, cost and tokens by model are those of the client."""
    usd: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    tokens: defaultdict[tuple[str, str], int] = defaultdict(int)
    active_s = Decimal(0)
    for session_id, told in native_counters(run).items():
        for (metric, _), point in newest(session_metrics(counted_session(told), ConvertOptions())).items():
            key = session_id, str(point.attributes.get(semconv.RESPONSE_MODEL))
            assert isinstance(point.value, int | float)
            if metric is semconv.COST:
                usd[key] += Decimal(str(point.value))
            elif metric in (semconv.USAGE_INPUT, semconv.USAGE_OUTPUT):
                tokens[key] += int(point.value)
            elif metric is semconv.NATIVE_ACTIVE_TIME:
                active_s += Decimal(str(point.value))
    expected: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in native_account(run).cost_usage:
        expected[row.session_id, row.model] += exact(row.usd)
    assert usd == expected
    assert {key: count for key, count in tokens.items() if count} == {
        key: count for key, count in _account_tokens(run).items() if count
    }
    own = [counter for told in native_counters(run).values() for counter in told.named(counters.ACTIVE_TIME)]
    assert active_s == sum(counter.total for counter in own)


@pytest.mark.parametrize("run", AGREEING)
def test_exports_of_counters_may_arrive_in_any_order(run: str) -> None:
    """A store that keeps the first value at a time reads in the end what the export that knew most points said."""
    points: defaultdict[str, list[NativePoint]] = defaultdict(list)
    for request in metric_requests(run):
        for point in read_metrics(request).records:
            points[point.session_id].append(point)
    chance = Random(run)
    for session_id, own in points.items():
        for _ in range(8):
            known = [own, *(chance.sample(own, chance.randint(1, len(own))) for _ in range(3))]
            views = [fold_points(session_id, part) for part in known]
            stored: dict[tuple[Metric, str], dict[int, object]] = defaultdict(dict)
            for view in chance.sample(views, len(views)):
                for key, time_ns, value in _sent(view):
                    stored[key].setdefault(time_ns, value)
            for key, last in newest(session_metrics(counted_session(views[0]), ConvertOptions())).items():
                assert stored[key][max(stored[key])] == last.value


def _sent(told: ClientCounters) -> Iterator[tuple[tuple[Metric, str], int, object]]:
    for batch in session_metrics(counted_session(told), ConvertOptions()):
        for item in batch.items:
            assert isinstance(item, DataPoint)
            yield (item.metric, str(sorted(item.attributes.items()))), item.time_ns, item.value


def _account_tokens(run: str) -> dict[tuple[str, str], int]:
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in native_account(run).token_usage:
        sums[row.session_id, row.model] += row.input + row.output + row.cacheRead + row.cacheCreation
    return sums
