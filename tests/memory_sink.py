"""A sink that keeps what it is given, for tests of whatever sends."""

from __future__ import annotations

from collections.abc import Iterable

from otel_bridge.sinks import Counts, Delivery
from otel_bridge.telemetry import Batch, LogRecord, Span


class MemorySink:
    """Accepts everything; or, told so, gives another account in the end."""

    def __init__(self, delivery: Delivery | None = None) -> None:
        self.batches: list[Batch] = []
        self.is_closed = False
        self.is_aborted = False
        self._delivery = delivery

    def send(self, batch: Batch) -> None:
        assert not self.is_closed
        assert not self.is_aborted
        self.batches.append(batch)

    def flush(self, within_s: float) -> bool:
        return True

    def close(self) -> Delivery:
        self.is_closed = True
        if self._delivery is not None:
            return self._delivery
        accepted = (Delivery({batch.signal: Counts(accepted=len(batch.items))}) for batch in self.batches)
        return sum(accepted, start=Delivery())

    def abort(self) -> None:
        self.is_aborted = True

    @property
    def spans(self) -> list[Span]:
        """All spans, in order."""
        return [item for item in self._items() if isinstance(item, Span)]

    @property
    def log_records(self) -> list[LogRecord]:
        """All log records, in order."""
        return [item for item in self._items() if isinstance(item, LogRecord)]

    def _items(self) -> Iterable[Span | LogRecord]:
        for batch in self.batches:
            yield from batch.items
