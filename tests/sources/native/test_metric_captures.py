"""The counters of recorded runs of five client versions, to the last digit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from random import Random

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_bridge import counters
from tests.captures import RUNS, native_account
from tests.native import metric_requests
from tests.native_metrics import as_totals, folded_sums, native_counters, recorded_sums
from tests.waterfall import exact


@pytest.mark.parametrize("run", RUNS)
def test_counters_are_the_sums_of_the_recording(run: str) -> None:
    """Every counter of every session, under every attribute that matters, and no other; nothing is in doubt."""
    assert folded_sums(metric_requests(run)) == recorded_sums(run)
    assert not any(found.doubts for found in native_counters(run).values())


@pytest.mark.parametrize("run", RUNS)
def test_counters_are_those_of_the_account(run: str) -> None:
    """Cost and tokens by session, model and source are those that another reading of the recording found."""
    account = native_account(run)
    usd: dict[tuple[str | None, ...], Decimal] = {}
    tokens: defaultdict[tuple[str | None, ...], Counter[str]] = defaultdict(Counter)
    for session_id, found in native_counters(run).items():
        for counter in found.counters:
            key = session_id, counter.label("model"), counter.label("query_source")
            if counter.name == counters.COST:
                usd[key] = Decimal(counter.total)
            elif counter.name == counters.TOKENS:
                tokens[key][counter.label("type") or ""] += int(counter.total)
    assert usd == {(row.session_id, row.model, row.query_source): exact(row.usd) for row in account.cost_usage}
    assert tokens == {
        (row.session_id, row.model, row.query_source): Counter(
            input=row.input, output=row.output, cacheRead=row.cacheRead, cacheCreation=row.cacheCreation
        )
        for row in account.token_usage
    }


@pytest.mark.parametrize("run", RUNS)
def test_repeats_change_nothing(run: str) -> None:
    """A sender that did not get our answer sends a request again, later ones first."""
    requests = list(metric_requests(run))
    assert folded_sums([*requests, *reversed(requests)]) == recorded_sums(run)


@pytest.mark.parametrize("run", RUNS)
def test_cutting_requests_changes_nothing(run: str) -> None:
    """A collector on the way may send each point alone, and in any order."""
    alone = [part for request in metric_requests(run) for part in one_point_each(request)]
    Random(run).shuffle(alone)
    assert folded_sums(alone) == recorded_sums(run)
    totals = [part for request in as_totals(metric_requests(run), 1) for part in one_point_each(request)]
    Random(run).shuffle(totals)
    assert folded_sums(totals) == recorded_sums(run)


def one_point_each(request: ExportMetricsServiceRequest) -> Iterator[ExportMetricsServiceRequest]:
    for group in request.resource_metrics:
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                for point in metric.sum.data_points:
                    part = ExportMetricsServiceRequest()
                    part_group = part.resource_metrics.add(resource=group.resource)
                    part_metric = part_group.scope_metrics.add(scope=scope.scope).metrics.add(name=metric.name)
                    part_metric.sum.CopyFrom(metric.sum)
                    del part_metric.sum.data_points[:]
                    part_metric.sum.data_points.append(point)
                    yield part


@pytest.mark.parametrize("run", RUNS)
def test_totals_say_what_differences_say(run: str) -> None:
    """Sent as totals, restarted anywhere, the counters are those of the recording."""
    requests = list(metric_requests(run))
    for restart_at in range(len(requests) + 1):
        assert folded_sums(as_totals(requests, restart_at)) == recorded_sums(run)
