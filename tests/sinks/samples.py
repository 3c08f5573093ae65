"""Spans, log records and sinks in a few words, for the tests of the sinks."""

from __future__ import annotations

import random
import threading
from typing import Any

from otel_bridge.sinks import Sink
from otel_bridge.sinks.open import open_otlp_sink
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.sinks.otlp.retry import RetryPolicy
from otel_bridge.telemetry import Batch, LogRecord, Resource, Scope, Signal, Span, SpanKind
from tests.otlp_server import RecordingServer

T0_NS = 1_763_000_000_000_000_000
SCOPE = Scope("otel_bridge", "1.2.3", "https://example.test/schema")
RESOURCE = Resource((("service.name", "claude-code"), ("host.name", "laptop")), "https://example.test/resource")
PROTOCOLS = ("http/protobuf", "http/json", "grpc")
QUICK = RetryPolicy(first_s=0.01, longest_s=0.05, give_up_s=10)


def span(number: int = 1, **facts: Any) -> Span:
    """Build a span; its id is its number, so that order and doubles show."""
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
