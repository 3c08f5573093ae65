"""The window of requests under way, against a transport that waits for permission."""

from __future__ import annotations

import threading

import pytest
from msgspec import structs

from otel_bridge.sinks import Counts
from otel_bridge.sinks.fanout import BySignal
from otel_bridge.sinks.otlp.answers import Accepted, Answer
from otel_bridge.sinks.otlp.courier import Courier
from otel_bridge.sinks.otlp.delivery import OtlpSink
from otel_bridge.sinks.otlp.packing import Limits, Packer
from otel_bridge.sinks.otlp.protobuf import ProtobufEncoder
from otel_bridge.sinks.otlp.retry import DEFAULT_RETRY
from otel_bridge.telemetry import Signal
from tests.sinks.samples import SCOPE, batch, spans


class Gate:
    """A transport that answers only while the gate is open, and counts who stands before it."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.waiting = 0
        self.most_waiting = 0
        self.is_closed = False
        self._lock = threading.Lock()

    def send(self, _body: bytes) -> Answer:
        with self._lock:
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
        self.opened.wait(timeout=5)
        with self._lock:
            self.waiting -= 1
        return Accepted()

    def close(self) -> None:
        self.is_closed = True


class Broken(Gate):
    """A transport with a programming error."""

    def send(self, _body: bytes) -> Answer:
        raise ZeroDivisionError("a bug")


def open_sink(transport: Gate, in_flight: int, in_queue: int = 0) -> OtlpSink:
    encoder = ProtobufEncoder(Signal.TRACES, SCOPE)
    courier = Courier(Signal.TRACES, "there", encoder, transport, DEFAULT_RETRY)
    return OtlpSink(Signal.TRACES, Packer(encoder, Limits(max_items=10)), courier, in_flight, in_queue=in_queue)


def test_sending_blocks_while_the_window_is_full() -> None:
    """No more requests than allowed are under way; the sender waits, so that memory stays bounded."""
    gate = Gate()
    sink = open_sink(gate, in_flight=3)
    sender = threading.Thread(target=sink.send, args=(batch(spans(100)),))
    sender.start()
    sender.join(timeout=0.2)
    assert sender.is_alive()
    assert gate.most_waiting == 3
    gate.opened.set()
    sender.join(timeout=5)
    assert sink.close().of(Signal.TRACES) == Counts(accepted=100)
    assert gate.most_waiting == 3
    assert gate.is_closed


def test_a_queue_lets_the_sender_go_on_while_the_window_is_full() -> None:
    """And who flushes knows whether all of it was answered, without waiting longer than it wants to."""
    gate = Gate()
    sink = open_sink(gate, in_flight=2, in_queue=8)
    sink.send(batch(spans(95)))
    assert not sink.flush(0)
    assert not sink.flush(0.1)
    assert gate.most_waiting == 2
    gate.opened.set()
    assert sink.flush(5)
    sink.send(batch(spans(5)))
    assert sink.close().of(Signal.TRACES) == Counts(accepted=100)


def test_sinks_of_several_signals_are_flushed_together() -> None:
    """Each has sent what it was given before any is waited for."""
    gates = {signal: Gate() for signal in (Signal.TRACES, Signal.LOGS)}
    sink = BySignal({signal: open_sink(gate, in_flight=1) for signal, gate in gates.items()})
    sink.send(batch(spans(5)))
    sink.send(structs.replace(batch(spans(5)), signal=Signal.LOGS))
    assert not sink.flush(0.1)
    assert [gate.most_waiting for gate in gates.values()] == [1, 1]
    for gate in gates.values():
        gate.opened.set()
    assert sink.flush(5)
    assert sink.close().total == Counts(accepted=10)


def test_errors_of_our_own_are_not_swallowed() -> None:
    """A programming error in a sending thread reaches the caller, and the sink is aborted."""
    transport = Broken()
    sink = open_sink(transport, in_flight=1)
    sink.send(batch(spans(10)))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        sink.close()
    assert transport.is_closed
    assert sink.close().of(Signal.TRACES) == Counts(undelivered=10)
