from __future__ import annotations

import socket
import time

import pytest

from otel_bridge.backends.detect import Endpoint, EndpointKind, detect_endpoint, nowhere_to_go, signals_taken
from otel_bridge.backends.pages import Access
from otel_bridge.telemetry import Signal
from tests.otlp_server import RecordingServer
from tests.status_server import STOCK_TEMPO, StatusServer, prometheus_pages, tempo_pages


@pytest.mark.parametrize("path", ["", "/", "/api/v1/otlp", "/api/v1/otlp/", "/api/v1/otlp/v1/metrics"])
def test_a_prometheus_is_recognised_at_every_address_it_may_be_given_by(path: str) -> None:
    """Its own address, or that of its OTLP receiver; requests go to the receiver."""
    with StatusServer(prometheus_pages()) as server:
        assert detect_endpoint(server.url + path) == Endpoint(
            EndpointKind.PROMETHEUS,
            server.url + path,
            f"{server.url}/api/v1/otlp",
            "http/protobuf",
            server.url,
        )


def test_a_prometheus_below_a_path_is_recognised() -> None:
    """As behind a proxy."""
    pages = {f"/prom{path}": page for path, page in prometheus_pages().items()}
    with StatusServer(pages) as server:
        found = detect_endpoint(f"{server.url}/prom/")
    assert (found.kind, found.otlp_url) == (EndpointKind.PROMETHEUS, f"{server.url}/prom/api/v1/otlp")


@pytest.mark.parametrize(
    ("config", "port", "protocol"),
    [
        (STOCK_TEMPO, 4318, "http/protobuf"),
        (STOCK_TEMPO.replace("0.0.0.0:4318", "tempo:14318"), 14318, "http/protobuf"),
        (STOCK_TEMPO.replace("                http:\n                    endpoint: 0.0.0.0:4318\n", ""), 4317, "grpc"),
    ],
)
def test_a_tempo_is_sent_to_where_its_configuration_says(config: str, port: int, protocol: str) -> None:
    """Its API and its OTLP receiver have different ports."""
    with StatusServer(tempo_pages(config)) as server:
        found = detect_endpoint(server.url)
    assert (found.kind, found.pages_url, found.protocol) == (EndpointKind.TEMPO, server.url, protocol)
    assert found.otlp_url == f"http://127.0.0.1:{port}"


def test_a_tempo_without_a_receiver_has_nowhere_to_send_to() -> None:
    """It is a Tempo all the same."""
    with StatusServer(tempo_pages("distributor: {receivers: {}}\n")) as server:
        found = detect_endpoint(server.url)
    assert (found.kind, found.otlp_url) == (EndpointKind.TEMPO, "")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_an_otlp_receiver_is_a_receiver(protocol: str) -> None:
    """It is sent to at the address given, whatever it answers to the questions."""
    with RecordingServer(protocol) as server:
        assert detect_endpoint(server.endpoint) == Endpoint(EndpointKind.RECEIVER, server.endpoint, server.endpoint)


@pytest.mark.parametrize("url", ["localhost:4317", "dns:///collector:4317", "http://127.0.0.1:9", "http://[::", ""])
def test_whoever_cannot_be_asked_counts_as_a_receiver(url: str) -> None:
    """The export itself says what is wrong with the address."""
    assert detect_endpoint(url) == Endpoint(EndpointKind.RECEIVER, url, url)


def test_a_server_that_says_nothing_is_not_waited_for_twice() -> None:
    """The second question is not asked where the first had no answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        assert detect_endpoint(url, timeout_s=0.2).kind is EndpointKind.RECEIVER
        assert time.monotonic() - started < 0.35


def test_questions_carry_the_headers_of_requests() -> None:
    """A Prometheus behind a proxy with a password is recognised too."""
    with StatusServer(prometheus_pages()) as server:
        detect_endpoint(server.url, Access(headers={"authorization": "Bearer t"}))
    assert [headers["authorization"] for _, headers in server.asked] == ["Bearer t"]


def test_each_program_is_sent_what_it_takes() -> None:
    """Metrics to Prometheus, traces to Tempo, everything to a receiver."""
    assert {kind: sorted(signals_taken(kind)) for kind in EndpointKind} == {
        EndpointKind.RECEIVER: ["logs", "metrics", "traces"],
        EndpointKind.PROMETHEUS: ["metrics"],
        EndpointKind.TEMPO: ["traces"],
    }


def test_what_has_nowhere_to_go_is_said_in_one_sentence() -> None:
    """Which signals, why, and what to do."""
    assert nowhere_to_go(EndpointKind.PROMETHEUS, frozenset(Signal)) == (
        "Prometheus takes metrics only: spans and events have nowhere to go."
        " Give a collector as --endpoint, or set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
    )
    assert "events and metrics have nowhere to go" in nowhere_to_go(EndpointKind.TEMPO, frozenset(Signal))


@pytest.mark.parametrize(
    ("kind", "signals"),
    [(EndpointKind.RECEIVER, set(Signal)), (EndpointKind.PROMETHEUS, {Signal.METRICS}), (EndpointKind.TEMPO, set())],
)
def test_nothing_is_said_where_all_can_be_sent(kind: EndpointKind, signals: set[Signal]) -> None:
    """Silence means it is fine."""
    assert nowhere_to_go(kind, frozenset(signals)) == ""
