"""The OTLP sink: packs batches into requests and keeps a few of them under way at a time (I/O)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager

from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.otlp.courier import Courier
from otel_bridge.sinks.otlp.encoder import Item
from otel_bridge.sinks.otlp.packing import Packer, Request
from otel_bridge.sinks.otlp.workers import Workers
from otel_bridge.telemetry import Batch, Signal

IN_FLIGHT = 4
_ABORT_S = 1.0
"""How long an abort waits for the requests under way."""


OnSettled = Callable[[Signal, Sequence[Item]], None]
"""Told, in the thread of the sink's caller, of items that were all accepted or refused for good."""


class OtlpSink:
    """Sends one signal to one endpoint; at most ``in_flight`` requests are under way or waiting for a retry.

    ``send`` blocks when, beside these, ``in_queue`` others are ready. Encoding happens in the caller's thread,
    compression and sending in others. What was taken and neither accepted nor rejected is undelivered: the account is
    a difference, so nothing can fall out of it.
    """

    def __init__(
        self,
        signal: Signal,
        packer: Packer,
        courier: Courier,
        in_flight: int = IN_FLIGHT,
        *,
        in_queue: int = 0,
        on_settled: OnSettled = lambda _, __: None,
    ) -> None:
        self._signal = signal
        self._packer = packer
        self._courier = courier
        self._most_running = in_flight + in_queue
        self._workers = Workers(courier.deliver, in_flight)
        self._on_settled = on_settled
        self._running: dict[Future[Delivery], Request] = {}
        self._known = Delivery()
        self._taken = 0
        self._is_open = True

    def send(self, batch: Batch) -> None:
        """Take a batch over; blocks while as many requests as allowed have no answer."""
        assert self._is_open, "the sink is closed"
        self._taken += len(batch.items)
        if self._courier.stopped.is_set():
            return
        with self._aborting():
            self._submit(self._packer.add(batch))

    def flush(self, within_s: float | None) -> bool:
        """Send the rest and wait for the answers, for so long or without end; tell whether all are there."""
        with self._aborting():
            self._submit(self._packer.flush())
            self._collect(wait(self._running, timeout=within_s).done)
        return not self._running

    def close(self) -> Delivery:
        """Send the rest, wait for all answers, and account for everything taken."""
        if self._is_open:
            self.flush(None)
            self._shut_down()
        return self._account()

    def abort(self) -> None:
        """Send nothing more. Requests under way have a second to end; ``close`` still gives the account."""
        if self._is_open:
            self._courier.stopped.set()
            done = wait(self._running, timeout=_ABORT_S).done
            self._collect(future for future in done if future.exception() is None)
            self._shut_down()

    @contextmanager
    def _aborting(self) -> Iterator[None]:
        """Abort where something goes wrong in here, or the program is interrupted."""
        try:
            yield
        except BaseException:
            self.abort()
            raise

    def _submit(self, requests: Iterable[Request]) -> None:
        for request in requests:
            if len(self._running) >= self._most_running:
                self._collect(wait(self._running, return_when=FIRST_COMPLETED).done)
            self._running[self._workers.submit(request)] = request

    def _collect(self, done: Iterable[Future[Delivery]]) -> None:
        for future in done:
            request, delivery = self._running.pop(future), future.result()
            self._known += delivery
            if delivery.total.accepted + delivery.total.rejected == len(request):
                self._on_settled(self._signal, request.items)
        self._packer.max_bytes = min(self._packer.max_bytes, self._courier.max_bytes)

    def _shut_down(self) -> None:
        self._is_open = False
        self._workers.close()
        if not self._running:
            self._courier.close()

    def _account(self) -> Delivery:
        known = self._known.of(self._signal)
        missing = self._taken - known.accepted - known.rejected
        account = self._known + Delivery({self._signal: Counts(undelivered=missing)})
        if missing and not account.failures:
            account += Delivery(failures=(f"{self._signal}: stopped before everything was sent",))
        return account
