"""Over gRPC, the same: taken, or told why not in codes that clients act upon."""

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc
import pytest

from otel_bridge.receiving.intake import Refused, Taken
from otel_bridge.receiving.signals import WIRES
from otel_bridge.sinks.otlp import answers
from otel_bridge.telemetry import Signal
from tests.receiving.listening import Listening, Recorder, listening
from tests.receiving.samples import TRACES, body, nested, request


@pytest.fixture(scope="module")
def running() -> Iterator[Listening]:
    """Return a receiver that takes everything."""
    with listening() as found:
        yield found


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_every_signal_is_taken(running: Listening, signal: Signal, compression: grpc.Compression) -> None:
    """Byte for byte, packed or not."""
    sent, wire = request(signal), WIRES[signal]
    assert running.call(sent.SerializeToString(), wire, compression=compression) == wire.response()
    export = running.intake.exports[-1]
    assert (export.signal, export.body, export.items) == (signal, sent.SerializeToString(), 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xff", "INVALID_ARGUMENT: this is no ExportTraceServiceRequest in protobuf"),
        (b"\x0a\x05\x00", "INVALID_ARGUMENT: this is no ExportTraceServiceRequest in protobuf"),
        (nested(60).replace(b"\x32", b"\x4a"), "INVALID_ARGUMENT"),
    ],
)
def test_what_cannot_be_decoded_is_the_senders_fault(running: Listening, content: bytes, words: str) -> None:
    """It is not to come again."""
    answer = running.call(content)
    assert isinstance(answer, answers.BadItems)
    assert answer.reason.startswith(words)


def test_unknown_methods_are_unimplemented(running: Listening) -> None:
    """And counted: nothing that was sent disappears silently."""
    profiles = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
    before = running.refused.get("not_found", 0)
    answer = running.call(b"", method=profiles)
    assert isinstance(answer, answers.Refused)
    assert answer.reason.startswith("UNIMPLEMENTED: there is no such method here")
    assert running.refused["not_found"] == before + 1


def test_partial_success_reaches_the_sender() -> None:
    """With the words of the intake."""
    with listening(Recorder(lambda _: Taken(2, "too old"))) as running:
        partial = running.call(body()).partial_success
        assert (partial.rejected_spans, partial.error_message) == (2, "too old")


def test_refusals_of_the_intake_say_whether_to_come_again() -> None:
    """UNAVAILABLE with the delay, or INVALID_ARGUMENT; our own sender understands both."""
    outcomes = iter([Refused("away", is_retryable=True, retry_after_s=1.5), Refused("never", is_retryable=False)])
    with listening(Recorder(lambda _: next(outcomes))) as running:
        assert running.call(body()) == answers.Retry("UNAVAILABLE: away", 1.5)
        assert running.call(body()) == answers.BadItems("INVALID_ARGUMENT: never")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "secret"])
def test_a_wrong_token_is_unauthenticated(authorization: str | None) -> None:
    """For any method; the right one opens."""
    with listening(token="secret") as running:
        metadata = (("authorization", authorization),) if authorization else ()
        answer = running.call(body(), metadata=metadata)
        assert isinstance(answer, answers.Refused)
        assert answer.reason.startswith("UNAUTHENTICATED: ")
        assert running.call(body(), metadata=(("authorization", "Bearer secret"),)) == TRACES.response()


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_too_large_messages_are_refused_as_such(compression: grpc.Compression) -> None:
    """Sent at length or as a bomb; our own sender would send them in halves."""
    with listening(message_bytes=100_000) as running:
        assert isinstance(running.call(bytes(200_000), compression=compression), answers.TooLarge)
        assert running.call(body()) == TRACES.response()


def test_more_than_fits_is_asked_to_come_again() -> None:
    """While another is under way."""
    recorder = Recorder()
    with listening(recorder, held_requests=1) as running:
        recorder.open.clear()
        with grpc.insecure_channel(running.grpc_target) as channel:
            first = channel.unary_unary(TRACES.method).future(body())
            assert recorder.entered.acquire(timeout=10)
            answer = running.call(body())
            assert isinstance(answer, answers.Retry)
            assert answer.after_s == 1.0
            recorder.open.set()
            assert first.result(timeout=10) == b""
        assert running.call(body()) == TRACES.response()


def test_a_call_without_message_loses_its_place() -> None:
    """One that brings none, and one that is silent."""
    with listening(body_within_s=0.2, held_requests=1) as running:
        with grpc.insecure_channel(running.grpc_target) as channel:
            call = channel.stream_unary(TRACES.method)
            with pytest.raises(grpc.RpcError) as refused:
                call(iter(()), timeout=10)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(grpc.RpcError) as refused:
                call(_silence(), timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert running.call(body()) == TRACES.response()


def _silence() -> Iterator[bytes]:
    time.sleep(1)
    yield b""


def test_a_caller_that_leaves_keeps_its_place_until_the_work_is_done() -> None:
    """What nobody waits for any more still takes room: it is counted until it is over."""
    recorder = Recorder()
    with listening(recorder, held_requests=1) as running:
        recorder.open.clear()
        with grpc.insecure_channel(running.grpc_target) as channel:
            call = channel.unary_unary(TRACES.method).future(body())
            assert recorder.entered.acquire(timeout=10)
            call.cancel()
        assert isinstance(running.call(body()), answers.Retry)
        recorder.open.set()
        deadline = time.monotonic() + 10
        while running.call(body()) != TRACES.response():
            assert time.monotonic() < deadline
