"""OTLP requests → records of Claude Code's own telemetry; what others sent is named, to be passed on (pure).

Claude Code is told by the scope, never by ``service.name``, which what we send ourselves shares: a route by service
name would feed us our own spans.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

from msgspec import Struct, field, structs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_bridge.model import Problem
from otel_bridge.sources.native.events import READERS
from otel_bridge.sources.native.records import AnyEvent, NativeRecord, NativeSpan, SpanLink
from otel_bridge.sources.native.values import Attributes

SCOPE = "com.anthropic.claude_code"
SPAN_ATTRIBUTES = frozenset(
    {
        *("duration_ms", "agent_id", "parent_agent_id", "workflow.run_id", "workflow.name"),
        *("user_prompt_length", "interaction.sequence", "parent.source"),
        *("model", "llm_request.context", "query_source", "query_source_safe", "speed", "effort"),
        *("ttft_ms", "first_content_ms", "input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"),
        *("request_id", "attempt", "success", "status_code", "error.type", "error_class", "stop_reason"),
        *("tool_name", "tool_use_id", "subagent_type", "skill_name", "anthropic.mcp.server.name", "bash_argv0"),
        *("result_tokens", "decision", "source"),
        *("hook_event", "hook_name"),
        *("num_hooks", "num_success", "num_blocking", "num_non_blocking_error", "num_cancelled"),
    }
)
"""What is kept of spans: words and numbers, no text that a person or a tool wrote."""
ORIGINAL_ATTRIBUTES = ("bash_command_class",)
"""Words that ``Attributes.words`` takes for texts by their names."""

LATEST_NS = 2**63 - 1
"""The last time that databases can hold (the year 2262)."""

Place = tuple[int, int]
"""Index of a resource group in a request, and of a scope group in that."""
Request = TypeVar("Request", ExportLogsServiceRequest, ExportTraceServiceRequest, ExportMetricsServiceRequest)

_LISTS: dict[Any, tuple[str, str, str]] = {
    ExportLogsServiceRequest: ("resource_logs", "scope_logs", "log_records"),
    ExportTraceServiceRequest: ("resource_spans", "scope_spans", "spans"),
    ExportMetricsServiceRequest: ("resource_metrics", "scope_metrics", "metrics"),
}
"""What the resource groups of a request, the scope groups in them and the items in those are called."""


class Unread(Struct):
    """What of one request no record was made of."""

    problems: list[Problem] = field(default_factory=list)
    """Records or values of Claude Code that could not be used."""
    foreign: list[Place] = field(default_factory=list)
    """Scope groups that are not Claude Code's."""
    left: list[tuple[int, int, int]] = field(default_factory=list)
    """Index of resource group, scope group and item of what is Claude Code's and not among the records."""


class Reading(Unread):
    """What one request of events or spans holds."""

    records: list[NativeRecord] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    """Claude Code's events that say nothing about a session's work, by name."""


def is_native_scope(name: str) -> bool:
    """Tell whether a scope is one of Claude Code's own."""
    return name == SCOPE or name.startswith(f"{SCOPE}.")


def read_logs(request: ExportLogsServiceRequest) -> Reading:
    """Return the events of a logs request."""
    reading = Reading()
    seen: Counter[AnyEvent] = Counter()
    for at, group in enumerate(request.resource_logs):
        version = _version(group.resource.attributes)
        for inner, scope in enumerate(group.scope_logs):
            if not is_native_scope(scope.scope.name):
                reading.foreign.append((at, inner))
                continue
            for number, record in enumerate(scope.log_records):
                event = _event(record, version or scope.scope.version or None, reading)
                if event is None:
                    reading.left.append((at, inner, number))
                    continue
                reading.records.append(structs.replace(event, repeat=seen[event]) if event in seen else event)
                seen[event] += 1
    return reading


