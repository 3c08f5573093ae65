"""OTLP/JSON lines, as the collector's file exporter writes and its file receiver reads them (I/O)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from otel_bridge.errors import DeliveryError, UsageError, WriteError
from otel_bridge.output import Output, open_output
from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.otlp.json import JsonEncoder
from otel_bridge.sinks.otlp.packing import Limits, Packer, Request
from otel_bridge.telemetry import Batch, Scope, Signal

if TYPE_CHECKING:
    from otel_bridge.sinks.otlp.delivery import OnSettled

_LIMITS = Limits(max_items=512)
"""Of one line."""


class FileSink:
    """Writes the export requests of all signals, one per line; a request written counts as accepted."""

    def __init__(self, output: Output, scope: Scope, on_settled: OnSettled = lambda _, __: None) -> None:
        """``on_settled`` is told of items that were written."""
        self._output = output
        self._scope = scope
        self._on_settled = on_settled
        self._encoders: dict[Signal, JsonEncoder] = {}
        self._packers: dict[Signal, Packer] = {}
        self._delivery = Delivery()
        self._is_open = True

    def send(self, batch: Batch) -> None:
        """Write the lines that this batch fills up. DeliveryError if the disk does not take them."""
        assert self._is_open, "the sink is closed"
        if batch.signal not in self._packers:
            encoder = self._encoders[batch.signal] = JsonEncoder(batch.signal, self._scope)
            self._packers[batch.signal] = Packer(encoder, _LIMITS)
        self._write(batch.signal, self._packers[batch.signal].add(batch))

    def flush(self, within_s: float) -> bool:  # noqa: ARG002 - a file answers at once
        """Write what was taken over. DeliveryError if the disk does not take it."""
        for signal, packer in self._packers.items():
            self._write(signal, packer.flush())
        return True

    def close(self) -> Delivery:
        """Write the rest and publish the file. DeliveryError if the disk does not take it."""
        if self._is_open:
            try:
                self.flush(0)
                with _delivering():
                    self._output.publish()
            except BaseException:
                self.abort()
                raise
            self._is_open = False
        return self._delivery

    def abort(self) -> None:
        """Publish nothing."""
        if self._is_open:
            self._is_open = False
            self._output.discard()

    def _write(self, signal: Signal, requests: Iterable[Request]) -> None:
        for request in requests:
            with _delivering():
                self._output.write(self._encoders[signal].request(request.groups) + b"\n")
            self._delivery += Delivery({signal: Counts(accepted=len(request))})
            self._on_settled(signal, request.items)


def open_file_sink(target: str | Path, scope: Scope) -> FileSink:
    """Open a sink that writes to a path, or to the standard output for ``-``. UsageError if it cannot be written."""
    try:
        return FileSink(open_output(target), scope)
    except WriteError as error:
        raise UsageError(str(error)) from error


@contextmanager
def _delivering() -> Iterator[None]:
    """Say what the file did not take as of any receiver: it was not delivered."""
    try:
        yield
    except WriteError as error:
        raise DeliveryError(str(error)) from error
