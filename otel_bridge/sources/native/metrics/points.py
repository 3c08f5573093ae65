"""Metrics requests → points of Claude Code's counters; what others sent is named, to be passed on (pure).

What a point is of (which series of which process) is told by a hash of everything that was sent with it, so that no
attribute we do not use can make two points one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import field
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    Metric,
    NumberDataPoint,
)

from otel_bridge import counters
from otel_bridge.counters import Amount
from otel_bridge.model import Problem
from otel_bridge.sources.native.metrics.records import NativePoint
from otel_bridge.sources.native.values import Attributes, amount, without_float_error
from otel_bridge.sources.native.wire import LATEST_NS, Unread, is_native_scope

PREFIX = "claude_code."
SESSION_ID = "session.id"

KNOWN = {
    counters.SESSIONS: ("start_type",),
    counters.LINES: ("model", "type"),
    counters.PULL_REQUESTS: (),
    counters.COMMITS: (),
    counters.COST: ("model", "query_source"),
    counters.TOKENS: ("model", "query_source", "type"),
    counters.EDIT_DECISIONS: ("decision", "language", "source", "tool_name"),
    counters.ACTIVE_TIME: ("type",),
}
"""Counter → the attributes kept of it, sorted. ``model`` of lines since 2.1.172, ``query_source`` since 2.1.181."""

MEASURED = frozenset({counters.COST, counters.ACTIVE_TIME})
"""Those that are no whole numbers."""

_TEMPORALITIES = (
    AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA,
    AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
)


_encode = msgspec.msgpack.Encoder().encode


class MetricReading(Unread):
    """What one request of metrics holds; left are those that are not among the counters we know, or are no counters."""

    records: list[NativePoint] = field(default_factory=list)


def read_metrics(request: ExportMetricsServiceRequest) -> MetricReading:
    """Return the points of a metrics request."""
    reading = MetricReading()
    for at, group in enumerate(request.resource_metrics):
        version = Attributes(group.resource.attributes, "resource", []).text("service.version")
        for inner, scope in enumerate(group.scope_metrics):
            if not is_native_scope(scope.scope.name):
                reading.foreign.append((at, inner))
                continue
            sender = (_canonical(group.resource.attributes), scope.scope.name.encode())
            for place, metric in enumerate(scope.metrics):
                if _is_known(metric):
                    reading.records += _points(metric, sender, version or scope.scope.version or None, reading.problems)
                else:
                    reading.left.append((at, inner, place))
    return reading


def _is_known(metric: Metric) -> bool:
    """Tell whether a metric is a counter we know, in one of the two forms that can be added up."""
    return (
        metric.name.startswith(PREFIX)
        and metric.name.removeprefix(PREFIX) in KNOWN
        and metric.WhichOneof("data") == "sum"
        and metric.sum.is_monotonic
        and metric.sum.aggregation_temporality in _TEMPORALITIES
    )


def _points(
    metric: Metric, sender: tuple[bytes, ...], version: str | None, problems: list[Problem]
) -> Iterator[NativePoint]:
    name = metric.name.removeprefix(PREFIX)
    is_cumulative = metric.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for point in metric.sum.data_points:
        if point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            continue
        read = Attributes(point.attributes, name, problems)
        session_id = read.text(SESSION_ID)
        start_ns, time_ns = point.start_time_unix_nano, point.time_unix_nano
        value = _amount(point, is_whole=name not in MEASURED)
        if session_id is None:
            read.report("missing_id", SESSION_ID)
        elif not (0 < time_ns <= LATEST_NS and start_ns <= time_ns):
            read.report("bad_timestamp", "start and time")
        elif value is None:
            read.report("bad_value", "value")
        else:
            labels = tuple((label, text) for label in KNOWN[name] if (text := read.text(label)))
            series = _series(*sender, _canonical(point.attributes))
            yield NativePoint(session_id, name, labels, is_cumulative, start_ns, time_ns, value, series, version)


def _amount(point: NumberDataPoint, *, is_whole: bool) -> Amount | None:
    """Return a point's value, ``None`` for what no counter can have come to."""
    kind = point.WhichOneof("value")
    exact = amount(str(getattr(point, kind))) if kind else None
    if exact is None:
        return None
    if is_whole:
        return int(exact) if exact == int(exact) else None
    return without_float_error(exact)


def _canonical(attributes: Iterable[KeyValue]) -> bytes:
    pairs: dict[str, Any] = {pair.key: pair.value.SerializeToString(deterministic=True) for pair in attributes}
    return _encode(sorted(pairs.items()))


def _series(*parts: bytes) -> bytes:
    return blake2b(_encode(parts), digest_size=8).digest()
