"""OTLP/JSON lines, as the collector's file exporter writes and its file receiver reads them (I/O)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from otel_bridge.errors import DeliveryError, UsageError
from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.otlp.json import JsonEncoder
from otel_bridge.sinks.otlp.packing import Limits, Packer, Request
from otel_bridge.telemetry import Batch, Scope, Signal

STDOUT = "-"
_LIMITS = Limits(max_items=512)


class FileSink:
    """Writes export requests of all signals, one per line.

    A file appears, or is replaced, only when the sink is closed: until then the lines are in a hidden file beside
    it. ``-`` is the standard output; it and whatever is no regular file (a pipe, a device) is written as we go.
    """

    def __init__(self, target: str | Path, scope: Scope) -> None:
        self._scope = scope
        self._packers: dict[Signal, Packer] = {}
        self._delivery = Delivery()
        self._target = Path(target).resolve()
        self._partial: Path | None = None
        self._is_stdout = target == STDOUT
        if not self._is_stdout and (self._target.is_file() or not self._target.exists()):
            self._partial = self._target.with_name(f".{self._target.name}.{os.getpid()}.partial")
        try:
            self._file = sys.stdout.buffer if self._is_stdout else (self._partial or self._target).open("wb")
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}") from None

    def send(self, batch: Batch) -> None:
        """Write the requests that this batch fills up. DeliveryError if the disk does not take them."""
        if batch.signal not in self._packers:
            self._packers[batch.signal] = Packer(JsonEncoder(batch.signal, self._scope), _LIMITS)
        self._write(batch.signal, self._packers[batch.signal].add(batch))

    def close(self) -> Delivery:
        """Write the rest and let the file appear. DeliveryError if the disk does not take it."""
        if not self._file.closed:
        for signal, packer in self._packers.items():
            self._write(signal, packer.flush())
        ...
