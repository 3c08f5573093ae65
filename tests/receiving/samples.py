"""Official requests of each signal in a few words, and what they look like in other forms."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from otel_bridge.receiving.signals import WIRES
from otel_bridge.sinks.otlp.wire import delimited
from otel_bridge.telemetry import Signal
from tests.otlp_server import REQUESTS
from tests.sinks.samples import T0_NS
from tests.stack.otlp import spans, string

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACES = WIRES[Signal.TRACES]


def request(signal: str, count: int = 3) -> Any:
    """Return a request with so many items."""
    return {"traces": _traces, "logs": _logs, "metrics": _metrics}[signal](count)


def body(signal: str = "traces", count: int = 3) -> bytes:
    """Return the same in protobuf."""
    encoded: bytes = request(signal, count).SerializeToString()
    return encoded


def nested(depth: int) -> bytes:
    """Return a request for logs whose only attribute holds lists within lists, so many."""
    value = b"\x18\x01"
    for tag in b"\x0a\x2a" * depth + b"\x12\x32\x12\x12\x0a":  # values, array_value; then value, attributes and so on
        value = delimited(bytes((tag,)), value)
    return value


def _traces(count: int) -> Message:
    found = spans("service", T0_NS / 1e9, count, {"text": "ä\n", "empty": ""})
    found.resource_spans[0].scope_spans[0].scope.name = "scope"
    return found


def _logs(count: int) -> Message:
    found = REQUESTS["logs"]()
    resource = found.resource_logs.add(schema_url="https://example.test")
    resource.resource.attributes.append(string("service.name", "service"))
    scope = resource.scope_logs.add()
    scope.scope.version = "1"
    for number in range(count):
        record = scope.log_records.add(
            time_unix_nano=T0_NS + number, severity_number=9, trace_id=bytes(range(16)), span_id=bytes(range(8))
        )
        record.body.string_value = "body"
        record.attributes.append(KeyValue(key="many", value=_value_of_all_kinds()))
    return found


def _metrics(count: int) -> Message:
    found = REQUESTS["metrics"]()
    resource = found.resource_metrics.add()
    resource.resource.attributes.append(string("service.name", "service"))
    scope = resource.scope_metrics.add()
    scope.scope.name = "scope"
    metrics = scope.metrics
    sums = metrics.add(name="sum", unit="{token}")
    sums.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    histogram = metrics.add(name="histogram").exponential_histogram
    for number in range(count):
        if number % 2:
            point = histogram.data_points.add(time_unix_nano=T0_NS, count=3, sum=float("inf"), scale=-2)
            point.positive.offset = -7
            point.positive.bucket_counts.extend([1, 0, 2**40])
        else:
            sums.sum.data_points.add(time_unix_nano=T0_NS, as_int=-number).attributes.append(string("model", "m"))
    metrics.add(name="gauge").gauge.SetInParent()
    metrics.add(name="empty")
    return found


def _value_of_all_kinds() -> AnyValue:
    value = AnyValue()
    values = value.kvlist_value.values
    values.add(key="int").value.int_value = -(2**63)
    values.add(key="double").value.double_value = 0.1
    values.add(key="bool").value.bool_value = False
    values.add(key="bytes").value.bytes_value = b"\xfb\xff\x00"
    values.add(key="list").value.array_value.values.add().string_value = "x"
    values.add(key="nothing").value.SetInParent()
    return value
