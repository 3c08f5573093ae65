"""A receiver starts or says why not, serves many at a time, and ends in order."""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from otel_bridge.errors import UsageError
from otel_bridge.receiving.listening import GRPC, HTTP, listening_address
from otel_bridge.receiving.receiver import Receiver, ReceiverConfig
from otel_bridge.receiving.tls import read_tls
from otel_bridge.serving.address import Address
from otel_bridge.telemetry import Signal
from tests.receiving.listening import ANY_PORT, Listening, Recorder, listening
from tests.receiving.samples import TRACES, body, request
from tests.stack.otlp import send_grpc, send_http

TLS = Path(__file__).parents[1] / "data" / "tls"


@pytest.mark.parametrize("option", [GRPC, HTTP])
def test_a_port_in_use_is_named(option: str) -> None:
    """With the option, and what to do; nothing is left listening."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        config = ReceiverConfig(**{"grpc": ANY_PORT, "http": ANY_PORT} | {option.strip("-"): address})
        with pytest.raises(UsageError, match=rf"{option} 127.0.0.1:\d+: port \d+ is in use.*{option} none"):
            Receiver(config, Recorder()).start()


def test_either_way_in_can_stay_closed() -> None:
    """Who needs only one opens only one."""
    for config in (ReceiverConfig(grpc=ANY_PORT), ReceiverConfig(http=ANY_PORT)):
        receiver = Receiver(config, Recorder())
        receiver.start()
        assert (receiver.grpc_address is None, receiver.http_address is None) == (not config.grpc, not config.http)
        receiver.stop(1)


def test_it_can_listen_on_ipv6() -> None:
    """Where the machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    receiver = Receiver(ReceiverConfig(Address("::1", 0), Address("::1", 0)), Recorder())
    receiver.start()
    try:
        assert send_http(f"http://{receiver.http_address}", request("traces")).status == 200
        assert send_grpc(str(receiver.grpc_address), request("traces")).status == "OK"
    finally:
        receiver.stop(5)


def test_nothing_listens_elsewhere() -> None:
    """A receiver on loopback is not there for other addresses of this machine."""
    with listening() as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; tells which address would be used
        except OSError:
            pytest.skip("this machine has no other address")
        own = probe.getsockname()[0]
        ports = (running.http_port, int(running.grpc_target.rpartition(":")[2]))
        for port in ports:
            with pytest.raises(OSError, match=r"\w"):
                socket.create_connection((own, port), timeout=2).close()


@pytest.mark.parametrize("text", ["0.0.0.0:4317", "[::]:4317", "192.0.2.1:4317", "example.test:4317"])
def test_open_listeners_need_a_guard(text: str) -> None:
    """The sentence names the option, the value and the ways out."""
    with pytest.raises(UsageError, match=r"--grpc .+4317: anybody .*OTEL_BRIDGE_RECEIVE_TOKEN or --token.*--client-ca"):
        listening_address(GRPC, text, is_guarded=False)
    assert listening_address(GRPC, text, is_guarded=True)


@pytest.mark.parametrize("text", ["", "4317", "127.0.0.1", "127.0.0.1:99999", "a b:1"])
def test_what_is_no_address_is_named(text: str) -> None:
    """With an example."""
    with pytest.raises(UsageError, match=r"--http .*no address to listen on. Give HOST:PORT, such as --http 127"):
        listening_address(HTTP, text, is_guarded=True)
    assert listening_address(HTTP, "none", is_guarded=False) is None


def test_many_are_served_at_a_time() -> None:
    """The intake is called from several threads; who waits does not hold up others."""
    recorder = Recorder()
    with listening(recorder) as running, ThreadPoolExecutor(20) as clients:
        recorder.open.clear()
        posts = [clients.submit(running.post, body()) for _ in range(10)]
        calls = [clients.submit(running.call, body()) for _ in range(10)]
        assert all(recorder.entered.acquire(timeout=10) for _ in range(20))
        recorder.open.set()
        assert {post.result().status for post in posts} == {200}
        assert {call.result() == TRACES.response() for call in calls} == {True}


def test_what_is_under_way_is_answered_at_the_end() -> None:
    """Over both ways in; who comes later finds nobody."""
    recorder = Recorder()
    with ThreadPoolExecutor(4) as clients, listening(recorder) as running:
        recorder.open.clear()
        post, call = clients.submit(running.post, body()), clients.submit(running.call, body())
        assert all(recorder.entered.acquire(timeout=10) for _ in range(2))
        threading.Timer(0.3, recorder.open.set).start()
        running.receiver.stop(10)
        assert (post.result().status, call.result()) == (200, TRACES.response())
        assert running.receiver.counters.tally().items == {Signal.TRACES: 6}
        with pytest.raises(ConnectionRefusedError):
            running.post(body())


def test_an_intake_that_hangs_does_not_keep_senders_waiting_forever() -> None:
    """After the grace they are cut off: nothing was acknowledged, and they send again."""
    recorder = Recorder()
    with listening(recorder) as running, ThreadPoolExecutor(1) as clients:
        recorder.open.clear()
        post = clients.submit(running.post, body())
        assert recorder.entered.acquire(timeout=10)
        threading.Timer(2.5, recorder.open.set).start()
        running.receiver.stop(1)
        assert post.exception() is not None or post.result().status >= 500


def start_with_tls(*, client_ca: bool) -> Listening:
    files = (str(TLS / "server.pem"), str(TLS / "server.key"), str(TLS / "ca.pem") if client_ca else None)
    recorder = Recorder()
    receiver = Receiver(ReceiverConfig(ANY_PORT, ANY_PORT, tls=read_tls(*files)), recorder)
    receiver.start()
    return Listening(receiver, recorder)


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("shows", [False, True])
def test_clients_show_certificates_where_they_are_asked_to(asks: bool, shows: bool) -> None:
    """And are turned away without one, before they can send anything."""
    running = start_with_tls(client_ca=asks)
    context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    certificates = [(TLS / "ca.pem").read_bytes(), None, None]
    if shows:
        context.load_cert_chain(TLS / "client.pem", TLS / "client.key")
        certificates[1:] = [(TLS / "client.key").read_bytes(), (TLS / "client.pem").read_bytes()]
    try:
        call = send_grpc(
            running.grpc_target, request("traces"), credentials=grpc.ssl_channel_credentials(*certificates)
        )
        assert call.status == ("OK" if shows or not asks else "UNAVAILABLE")
        base = f"https://127.0.0.1:{running.http_port}"
        if shows or not asks:
            assert send_http(base, request("traces"), context=context).status == 200
        else:
            with pytest.raises(OSError, match=r"\w"):
                send_http(base, request("traces"), context=context)
        assert len(running.intake.exports) == (2 if shows or not asks else 0)
    finally:
        running.receiver.stop(5)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("x", None, None), "--tls-cert was given, but not both"),
        ((None, None, "x"), "--client-ca was given, but not both"),
        (("/missing", "/missing", None), "--tls-cert /missing cannot be read"),
        ((str(TLS / "server.pem"), str(TLS / "client.key"), None), "are no certificate and its key"),
        ((str(TLS / "server.pem"), str(TLS / "server.key"), str(TLS / "client.key")), "--client-ca .* has no certif"),
    ],
)
def test_files_that_do_not_fit_are_named(files: tuple[str | None, str | None, str | None], words: str) -> None:
    """With the option, at the start."""
    with pytest.raises(UsageError, match=words):
        read_tls(*files)
    assert read_tls(None, None, None) is None
