"""Signals as OTLP carries them: the messages, addresses and items of the three that are known (pure).

Imported only to receive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from msgspec import Struct
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from otel_bridge.telemetry import Signal

PROTOBUF, JSON = "application/x-protobuf", "application/json"
"""Media types of a request."""


class Wire(Struct, frozen=True):
    """How requests of one signal look on the wire."""

    signal: Signal
    request: type[Message]
    response: type[Message]
    rejected_field: str
    """Of the response's ``partial_success``."""
    service: str
    attributed: Callable[[Any], Iterator[Any]]
    """Yields the items of a request: all that has attributes, but for resources and scopes."""

    @property
    def path(self) -> str:
        """The path of OTLP/HTTP."""
        return f"/v1/{self.signal}"

    @property
    def method(self) -> str:
        """The method of gRPC."""
        return f"/opentelemetry.proto.collector.{self.service}/Export"

    def decode(self, body: bytes) -> Any:
        """Decode a request. ValueError if it is none, or nested too deeply."""
        try:
            return self.request.FromString(body)
        except DecodeError as error:
            raise ValueError(str(error)) from None

    def answer(self, rejected: int, reason: str, *, is_json: bool = False) -> bytes:
        """Encode the response to a request that was taken, but for so many items."""
        response: Any = self.response()
        if rejected or reason:
            setattr(response.partial_success, self.rejected_field, rejected)
            response.partial_success.error_message = reason
        if is_json:
            return msgspec.json.encode(json_format.MessageToDict(response))
        encoded: bytes = response.SerializeToString()
        return encoded


def _spans(request: Any) -> Iterator[Any]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _records(request: Any) -> Iterator[Any]:
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            yield from scope.log_records


def _points(request: Any) -> Iterator[Any]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind:
                    yield from getattr(metric, kind).data_points


WIRES = {
    wire.signal: wire
    for wire in (
        Wire(
            Signal.TRACES,
            trace_service_pb2.ExportTraceServiceRequest,
            trace_service_pb2.ExportTraceServiceResponse,
            "rejected_spans",
            "trace.v1.TraceService",
            _spans,
        ),
        Wire(
            Signal.LOGS,
            logs_service_pb2.ExportLogsServiceRequest,
            logs_service_pb2.ExportLogsServiceResponse,
            "rejected_log_records",
            "logs.v1.LogsService",
            _records,
        ),
        Wire(
            Signal.METRICS,
            metrics_service_pb2.ExportMetricsServiceRequest,
            metrics_service_pb2.ExportMetricsServiceResponse,
            "rejected_data_points",
            "metrics.v1.MetricsService",
            _points,
        ),
    )
}
BY_PATH = {wire.path: wire for wire in WIRES.values()}
BY_METHOD = {wire.method: wire for wire in WIRES.values()}
