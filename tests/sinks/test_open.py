"""Opening OTLP sinks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from otel_bridge.sinks import Counts
from otel_bridge.sinks.open import open_otlp_sink
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.telemetry import Signal
from tests.otlp_server import RecordingServer
from tests.sinks.samples import SCOPE, batch, record, span


def test_without_a_logs_endpoint_log_records_are_skipped_on_purpose() -> None:
    """Spans go out, events do not, and the delivery is complete all the same."""
    with RecordingServer("http/protobuf") as server:
        sink = open_otlp_sink([otlp_config(server.env, Signal.TRACES)], scope=SCOPE)
        sink.send(batch([span()]))
        sink.send(batch([record()]))
        delivery = sink.close()
        assert [request.signal for request in server.requests] == ["traces"]
    assert delivery.of(Signal.LOGS) == Counts(skipped=1)
    assert delivery.is_complete


def test_a_sink_that_gets_nothing_connects_to_nothing() -> None:
    """Opening and closing needs no receiver: an empty history is delivered completely."""
    config = otlp_config({}, Signal.TRACES, endpoint="http://127.0.0.1:1")
    delivery = open_otlp_sink([config], scope=SCOPE).close()
    assert delivery.is_complete
    assert delivery.counts == {}


@pytest.mark.parametrize("module", ["otel_bridge.sinks.open", "otel_bridge.sinks.file", "otel_bridge.sinks.console"])
def test_transport_libraries_are_loaded_only_to_send(module: str) -> None:
    """Commands that send nothing do not pay for the start of grpc, httpx2 or protobuf."""
    heavy = "{'grpc', 'httpx2', 'google.protobuf', 'opentelemetry.proto', 'rich', 'click'}"
    code = f"import sys, {module}; print(*({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"
