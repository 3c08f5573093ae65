"""The two transports against real servers: TLS, proxies, and connections that fail."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.answers import Accepted, Answer, Refused, Retry
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.sinks.otlp.transport import make_encoder, open_transport
from otel_bridge.telemetry import Signal
from tests.otlp_server import RecordingServer, Reply, Tls, partial
from tests.sinks.samples import PROTOCOLS, SCOPE

KEYS = Path(__file__).parents[2] / "data" / "tls"
SERVER = Tls(str(KEYS / "server.pem"), str(KEYS / "server.key"))
MUTUAL = Tls(SERVER.certificate, SERVER.key, str(KEYS / "ca.pem"))
TRUST = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(KEYS / "ca.pem")}
IDENTITY = {
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(KEYS / "client.pem"),
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(KEYS / "client.key"),
}

all_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)
two_transports = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


def send(env: dict[str, str], signal: Signal = Signal.TRACES, **arguments: Any) -> Answer:
    """Send an empty request once."""
    config = otlp_config(env, signal, **arguments)
    encoder = make_encoder(config, SCOPE)
    transport = open_transport(config, encoder.content_type, 1)
    try:
        return transport.send(encoder.request([]))
    finally:
        transport.close()


@all_protocols
@pytest.mark.parametrize("signal", [Signal.TRACES, Signal.LOGS])
def test_partial_success_is_read_for_each_signal(protocol: str, signal: Signal) -> None:
    """The count and the words of a partial success are found in every encoding."""
    with RecordingServer(protocol, [partial(7, "seven were\n too old")]) as server:
        assert send(server.env, signal) == Accepted(7, "seven were too old")
        assert send(server.env, signal) == Accepted()


@two_transports
def test_tls_trusts_the_authority_it_is_told_to(protocol: str) -> None:
    """With the certificate of the authority the connection is made."""
    with RecordingServer(protocol, tls=SERVER) as server:
        assert send(server.env | TRUST) == Accepted()


@two_transports
def test_an_unknown_authority_is_not_trusted(protocol: str) -> None:
    """Without it nothing is sent; over HTTP, where the reason is known, nothing is tried again either."""
    with RecordingServer(protocol, tls=SERVER) as server:
        answer = send(server.env)
        assert not server.requests
    assert isinstance(answer, Refused if protocol == "http/protobuf" else Retry)
    assert "certificate" in answer.reason.lower()


@two_transports
def test_mutual_tls_shows_our_certificate(protocol: str) -> None:
    """A receiver that asks for a certificate gets ours, and refuses those who have none."""
    with RecordingServer(protocol, tls=MUTUAL) as server:
        assert send(server.env | TRUST | IDENTITY) == Accepted()
        assert isinstance(send(server.env | TRUST), Retry)


@two_transports
@pytest.mark.parametrize("name", ["CERTIFICATE", "CLIENT_KEY"])
def test_certificates_that_cannot_be_read_are_named(protocol: str, name: str) -> None:
    """A wrong path is a sentence at start-up, not a failure later."""
    env = TRUST | IDENTITY | {f"OTEL_EXPORTER_OTLP_{name}": "/nowhere/to.pem"}
    with pytest.raises(UsageError, match=r"/nowhere/to\.pem"):
        send(env, endpoint="https://127.0.0.1:1", protocol=protocol)


@two_transports
def test_a_refused_connection_may_be_tried_again(protocol: str) -> None:
    """Nobody listening is a passing state."""
    with RecordingServer(protocol, listening=False) as server:
        answer = send(server.env)
    assert isinstance(answer, Retry)
    assert "refused" in answer.reason.lower()


def test_a_receiver_that_speaks_another_protocol_may_be_tried_again() -> None:
    """GRPC at the port of HTTP, or the other way round, is answered with a reason, not with an exception."""
    with RecordingServer("grpc") as server:
        assert isinstance(send(server.env, protocol="http/protobuf"), Retry)
    with RecordingServer("http/protobuf") as server:
        assert isinstance(send(server.env, protocol="grpc"), Retry | Refused)


def test_http_goes_through_the_proxy() -> None:
    """A request to a host elsewhere is made to the proxy, with the whole URL."""
    with RecordingServer("http/protobuf") as proxy:
        assert send({"http_proxy": proxy.endpoint}, endpoint="http://collector.example:4318") == Accepted()
        assert proxy.requests[0].path == "http://collector.example:4318/v1/traces"


def test_grpc_goes_through_the_proxy() -> None:
    """GRPC asks the proxy for a tunnel to the collector."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard: list[bytes] = []

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        proxy = threading.Thread(target=refuse)
        proxy.start()
        env = {"http_proxy": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        assert isinstance(send(env, endpoint="http://collector.example:4317", protocol="grpc"), Retry)
        proxy.join()
    assert heard[0].startswith(b"CONNECT collector.example:4317 HTTP/1.1\r\n")


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "grpc_proxy"])
@two_transports
def test_the_environment_of_the_process_is_not_asked(
    protocol: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the mapping given decides: a proxy in the environment of the process is not used."""
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with RecordingServer(protocol) as server:
        assert send(server.env) == Accepted()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "gopher://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_named(proxy: str) -> None:
    """An unknown kind of proxy is a sentence at start-up."""
    with pytest.raises(UsageError, match=proxy):
        send({"all_proxy": proxy}, endpoint="http://collector.example")


def test_redirects_are_shown_and_not_followed() -> None:
    """A POST does not survive a redirect: the user is told the new address."""
    moved = Reply(308, headers={"location": "https://new.example/v1/traces"})
    with RecordingServer("http/protobuf", [moved]) as server:
        answer = send(server.env)
    assert isinstance(answer, Refused)
    assert answer.advice.endswith("https://new.example/v1/traces")


def test_an_answer_that_cannot_be_decoded_may_be_tried_again() -> None:
    """A broken compression of the answer is a passing fault."""
    with RecordingServer("http/json", [Reply(headers={"content-encoding": "gzip"}, body=b"no gzip")]) as server:
        assert isinstance(send(server.env), Retry)


def test_the_certificates_are_still_valid() -> None:
    """If this fails, the files in tests/data/tls have to be made anew."""
    context = ssl.create_default_context(cafile=KEYS / "ca.pem")
    context.load_cert_chain(KEYS / "client.pem", KEYS / "client.key")
