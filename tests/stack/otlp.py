"""OTLP requests made with the official messages, and what a server answers to them."""

from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_bridge.sinks.otlp.wire import Message as StatusMessage

SYNC = {"x-otel-bridge-sync": "1"}
"""Asks the collector for the answer of Prometheus itself."""

SIGNALS: dict[type[Message], tuple[str, Any]] = {
    ExportMetricsServiceRequest: ("metrics", MetricsServiceStub),
    ExportTraceServiceRequest: ("traces", TraceServiceStub),
    ExportLogsServiceRequest: ("logs", LogsServiceStub),
}


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, or the name of the gRPC one, and the server's words."""

    status: int | str
    message: str = ""


def counter(session: str, points: Iterable[tuple[float, float]], service: str = "claude-code") -> Message:
    """Return a request with one cumulative series of ``coding_agent.cost``: pairs of time in seconds and value."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.append(string("service.name", service))
    metric = resource.scope_metrics.add().metrics.add(name="coding_agent.cost", unit="USD")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for at_s, value in points:
        point = metric.sum.data_points.add(time_unix_nano=round(at_s * 1e9), as_double=value)
        point.attributes.append(string("session.id", session))
    return request


def spans(
    service: str, at_s: float, count: int = 1, attributes: Mapping[str, str] | None = None, key: str = ""
) -> ExportTraceServiceRequest:
    """Return a request with one trace: a root and children of it, a second apart."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(string("service.name", service))
    trace_id = hashlib.sha256(f"{service} {key}".encode()).digest()[:16]
    scope = resource.scope_spans.add()
    for number in range(count):
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=span_id(number),
            parent_span_id=b"" if number == 0 else span_id(0),
            name=f"span {number}",
            kind=Span.SpanKind.SPAN_KIND_INTERNAL,
            start_time_unix_nano=round((at_s + number) * 1e9),
            end_time_unix_nano=round((at_s + number) * 1e9) + 500_000_000,
        )
        span.attributes.extend(string(name, value) for name, value in (attributes or {}).items())
    return request


def log_record(body: str, **attributes: str) -> ExportLogsServiceRequest:
    """Return a request with one log record of the present."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    record = scope.log_records.add(time_unix_nano=time.time_ns(), body=AnyValue(string_value=body))
    record.attributes.extend(string(name, value) for name, value in attributes.items())
    return request


def span_id(number: int) -> bytes:
    """Return the id of a span of ``spans``."""
    return (number + 1).to_bytes(8, "big")


def string(key: str, value: str) -> KeyValue:
    """Return an attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


def send_http(base: str, request: Message, headers: Mapping[str, str] | None = None, context: Any = None) -> Answer:
    """POST a request to a base endpoint; 200 or the status and the words of the refusal."""
    signal, _ = SIGNALS[type(request)]
    head = {"content-type": "application/x-protobuf", **(headers or {})}
    call = urllib.request.Request(f"{base}/v1/{signal}", data=request.SerializeToString(), headers=head)
    try:
        with urllib.request.urlopen(call, timeout=30, context=context) as reply:
            return Answer(reply.status)
    except urllib.error.HTTPError as error:
        body = error.read()
        is_status = error.headers["content-type"] == "application/x-protobuf"
        return Answer(error.code, StatusMessage(body).payload(2).decode() if is_status else body.decode())


def send_grpc(
    target: str, request: Message, headers: Mapping[str, str] | None = None, credentials: Any = None
) -> Answer:
    """Send a request over gRPC; ``OK`` or the name of the code and the words of the refusal."""
    _, stub = SIGNALS[type(request)]
    channel = grpc.secure_channel(target, credentials) if credentials else grpc.insecure_channel(target)
    with channel:
        try:
            stub(channel).Export(request, timeout=30, metadata=list((headers or {}).items()))
        except grpc.RpcError as error:
            return Answer(error.code().name, error.details() or "")
        return Answer("OK")
