"""Over HTTP, clients of all habits are taken, and each is answered as the specification says."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Iterator

import pytest
import zstandard

from otel_bridge.receiving.intake import Refused, Taken
from otel_bridge.receiving.json_lines import JsonWriter
from otel_bridge.receiving.signals import WIRES
from otel_bridge.sinks.otlp import answers
from otel_bridge.sinks.otlp.http import classified
from otel_bridge.telemetry import Signal
from tests.receiving.listening import Listening, Recorder, listening
from tests.receiving.samples import JSON, PROTOBUF, TRACES, body, request


@pytest.fixture(scope="module")
def running() -> Iterator[Listening]:
    """Return a receiver that takes everything."""
    with listening() as found:
        yield found


def message_of(status_body: bytes) -> str:
    """Return the words of a ``google.rpc.Status``."""
    return answers.error_text(status_body, PROTOBUF)


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("media_type", [PROTOBUF, JSON, "Application/JSON; charset=utf-8"])
def test_every_signal_is_taken_in_both_encodings(running: Listening, signal: Signal, media_type: str) -> None:
    """The intake gets the same protobuf either way; the answer is in the encoding of the request."""
    sent = request(signal)
    as_json = "json" in media_type.lower()
    content = JsonWriter().line(sent) if as_json else sent.SerializeToString()
    reply = running.post(content, f"/v1/{signal}", content_type=media_type)
    assert (reply.status, reply.headers["content-type"]) == (200, JSON if as_json else PROTOBUF)
    assert reply.body == (b"{}" if as_json else b"")
    export = running.intake.exports[-1]
    assert (export.signal, export.message, export.items) == (signal, sent, 3)
    assert as_json or export.body == content


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(body())), ("deflate", zlib.compress(body())), ("zstd", zstandard.compress(body()))],
)
def test_packed_bodies_are_unpacked(running: Listening, encoding: str, packed: bytes) -> None:
    """The intake gets what was packed."""
    assert running.post(packed, content_encoding=encoding).status == 200
    assert running.intake.exports[-1].body == body()


def test_bodies_without_a_length_are_taken(running: Listening) -> None:
    """In chunks of any size, as clients before 2.1.191 sent them; packed or not."""
    content = body(count=50)
    for pieces, headers in (
        ([content[at : at + 7] for at in range(0, len(content), 7)], {}),
        ([gzip.compress(content)], {"content_encoding": "gzip"}),
    ):
        assert running.post(iter(pieces), **headers).status == 200
        assert running.intake.exports[-1].body == content


def test_an_empty_request_is_fine(running: Listening) -> None:
    """SDKs send one to see who is there."""
    assert running.post(b"").status == 200
    assert running.intake.exports[-1].items == 0


def test_one_connection_serves_many_requests(running: Listening) -> None:
    """And a refused request does not cost it."""
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port)
    connection.connect()
    own_port = connection.sock.getsockname()[1]
    for path, status in (("/v1/traces", 200), ("/v1/nothing", 404), ("/v1/traces", 200)):
        connection.request("POST", path, body(), {"content-type": PROTOBUF})
        answer = connection.getresponse()
        assert (answer.status, len(answer.read()) > 0) == (status, status != 200)
        assert connection.sock.getsockname()[1] == own_port
    connection.close()


@pytest.mark.parametrize(
    ("overrides", "status", "words"),
    [
        ({"path": "/"}, 404, "/v1/traces"),
        ({"path": "/v1/traces/"}, 404, "there is nothing here"),
        ({"path": "/v1development/profiles"}, 404, "there is nothing here"),
        ({"method": "GET"}, 405, "POST"),
        ({"method": "OPTIONS"}, 405, "POST"),
        ({"content_type": "text/plain"}, 415, "'text/plain' is not OTLP"),
        ({"content_encoding": "br"}, 415, "known: gzip, deflate, zstd"),
        ({"content_encoding": "gzip"}, 400, "no sound gzip"),
        ({"content_type": JSON}, 400, "no ExportTraceServiceRequest in JSON"),
        ({"body": b"\xff\xff"}, 400, "no ExportTraceServiceRequest in protobuf"),
        ({"origin": "https://evil.example"}, 403, "web pages"),
    ],
)
def test_what_is_not_taken_is_told_why(running: Listening, overrides: dict[str, str], status: int, words: str) -> None:
    """By status and in a sentence; nothing of it reaches the intake, all of it is counted."""
    before, counted = len(running.intake.exports), sum(running.refused.values())
    reply = running.post(**{"body": body()} | overrides)
    assert reply.status == status
    assert words in (message_of(reply.body) or reply.body.decode())
    assert reply.headers.get("allow") == ("POST" if status == 405 else None)
    assert (len(running.intake.exports), sum(running.refused.values())) == (before, counted + 1)


def test_errors_are_a_status_in_the_encoding_of_the_request(running: Listening) -> None:
    """Code and message."""
    reply = running.post(b"{", content_type=JSON)
    assert json.loads(reply.body)["code"] == 3
    assert running.post(b"\xff").body[:2] == b"\x08\x03"


def test_partial_success_reaches_the_sender() -> None:
    """In its encoding; what was rejected is counted."""
    with listening(Recorder(lambda _: Taken(2, "too old"))) as running:
        response = TRACES.response.FromString(running.post(body()).body)
        assert (response.partial_success.rejected_spans, response.partial_success.error_message) == (2, "too old")
        reply = running.post(JsonWriter().line(request("logs")), "/v1/logs", content_type=JSON)
        assert json.loads(reply.body) == {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}
        assert running.receiver.counters.tally().rejected == {Signal.TRACES: 2, Signal.LOGS: 2}


def test_refusals_of_the_intake_say_whether_to_come_again() -> None:
    """503 with Retry-After in whole seconds, or 400; our own sender understands both."""
    outcomes = iter([Refused("away", is_retryable=True, retry_after_s=1.2), Refused("never", is_retryable=False)])
    with listening(Recorder(lambda _: next(outcomes))) as running:
        again, never = running.post(body()), running.post(body())
    assert (again.status, again.headers["retry-after"]) == (503, "2")
    assert classified(*again) == answers.Retry("503 Service Unavailable: away", 2.0)
    assert classified(*never) == answers.BadItems("400 Bad Request: never")


def test_an_intake_that_fails_costs_nothing() -> None:
    """The sender is to come again, and the receiver goes on."""

    def fail(_: object) -> Taken:
        raise RuntimeError("a bug")

    with listening(Recorder(fail)) as running:
        assert running.post(body()).status == running.post(body()).status == 503
        assert running.refused == {"broken": 2}


@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", "Bearer", "Basic c2VjcmV0", "secret", "Bearer secrets"]
)
def test_a_wrong_token_is_401(authorization: str | None) -> None:
    """Whatever else is wrong; the right one opens, its scheme in any case."""
    with listening(token="secret") as running:
        headers = {"authorization": authorization} if authorization else {}
        reply = running.post(body(), path="/nowhere", **headers)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert running.post(body(), authorization="bearer secret").status == 200


def test_too_large_bodies_are_413() -> None:
    """Announced, in chunks, or once unpacked; a client that sends all of it first still gets the answer."""
    with listening(body_bytes=100_000, message_bytes=200_000) as running:
        large = bytes(5_000_000)
        assert running.post(large).status == 413
        assert running.post(iter([large[:50_000]] * 100)).status == 413
        assert running.post(gzip.compress(large), content_encoding="gzip").status == 413
        assert running.refused == {"too_large": 3}


def test_too_many_messages_are_413_and_too_many_attributes_400() -> None:
    """Small on the wire, large in memory."""
    with listening(parts=1_000, attributes=4) as running:
        assert running.post(b"\x0a\x00" * 2_000).status == 413
        assert running.post(b'{"resourceSpans":[' + b"{}," * 2_000 + b"{}]}", content_type=JSON).status == 413
        wide = request("traces", 1)
        for number in range(3):
            wide.resource_spans[0].scope_spans[0].spans[0].attributes.add(key=str(number))
        reply = running.post(wide.SerializeToString())
        assert (reply.status, message_of(reply.body)) == (400, "an item has 5 attributes; most: 4")


def test_more_than_fits_is_asked_to_come_again() -> None:
    """While others are under way; nothing of it is kept."""
    recorder = Recorder()
    with listening(recorder, held_bytes=len(body()) + 10) as running:
        recorder.open.clear()
        with socket.create_connection(("127.0.0.1", running.http_port)) as first:
            head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
            first.sendall(head % (PROTOBUF.encode(), len(body())) + body())
            assert recorder.entered.acquire(timeout=10)
            reply = running.post(body())
            assert (reply.status, reply.headers["retry-after"]) == (429, "1")
            recorder.open.set()
            assert first.recv(65_536).startswith(b"HTTP/1.1 200")
        assert running.post(body()).status == 200
        assert running.refused == {"busy": 1}


def test_who_waits_too_long_for_a_worker_is_asked_to_come_again() -> None:
    """It may have given up by then; what it sent is not taken behind its back."""
    recorder = Recorder()
    with listening(recorder, workers=1, wait_s=0.1) as running:
        recorder.open.clear()
        with socket.create_connection(("127.0.0.1", running.http_port)) as first:
            head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
            first.sendall(head % (PROTOBUF.encode(), len(body())) + body())
            assert recorder.entered.acquire(timeout=10)
            with socket.create_connection(("127.0.0.1", running.http_port)) as second:
                second.sendall(head % (PROTOBUF.encode(), len(body())) + body())
                time.sleep(0.5)
                recorder.open.set()
                assert second.recv(65_536).startswith(b"HTTP/1.1 429")
        assert len(recorder.exports) == 1


def test_slow_clients_lose_their_place() -> None:
    """Who does not ask, and who does not send what it announced."""
    with listening(head_within_s=0.2, body_within_s=0.2) as running:
        for start, answer in ((b"POST /v1/tr", b""), (b"", b""), (_begun(), b"HTTP/1.1 503")):
            with socket.create_connection(("127.0.0.1", running.http_port), timeout=10) as client:
                client.sendall(start)
                assert client.recv(65_536)[:12] == answer
        assert running.refused == {"too_slow": 1}


def test_a_client_that_leaves_leaves_nothing_behind() -> None:
    """What it began to send is not taken, and its place is free."""
    with listening(held_requests=1) as running:
        with socket.create_connection(("127.0.0.1", running.http_port)) as client:
            client.sendall(_begun())
            time.sleep(0.2)
        deadline = time.monotonic() + 10
        while running.post(body()).status != 200:
            assert time.monotonic() < deadline
        assert [export.body for export in running.intake.exports] == [body()]


def test_a_head_without_end_is_cut_off(running: Listening) -> None:
    """Before it takes memory."""
    with socket.create_connection(("127.0.0.1", running.http_port), timeout=10) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nx: ")
        with pytest.raises(OSError, match=r"\w"):
            client.sendall(b"y" * 100_000_000)


def _begun() -> bytes:
    head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: %b\r\ncontent-length: 1000\r\n\r\nabc"
    return head % PROTOBUF.encode()


def test_every_path_has_a_wire() -> None:
    """The paths are those of the specification."""
    assert [wire.path for wire in WIRES.values()] == ["/v1/traces", "/v1/logs", "/v1/metrics"]
