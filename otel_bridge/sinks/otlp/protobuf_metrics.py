"""Data points in protobuf: each point for itself, and the metrics that hold them (pure).

The tags are the field numbers of ``opentelemetry/proto/metrics/v1``, times 8, plus the wire type.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import groupby

from otel_bridge.sinks.otlp.encoder import ItemEncoder, fits
from otel_bridge.sinks.otlp.protobuf_attributes import AttributeEncoder
from otel_bridge.sinks.otlp.wire import delimited, utf8, varint
from otel_bridge.telemetry import DataPoint, Distribution, Instrument, Metric

_CUMULATIVE = 2
_AGGREGATION = b"\x10" + varint(_CUMULATIVE)
_KINDS = {
    Instrument.GAUGE: (b"\x2a", b""),
    Instrument.COUNTER: (b"\x3a", _AGGREGATION + b"\x18\x01"),
    Instrument.HISTOGRAM: (b"\x52", _AGGREGATION),
}
"""The field of ``Metric`` that holds the points, and what follows them there; only counters are monotonic."""

_two_times = struct.Struct("<BQBQ").pack
_double = struct.Struct("<Bd").pack
_fixed64 = struct.Struct("<Bq").pack
_count = struct.Struct("<BQ").pack


def point_encoder() -> ItemEncoder:
    """Return an encoder of points, as the ``data_points`` field of what holds them."""
    number_attributes, histogram_attributes = AttributeEncoder(b"\x3a"), AttributeEncoder(b"\x0a")

    def encode(points: Sequence[DataPoint]) -> list[bytes]:
        encoded = []
        for point in points:
            times = _two_times(0x11, point.start_ns, 0x19, point.time_ns)
            if isinstance(point.value, Distribution):
                body = histogram_attributes.all(point.attributes) + times + _distribution(point.value)
            else:
                body = number_attributes.all(point.attributes) + times + _number(point.value)
            encoded.append(delimited(b"\x0a", body))
        return encoded

    return encode


def metric_frames(points: Sequence[DataPoint], encoded: Sequence[bytes]) -> list[bytes]:
    """Put neighbouring points of a metric into one ``Metric`` each."""
    frames = []
    for metric, pairs in groupby(zip(points, encoded, strict=True), key=lambda pair: pair[0].metric):
        tag, tail = _KINDS[metric.instrument]
        held = delimited(tag, b"".join(data for _, data in pairs) + tail)
        frames.append(delimited(b"\x12", _head(metric) + held))
    return frames


def _head(metric: Metric) -> bytes:
    texts = ((b"\x0a", metric.name), (b"\x12", metric.brief), (b"\x1a", metric.unit))
    return b"".join(delimited(tag, utf8(text)) for tag, text in texts if text)


def _number(value: float) -> bytes:
    """Encode a number; a whole one that has no place in 64 bits as a floating point number."""
    return _fixed64(0x31, value) if isinstance(value, int) and fits(value) else _double(0x21, value)


def _distribution(value: Distribution) -> bytes:
    buckets = b"".join(map(varint, value.buckets))
    positive = b"\x08" + varint(_zigzag(value.offset)) + delimited(b"\x12", buckets) if buckets else b""
    return b"".join(
        (
            _count(0x21, value.count),
            _double(0x29, value.sum),
            b"\x30" + varint(_zigzag(value.scale)),
            _count(0x39, value.zero_count),
            delimited(b"\x42", positive) if positive else b"",
        )
    )


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
