"""Real requests: what is answered to whom, and that nobody can hold up or break the server."""

from __future__ import annotations

import gzip
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import pytest
from msgspec import structs

from otel_bridge.errors import UsageError
from otel_bridge.serving import handler, server
from otel_bridge.serving.self_metrics import BridgeState
from otel_bridge.serving.server import Server, serve
from otel_bridge.telemetry import DataPoint
from tests.serving.client import ask, connect, received, samples, send
from tests.serving.samples import STATE, busy_sessions

ANY_PORT = "127.0.0.1:0"
PIECE_BYTES = 65_536
PATHS = ("/", "/metrics", "/healthz")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """Return a healthy server with metrics of two sessions."""
    with serve(ANY_PORT, lambda: STATE, lambda: busy_sessions(2)) as started:
        yield started


def test_metrics_are_those_of_the_bridge_and_of_sessions(running: Server) -> None:
    reply = ask(running, "/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(reply.body.decode())
    assert found["otel_bridge_sessions", frozenset()] == 215
    names = {name for name, _ in found}
    assert "coding_agent_cost_USD_total" in names
    assert "gen_ai_execute_tool_duration_seconds_count" in names


def test_sessions_are_not_shown_where_another_way_brings_them() -> None:
    """A scrape beside OTLP would count them twice."""
    with serve(ANY_PORT, lambda: STATE) as started:
        found = samples(ask(started, "/metrics").body.decode())
    assert {name.split("_")[0] for name, _ in found} == {"otel"}


def test_the_text_is_in_the_form_that_was_asked_for(running: Server) -> None:
    """OpenMetrics, compressed or not, as the headers say; what nobody understands is answered in plain text."""
    plain = ask(running, "/metrics").body
    packed = ask(running, "/metrics", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain
    assert len(packed.body) < len(plain) / 4
    open_metrics = ask(running, "/metrics", Accept="application/openmetrics-text; version=1.0.0, text/plain; q=0.5")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.body.endswith(b"# EOF\n")
    odd = ask(running, "/metrics?name[]=x", Accept="application/openmetrics-text; version=one")
    assert (odd.status, odd.body) == (200, plain)


def test_health_is_a_word_or_the_sentences_of_what_is_wrong(running: Server) -> None:
    assert ask(running, "/healthz")[::2] == (200, b"ok\n")
    ill = structs.replace(STATE, problems=("The disk is full.", "Der Sammler fährt nicht."))
    with serve(ANY_PORT, lambda: ill) as started:
        reply = ask(started, "/healthz")
    assert reply.status == 503
    assert reply.body.decode().splitlines() == list(ill.problems)


def test_the_page_is_locked_up(running: Server) -> None:
    """A browser is told to load, run and remember nothing."""
    reply = ask(running, "/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert b"215 in 1,011 files" in reply.body
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/metric", "/metrics/", "/favicon.ico", "/../etc/passwd", "*", "http://localhost/"])
def test_nothing_else_is_there(running: Server, path: str) -> None:
    assert ask(running, path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_only_reading_is_allowed(running: Server, method: str) -> None:
    reply = ask(running, "/metrics", method)
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_the_body(running: Server, path: str) -> None:
    whole, head = ask(running, path), ask(running, path, "HEAD")
    assert head.body == b""
    assert head.status == whole.status
    assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}
    assert head.headers["content-length"] == str(len(whole.body))
    assert send(running, f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", PATHS)
def test_names_of_other_hosts_are_not_answered(running: Server, path: str) -> None:
    """A web page whose name was pointed to this machine gets nothing to read."""
    reply = ask(running, path, Host="evil.example:9465")
    assert reply.status == 421
    assert b"ask for localhost" in reply.body
    assert ask(running, path, Host="localhost:1234").status == 200


def test_there_is_one_host_per_request(running: Server) -> None:
    for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        assert send(running, b"GET /metrics HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 421 ")


def test_a_remote_address_answers_to_any_name() -> None:
    """Whoever listens for other machines knows what they call this one."""
    with serve("0.0.0.0:0", lambda: STATE, allow_remote=True) as started:
        assert ask(started, "/healthz", Host="bridge.example:9465").status == 200


def test_a_remote_address_has_to_be_allowed() -> None:
    with pytest.raises(UsageError, match=r"--listen 0\.0\.0\.0:0.*--allow-remote"):
        serve("0.0.0.0:0", lambda: STATE)


def test_a_port_in_use_is_named_with_the_option(running: Server) -> None:
    place = urlsplit(running.url).netloc
    with pytest.raises(UsageError, match=rf"--listen {place}: port {place.split(':')[1]} is in use.*--listen 127"):
        serve(place, lambda: STATE)


def test_loopback_of_ipv6_is_as_good() -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with serve("[::1]:0", lambda: STATE) as started:
        assert started.url.startswith("http://[::1]:")
        assert ask(started, "/healthz").status == 200
        assert ask(started, "/healthz", Host="evil.example").status == 421


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_an_address_of_another_machine_is_refused() -> None:
    """192.0.2.1 is of the block for examples: no machine has it."""
    with pytest.raises(UsageError, match=r"--listen 192\.0\.2\.1:9465: nothing can listen there"):
        serve("192.0.2.1:9465", lambda: STATE, allow_remote=True)


def test_a_closed_server_gives_its_port_back() -> None:
    first = serve(ANY_PORT, lambda: STATE)
    place = urlsplit(first.url).netloc
    assert ask(first, "/healthz").status == 200
    first.close()
    first.close()
    with serve(place, lambda: STATE) as second:
        assert second.url == first.url
        assert ask(second, "/healthz").status == 200


def test_a_request_that_is_none_is_told_so(running: Server) -> None:
    assert send(running, b"HELLO\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert send(running, b"GET / HTTP/9.9\r\n\r\n").startswith(b"HTTP/1.1 505 ")
    assert send(running, b"\r\n\r\n") == b""
    assert send(running, b"GET /healthz HTTP/1.0\nHost: localhost\n\n").endswith(b"\r\n\r\nok\n")


@pytest.mark.parametrize("data", [b"GET /" + b"a" * 8_000_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1_000_000])
def test_a_request_without_end_is_cut_off(running: Server, data: bytes) -> None:
    """16 KiB are enough, in one line or in many."""
    assert send(running, data).startswith(b"HTTP/1.1 431 ")


def test_a_body_nobody_asked_for_is_left(running: Server) -> None:
    """The answer arrives nevertheless, even if it is more than the system keeps for a server that does not read."""
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n"
    assert send(running, request + b"x" * 8_000_000).startswith(b"HTTP/1.1 405 ")


def test_slow_clients_are_let_go(running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they say nothing or a letter now and then; meanwhile others are answered."""
    monkeypatch.setattr(handler, "ASK_WITHIN_S", 0.5)
    with connect(running) as silent, connect(running) as dripping:
        begun = time.monotonic()
        try:
            for letter in b"GET /healthz HTTP/1.1\r\n" * 10:
                dripping.send(bytes([letter]))
                assert ask(running, "/healthz").status == 200
                time.sleep(0.02)
        except OSError:
            pass
        assert received(silent) == b""
        assert 0.4 < time.monotonic() - begun < 4


@pytest.mark.parametrize("pause_s", [0.6, 0.02])
def test_whoever_does_not_take_the_answer_is_let_go(pause_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a client stands still or takes a little at a time, at the end of its time it has no more than a part."""
    monkeypatch.setattr(handler, "TAKE_WITHIN_S", 0.3)
    with serve(ANY_PORT, lambda: STATE, lambda: busy_sessions(1500)) as started, connect(started) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = slow.recv(PIECE_BYTES)
        begun, part = time.monotonic(), head
        time.sleep(pause_s)
        while more := slow.recv(PIECE_BYTES):
            part += more
            if time.monotonic() - begun < 1:
                time.sleep(pause_s)
    (length,) = re.findall(rb"Content-Length: ([0-9]+)", head)
    assert len(part) < int(length)


def test_there_are_only_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is closed at once; when one of the others goes, there is a place again."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    with serve(ANY_PORT, lambda: STATE) as started, connect(started) as first:
        with connect(started):
            assert _is_refused(started)
        first.close()
        deadline = time.monotonic() + 5
        while _is_refused(started) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ask(started, "/healthz").status == 200


def _is_refused(started: Server) -> bool:
    try:
        return send(started, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
    except ConnectionError:
        return True


def test_one_scrape_at_a_time_and_health_beside_it() -> None:
    """Two scrapes would hold twice the memory; whoever asks for health need not wait for either."""
    go_on, running = Event(), []

    def points() -> Iterator[DataPoint]:
        running.append("in")
        assert go_on.wait(10)
        yield from busy_sessions(1)
        running.append("out")

    with serve(ANY_PORT, lambda: STATE, points) as started, ThreadPoolExecutor() as others:
        scrapes = [others.submit(ask, started, "/metrics") for _ in range(3)]
        assert ask(started, "/healthz").status == 200
        go_on.set()
        assert [scrape.result().status for scrape in scrapes] == [200] * 3
    assert running == ["in", "out"] * 3


def test_what_fails_inside_is_an_answer_and_no_end(capfd: pytest.CaptureFixture[str]) -> None:
    """State and points may fail, and the next request finds them well again; the terminal sees nothing of it."""
    states = iter([STATE])

    def state() -> BridgeState:
        found = next(states, None)
        if found is None:
            raise OSError(28, "No space left on device")
        return found

    def points() -> Iterator[DataPoint]:
        yield from busy_sessions(1)
        raise ValueError("the index is damaged")

    with serve(ANY_PORT, state, points) as started:
        damaged = ask(started, "/metrics")
        assert (damaged.status, b"the index is damaged" in damaged.body) == (500, True)
        full = ask(started, "/healthz")
        assert (full.status, b"No space left on device" in full.body) == (500, True)
        states = iter([STATE])
        assert ask(started, "/healthz").status == 200
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_our_own_costs_one_connection(
    running: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(handler, "said", None)
        assert send(running, b"POST / HTTP/1.1\r\n\r\n") == b""
    assert ask(running, "/healthz").status == 200
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed_whatever_is_asked(running: Server, capfd: pytest.CaptureFixture[str]) -> None:
    for path in (*PATHS, "/none"):
        ask(running, path)
    send(running, b"HELLO\r\n\r\n")
    connect(running).close()
    assert capfd.readouterr() == ("", "")
