"""Spans, log records, batches and sinks in a few words, for the tests of the sinks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from otel_bridge.sinks import Sink
from otel_bridge.sinks.open import open_otlp_sink
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.sinks.otlp.packing import DEFAULT_LIMITS, Limits
from otel_bridge.sinks.otlp.retry import RetryPolicy
from otel_bridge.telemetry import Batch, LogRecord, Resource, Scope, Signal, Span, SpanKind
from tests.otlp_server import RecordingServer

T0_NS = 1_763_000_000_000_000_000
SCOPE = Scope("otel_bridge", "1.2.3", "https://example.test/scope")
RESOURCE = Resource((("host.name", "laptop"), ("service.name", "claude-code")), "https://example.test/resource")
OTHER_RESOURCE = Resource((("service.name", "other"),))
PROTOCOLS = ("http/protobuf", "http/json", "grpc")
QUICK = RetryPolicy(first_s=0.01, longest_s=0.05, give_up_s=10)


def span(number: int = 1, **facts: Any) -> Span:
    """Build a span; its id is its number, so that order, loss and doubles show."""
    defaults: dict[str, Any] = {
        "trace_id": (number // 100 + 1).to_bytes(16, "big"),
        "span_id": number.to_bytes(8, "big"),
        "parent_id": b"",
        "name": "chat claude",
        "kind": SpanKind.CLIENT,
        "start_ns": T0_NS + number,
        "end_ns": T0_NS + number + 1_000_000,
        "attributes": {"number": number, "text": f"value {number % 7}"},
    }
    return Span(**defaults | facts)


def spans(count: int) -> list[Span]:
    """Build spans numbered from 1."""
    return [span(number) for number in range(1, count + 1)]


def record(number: int = 1, **facts: Any) -> LogRecord:
    """Build a log record."""
    defaults: dict[str, Any] = {
        "event_name": "session.start",
        "time_ns": T0_NS + number,
        "severity_number": 9,
        "attributes": {"number": number},
    }
    return LogRecord(**defaults | facts)


def batch(items: Sequence[Span] | Sequence[LogRecord], resource: Resource = RESOURCE) -> Batch:
    """Build a batch of the signal its items are of."""
    is_logs = bool(items) and isinstance(items[0], LogRecord)
    return Batch(Signal.LOGS if is_logs else Signal.TRACES, resource, items)


def ids(items: Iterable[Span]) -> list[str]:
    """Return the span ids in hex, as the recording server does."""
    return [item.span_id.hex() for item in items]


def sink_to(
    server: RecordingServer,
    env: dict[str, str] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    retry: RetryPolicy = QUICK,
    in_flight: int = 4,
) -> Sink:
    """Open a sink for spans and log records that sends to a recording server."""
    env = server.env | (env or {})
    traces, logs = (otlp_config(env, signal) for signal in (Signal.TRACES, Signal.LOGS))
    return open_otlp_sink([traces, logs], scope=SCOPE, limits=limits, retry=retry, in_flight=in_flight)
