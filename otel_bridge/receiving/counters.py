"""What a receiver has taken and what not, by signal and by reason: nothing of it is lost without a trace (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from types import MappingProxyType

from msgspec import Struct

from otel_bridge.receiving.answers import Fault
from otel_bridge.receiving.intake import Taken
from otel_bridge.serving.received import OTHER, Fate, Received
from otel_bridge.telemetry import Signal

_FAULTS = {
    is_retryable: [fault.word for fault in Fault if fault.is_retryable is is_retryable]
    for is_retryable in (True, False)
}
_KNOWN = frozenset(signal.value for signal in Signal)


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
    kept: Mapping[str, int] = {}
    """Items of requests that were taken which go no further."""
    problems: Mapping[tuple[str, str], int] = {}
    """What could not be used of those, by signal and reason."""


class Counters:
    """Counts. Callable from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[str] = Counter()
        self._items: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._problems: Counter[tuple[str, str]] = Counter()
        self._put_off: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def took(self, signal: str, items: int, taken: Taken) -> None:
        """Count a request with so many items that was taken."""
        with self._lock:
            self._requests[signal] += 1
            self._items[signal] += items
            if taken.rejected:
                self._rejected[signal] += taken.rejected
            if taken.kept:
                self._kept[signal] += taken.kept
            for reason, count in taken.problems.items():
                self._problems[signal, reason] += count

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
                dict(self._kept),
                dict(self._problems),
            )


def received(tally: Tally, indexed: Mapping[tuple[Signal, Fate], int] = MappingProxyType({})) -> Received:
    """Return the figures to be shown; ``indexed`` is what became of the items that were kept."""
    requests: Counter[str] = Counter()
    for name, count in tally.requests.items():
        requests[name if name in _KNOWN else OTHER] += count
    items = dict(indexed)
    for signal in Signal:
        rejected, kept = tally.rejected.get(signal, 0), tally.kept.get(signal, 0)
        items[signal, Fate.REJECTED] = rejected
        items[signal, Fate.PASSED_ON] = tally.items.get(signal, 0) - kept - rejected
    return Received(
        requests=requests,
        items=items,
        put_off={word: tally.put_off.get(word, 0) for word in _FAULTS[True]},
        refused={word: tally.refused.get(word, 0) for word in _FAULTS[False]},
        problems={(Signal(signal), reason): count for (signal, reason), count in tally.problems.items()},
    )
