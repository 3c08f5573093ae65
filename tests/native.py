"""The client's own telemetry of recorded runs: as OTLP requests, and as the records we read from it."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_bridge.sources.native.records import NativeRecord, by_session
from otel_bridge.sources.native.wire import read_logs, read_traces
from tests.captures import FOLDER

HEX_IDS = ("traceId", "spanId", "parentSpanId")


def documents(run: str, signal: str) -> Iterator[dict[str, Any]]:
    """Yield the requests of a signal (``logs``, ``traces``, ``metrics``) the client sent in a run, as OTLP/JSON."""
    with tarfile.open(FOLDER / run / "native.tar.xz") as archive:
        if f"{signal}.jsonl" in archive.getnames():
            lines = archive.extractfile(f"{signal}.jsonl")
            assert lines is not None
            yield from map(json.loads, lines)


def log_requests(run: str) -> Iterator[ExportLogsServiceRequest]:
    for document in documents(run, "logs"):
        yield ParseDict(_with_base64_ids(document), ExportLogsServiceRequest())


def trace_requests(run: str) -> Iterator[ExportTraceServiceRequest]:
    for document in documents(run, "traces"):
        yield ParseDict(_with_base64_ids(document), ExportTraceServiceRequest())


def metric_requests(run: str) -> Iterator[ExportMetricsServiceRequest]:
    for document in documents(run, "metrics"):
        yield ParseDict(document, ExportMetricsServiceRequest())


@cache
def native_records(run: str) -> dict[str, list[NativeRecord]]:
    """Return the records of a run's sessions, in the order they were sent, logs before spans."""
    readings = [*map(read_logs, log_requests(run)), *map(read_traces, trace_requests(run))]
    assert not any(reading.problems or reading.foreign for reading in readings)
    return by_session(record for reading in readings for record in reading.records)


def _with_base64_ids(value: Any) -> Any:
    """Ids are hex in OTLP/JSON and base64 in protobuf's own mapping."""
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in HEX_IDS else _with_base64_ids(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    return value
