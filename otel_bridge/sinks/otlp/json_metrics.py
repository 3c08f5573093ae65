"""Data points in OTLP/JSON: each point for itself, and the metrics that hold them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec
from msgspec import Raw, Struct

from otel_bridge.sinks.otlp.encoder import ItemEncoder, fits
from otel_bridge.sinks.otlp.json_attributes import JsonAttributes, quoted
from otel_bridge.telemetry import DataPoint, Distribution, Instrument

_encode = msgspec.json.Encoder().encode

_CUMULATIVE = b'"aggregationTemporality":2'
_KINDS = {
    Instrument.GAUGE: (b"gauge", b""),
    Instrument.COUNTER: (b"sum", b"," + _CUMULATIVE + b',"isMonotonic":true'),
    Instrument.HISTOGRAM: (b"exponentialHistogram", b"," + _CUMULATIVE),
}
"""The field of a metric that holds the points, and what follows them there."""


class _Point(Struct, rename="camel", omit_defaults=True):
    attributes: Raw
    start_time_unix_nano: str
    time_unix_nano: str


class _Number(_Point, omit_defaults=True):
    as_int: str = ""
    as_double: float | None = None


class _Buckets(Struct, rename="camel"):
    offset: int
    bucket_counts: list[str]


class _Histogram(_Point, rename="camel"):
    count: str
    sum: float
    scale: int
    zero_count: str
    positive: _Buckets


def point_encoder() -> ItemEncoder:
    """Return an encoder of points."""
    attributes = JsonAttributes()

    def encode(points: Sequence[DataPoint]) -> list[bytes]:
        return [_encode(_point(point, Raw(attributes.all(point.attributes)))) for point in points]

    return encode


def metric_frames(points: Sequence[DataPoint], encoded: Sequence[bytes]) -> list[bytes]:
    """Put neighbouring points of a metric into one metric object each."""
    frames = []
    for metric, pairs in groupby(zip(points, encoded, strict=True), key=lambda pair: pair[0].metric):
        field, tail = _KINDS[metric.instrument]
        texts = tuple(map(quoted, (metric.name, metric.brief, metric.unit)))
        held = b",".join(data for _, data in pairs)
        frames.append(
            b'{"name":%b,"description":%b,"unit":%b,"%b":{"dataPoints":[%b]%b}}' % (*texts, field, held, tail)
        )
    return frames


def _point(point: DataPoint, attributes: Raw) -> _Point:
    value, times = point.value, (str(point.start_ns), str(point.time_ns))
    if isinstance(value, Distribution):
        buckets = _Buckets(value.offset, list(map(str, value.buckets)))
        return _Histogram(attributes, *times, str(value.count), value.sum, value.scale, str(value.zero_count), buckets)
    return (
        _Number(attributes, *times, as_int=str(value))
        if isinstance(value, int) and fits(value)
        else _Number(attributes, *times, as_double=float(value))
    )
