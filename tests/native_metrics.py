"""The client's own counters of recorded runs: as we fold them, and as adding up the recording says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import cache

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from otel_bridge.counters import ClientCounters
from otel_bridge.model import Session
from otel_bridge.sources.native.metrics.fold import fold_points
from otel_bridge.sources.native.metrics.points import read_metrics
from otel_bridge.sources.native.metrics.records import NativePoint
from tests.native import documents, metric_requests
from tests.waterfall import exact

CUMULATIVE = 2
Sums = dict[tuple[str, str, frozenset[tuple[str, str]]], Decimal]
"""Session, counter and the attributes that matter → what was counted."""

LABELS = frozenset({"model", "query_source", "type", "start_type", "decision", "language", "source", "tool_name"})
"""The attributes that matter."""


def counted_session(told: ClientCounters) -> Session:
    """Return a session of which the client's counters are all that is known."""
    return Session(told.session_id, (), 0, 0, client_counters=told)


def recorded_sums(run: str) -> Sums:
    """Add up the points of a recording, all of which are deltas and came once."""
    sums: defaultdict[tuple[str, str, frozenset[tuple[str, str]]], Decimal] = defaultdict(Decimal)
    for document in documents(run, "metrics"):
        for resource in document["resourceMetrics"]:
            for metric in (metric for scope in resource["scopeMetrics"] for metric in scope["metrics"]):
                for point in metric["sum"]["dataPoints"]:
                    texts = {pair["key"]: pair["value"].get("stringValue", "") for pair in point["attributes"]}
                    labels = frozenset((key, text) for key, text in texts.items() if key in LABELS)
                    sums[texts["session.id"], metric["name"], labels] += Decimal(str(point["asDouble"]))
    return {key: exact(value) for key, value in sums.items()}


def folded_sums(requests: Iterable[ExportMetricsServiceRequest]) -> Sums:
    """Return the totals of the counters that requests fold to."""
    return {
        (found.session_id, f"claude_code.{counter.name}", frozenset(counter.labels)): Decimal(counter.total)
        for found in folded(requests).values()
        for counter in found.counters
    }


def folded(requests: Iterable[ExportMetricsServiceRequest]) -> dict[str, ClientCounters]:
    """Return the counters of each session in the requests."""
    points: defaultdict[str, list[NativePoint]] = defaultdict(list)
    for request in requests:
        for point in read_metrics(request).records:
            points[point.session_id].append(point)
    return {session_id: fold_points(session_id, own) for session_id, own in points.items()}


@cache
def native_counters(run: str) -> dict[str, ClientCounters]:
    """Return the counters of each session of a run."""
    return folded(metric_requests(run))


def as_totals(requests: Iterable[ExportMetricsServiceRequest], restart_at: int) -> list[ExportMetricsServiceRequest]:
    """Rewrite deltas as one process would have sent them as totals, every series each time, and one restarted there."""
    sent: list[ExportMetricsServiceRequest] = []
    state: dict[tuple[int, str, bytes], NumberDataPoint] = {}
    for index, request in enumerate(requests):
        if index == restart_at:
            state = {}
        total = ExportMetricsServiceRequest()
        total.CopyFrom(request)
        for at, group in enumerate(total.resource_metrics):
            metrics = [metric for scope in group.scope_metrics for metric in scope.metrics]
            now_ns = max(point.time_unix_nano for metric in metrics for point in metric.sum.data_points)
            for metric in metrics:
                for point in metric.sum.data_points:
                    key = at, metric.name, b"".join(sorted(pair.SerializeToString() for pair in point.attributes))
                    if key in state:
                        state[key].as_double += point.as_double
                    else:
                        state[key] = NumberDataPoint()
                        state[key].CopyFrom(point)
            for metric in metrics:
                own = [point for (place, name, _), point in state.items() if (place, name) == (at, metric.name)]
                for point in own:
                    point.time_unix_nano = now_ns
                del metric.sum.data_points[:]
                metric.sum.data_points.extend(own)
                metric.sum.aggregation_temporality = CUMULATIVE
        sent.append(total)
    return sent
