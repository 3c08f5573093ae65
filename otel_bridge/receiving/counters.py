"""What a receiver has taken and what not, by signal and by reason: nothing of it is lost without a trace (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock

from msgspec import Struct

from otel_bridge.receiving.answers import Fault


class Tally(Struct, frozen=True):
    """The figures of one moment, since the start."""

    requests: Mapping[str, int] = {}
    """Taken, by the name of the signal."""
    items: Mapping[str, int] = {}
    """Spans, log records and data points in these; 0 of a signal that is not known here."""
    rejected: Mapping[str, int] = {}
    """Those of them that were not wanted: dropped on purpose, and the sender was told."""
    put_off: Mapping[str, int] = {}
    """Requests by the word of their ``Fault`` that the sender was asked to send again."""
    refused: Mapping[str, int] = {}
    """Requests by the word of their ``Fault`` that the sender was told to drop."""


class Counters:
    """Counts. Callable from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[str] = Counter()
        self._items: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._put_off: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def took(self, signal: str, items: int, rejected: int) -> None:
        """Count a request that was taken, with items that were not."""
        with self._lock:
            self._requests[signal] += 1
            self._items[signal] += items
            if rejected:
                self._rejected[signal] += rejected

    def refused(self, fault: Fault) -> None:
        """Count a request that was not taken."""
        with self._lock:
            (self._put_off if fault.is_retryable else self._refused)[fault.word] += 1

    def tally(self) -> Tally:
        """Return the figures of this moment."""
        with self._lock:
            return Tally(
                dict(self._requests),
                dict(self._items),
                dict(self._rejected),
                dict(self._put_off),
                dict(self._refused),
            )