def read_traces(request: ExportTraceServiceRequest, *, keeps_original: bool = False) -> Reading:
    """Return the spans of a traces request; ``keeps_original`` ones have all attributes that are no texts."""
    reading = Reading()
    for at, group in enumerate(request.resource_spans):
        version = _version(group.resource.attributes)
        for inner, scope in enumerate(group.scope_spans):
            if not is_native_scope(scope.scope.name):
                reading.foreign.append((at, inner))
                continue
            for number, span in enumerate(scope.spans):
                record = _span(span, version or scope.scope.version or None, reading, keeps_original)
                if record is None:
                    reading.left.append((at, inner, number))
                else:
                    reading.records.append(record)
    return reading


def rest(request: Request, reading: Unread) -> Request:
    """Return what no record was made of, unchanged: what is not Claude Code's, and of its own what we do not know."""
    kept = type(request)()
    kept.CopyFrom(request)
    name, inner_name, item_name = _LISTS[type(request)]
    whole, left = set(reading.foreign), set(reading.left)
    groups = getattr(kept, name)
    for at in range(len(groups) - 1, -1, -1):
        scopes = getattr(groups[at], inner_name)
        for inner in range(len(scopes) - 1, -1, -1):
            items = getattr(scopes[inner], item_name)
            if (at, inner) not in whole:
                for number in range(len(items) - 1, -1, -1):
                    if (at, inner, number) not in left:
                        del items[number]
            if not items:
                del scopes[inner]
        if not scopes:
            del groups[at]
    return kept


def _version(attributes: Any) -> str | None:
    return Attributes(attributes, "resource", []).text("service.version")


def _event(record: LogRecord, version: str | None, reading: Reading) -> AnyEvent | None:
    read = Attributes(record.attributes, "", reading.problems)
    name = read.text("event.name") or record.event_name or record.body.string_value
    read.subject = name = name.removeprefix("claude_code.")[:64]
    reader = READERS.get(name)
    if reader is None:
        reading.unused[name] += 1
        return None
    session_id = read.text("session.id")
    time_ns = record.time_unix_nano or record.observed_time_unix_nano
    if session_id is None:
        read.report("missing_id", "session.id")
        return None
    if not 0 < time_ns <= LATEST_NS:
        read.report("bad_timestamp", "time")
        return None
    common = {
        "session_id": session_id,
        "time_ns": time_ns,
        "sequence": read.count("event.sequence"),
        "prompt_id": read.text("prompt.id"),
        "trace_id": _id(record.trace_id, 16),
        "span_id": _id(record.span_id, 8),
        "agent_id": read.text("agent_id"),
        "parent_agent_id": read.text("parent_agent_id"),
        "version": version,
    }
    return reader(common, read)


def _span(span: Span, version: str | None, reading: Reading, keeps_original: bool) -> NativeSpan | None:
    read = Attributes(span.attributes, span.name.removeprefix("claude_code.")[:64], reading.problems)
    session_id = read.text("session.id")
    trace_id, span_id = _id(span.trace_id, 16), _id(span.span_id, 8)
    if session_id is None or not (trace_id and span_id):
        read.report("missing_id", "session.id" if trace_id and span_id else "span id")
        return None
    if not 0 < span.start_time_unix_nano <= span.end_time_unix_nano <= LATEST_NS:
        read.report("bad_timestamp", "start and end")
        return None
    attributes = read.scalars(SPAN_ATTRIBUTES)
    if keeps_original:
        attributes = read.words() | read.scalars(ORIGINAL_ATTRIBUTES) | attributes
    return NativeSpan(
        session_id,
        trace_id,
        span_id,
        _id(span.parent_span_id, 8),
        read.text("span.type") or read.subject,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == Status.STATUS_CODE_ERROR,
        attributes,
        tuple(SpanLink(link.trace_id, link.span_id) for link in span.links),
        tuple(event.time_unix_nano for event in span.events if event.name.endswith(".request.attempt")),
        version,
    )


def _id(raw: bytes, size: int) -> bytes:
    """Return an id as it is, or nothing where it is none."""
    return raw if len(raw) == size and any(raw) else b""
