"""Metrics requests → points of Claude Code's counters; what others sent is named, to be passed on (pure).

A point is small and can be stored as MessagePack. What a point is of (which series of which process) is told by a hash
of everything that was sent with it, so that no attribute we do not use can make two points one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, field
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    Metric,
    NumberDataPoint,
)

from otel_bridge import counters
from otel_bridge.counters import Amount, Labels
from otel_bridge.model import Problem
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


class NativePoint(Struct, array_like=True, frozen=True, gc=False, tag="point"):
    """One point of one counter. Points of one ``point_key`` are one that was received twice."""

    session_id: str
    metric: str
    """A name of ``otel_bridge.counters``."""
    labels: Labels
    is_cumulative: bool
    """The value counts from ``start_ns``; else it is what came to it between the two times."""
    start_ns: int
    """0 where it was not sent."""
    time_ns: int
    value: Amount
    """Whole for counts; USD and seconds to the tenth decimal, without the error of binary floats."""
    series: bytes
    """Hash of the resource and of all attributes: points of other processes differ in it if the wire tells them."""
    version: str | None = None
    """Of the client."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NativePoint).decode


def pack_point(point: NativePoint) -> bytes:
    """Return a point as the bytes to store."""
    return _encode(point)


def unpack_point(data: bytes) -> NativePoint:
    """Return a stored point.

    Raises:
        msgspec.ValidationError: the bytes are those of another version of this struct.
    """
    point: NativePoint = _decode(data)
    return point


def point_key(point: NativePoint) -> bytes:
    """Return the 16 bytes that identify a point among those of its session: which series it is of, when, and its value.

    What we keep of the attributes does not count: keeping one more later makes no point another one.
    """
    said = point.metric, point.series, point.is_cumulative, point.start_ns, point.time_ns, str(point.value)
    return blake2b(_encode(said), digest_size=16, person=b"otelb.npoint").digest()


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
