"""Small OTLP requests as Claude Code and others send them."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

EVENTS_SCOPE = "com.anthropic.claude_code.events"
TRACING_SCOPE = "com.anthropic.claude_code.tracing"
AT_NS = 1_700_000_000_000_000_000
SESSION = "11111111-1111-4111-8111-111111111111"


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=any_value(value)) for name, value in attributes.items()]


def any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


def log_record(name: str, attributes: dict[str, Any], at_ns: int = AT_NS) -> LogRecord:
    common = {"event.name": name, "session.id": SESSION}
    return LogRecord(time_unix_nano=at_ns, attributes=pairs({**common, **attributes}))


def logs(*records: LogRecord, scope: str = EVENTS_SCOPE) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    add_logs(request, *records, scope=scope)
    return request


def add_logs(request: ExportLogsServiceRequest, *records: LogRecord, scope: str) -> None:
    group = request.resource_logs.add()
    group.resource.attributes.extend(pairs({"service.name": "claude-code", "service.version": "2.1.329"}))
    scoped = group.scope_logs.add()
    scoped.scope.name = scope
    scoped.log_records.extend(records)


def span(span_type: str, attributes: dict[str, Any], **fields: Any) -> Span:
    known: dict[str, Any] = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "start_time_unix_nano": AT_NS,
        "end_time_unix_nano": AT_NS + 1,
        "name": f"claude_code.{span_type}",
    }
    common = {"span.type": span_type, "session.id": SESSION}
    return Span(**{**known, **fields}, attributes=pairs({**common, **attributes}))


def traces(*spans: Span, scope: str = TRACING_SCOPE) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add().scope_spans.add()
    scoped.scope.name = scope
    scoped.spans.extend(spans)
    return request
