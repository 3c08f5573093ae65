"""A receiver on loopback for a test, and an intake that remembers."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from msgspec import structs

from otel_bridge.receiving.intake import Export, OtherIntake, Refused, Taken
from otel_bridge.receiving.limits import Limits
from otel_bridge.receiving.receiver import Receiver, ReceiverConfig
from otel_bridge.receiving.signals import WIRES, Wire
from otel_bridge.serving.address import Address
from otel_bridge.sinks.otlp.grpc import classified
from otel_bridge.telemetry import Signal
from tests.receiving.samples import PROTOBUF

ANY_PORT = Address("127.0.0.1", 0)


class Recorder:
    """Takes everything, or answers as it is told to; can be made to wait."""

    def __init__(self, answer: Callable[[Export], Taken | Refused] = lambda _: Taken()) -> None:
        self.exports: list[Export] = []
        """What was taken or refused, in order."""
        self.open = threading.Event()
        """Cleared, nobody gets an answer."""
        self.open.set()
        self.entered = threading.Semaphore(0)
        """Released by each request that comes in."""
        self._answer = answer

    def __call__(self, export: Export) -> Taken | Refused:
        self.entered.release()
        assert self.open.wait(20)
        self.exports.append(export)
        return self._answer(export)


class Reply(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Listening:
    """A receiver that listens on both ways in."""

    def __init__(self, receiver: Receiver, intake: Recorder) -> None:
        self.receiver = receiver
        self.intake = intake

    @property
    def http_port(self) -> int:
        assert self.receiver.http_address
        return self.receiver.http_address.port

    @property
    def grpc_target(self) -> str:
        return str(self.receiver.grpc_address)

    @property
    def refused(self) -> dict[str, int]:
        """All requests that were not taken, by reason."""
        tally = self.receiver.counters.tally()
        return {**tally.put_off, **tally.refused}

    def post(self, body: Any, path: str = "/v1/traces", method: str = "POST", **headers: str) -> Reply:
        """Send a body; an iterable goes in chunks, without a length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"content-type": PROTOBUF, **named})
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def call(self, body: bytes, wire: Wire = WIRES[Signal.TRACES], *, method: str = "", **options: Any) -> Any:
        """Send a message over gRPC; the response, or what the codes and details mean to a client."""
        with grpc.insecure_channel(self.grpc_target, [("grpc.max_send_message_length", -1)]) as channel:
            try:
                return wire.response.FromString(channel.unary_unary(method or wire.method)(body, timeout=20, **options))
            except grpc.RpcError as error:
                return classified(error.code().name, error.details() or "", error.trailing_metadata() or ())


@contextmanager
def listening(
    intake: Recorder | None = None, *, token: str = "", others: OtherIntake | None = None, **limits: Any
) -> Iterator[Listening]:
    """Run a receiver with an intake."""
    recorder = intake or Recorder()
    config = ReceiverConfig(ANY_PORT, ANY_PORT, token, limits=structs.replace(Limits(), **limits))
    receiver = Receiver(config, recorder, others=others)
    receiver.start()
    try:
        yield Listening(receiver, recorder)
    finally:
        recorder.open.set()
        receiver.stop(5)
