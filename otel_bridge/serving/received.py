"""What was received and what became of it, as metrics: nothing is dropped silently (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import product

from msgspec import Struct

from otel_bridge import semconv
from otel_bridge.prometheus_names import label
from otel_bridge.telemetry import Metric, Signal

OTHER = "other"
"""Stands for all signals that are not known here: senders choose their names."""


class Fate(StrEnum):
    """What can become of an item that was received."""

    STORED = "stored"
    """It is new to the index."""
    DUPLICATE = "duplicate"
    """The index has it: whoever heard no answer sends again. Or it says nothing new, as a counter that did not grow."""
    OUTDATED = "outdated"
    """It is of a session that was removed from the index, from before that."""
    PASSED_ON = "passed_on"
    """The next hop took it, or the file."""
    REJECTED = "rejected"
    """Nobody took it, and the sender was told: dropped on purpose."""


class Received(Struct, frozen=True, kw_only=True):
    """The figures of one moment, since the start."""

    requests: Mapping[str, int] = {}
    """Taken, by signal or ``OTHER``."""
    items: Mapping[tuple[Signal, Fate], int] = {}
    """What is sent again counts again."""
    put_off: Mapping[str, int] = {}
    """Requests that the sender was asked to send again, by reason: all that there are."""
    refused: Mapping[str, int] = {}
    """Requests that the sender was told to drop, by reason: all that there are."""
    problems: Mapping[tuple[Signal, str], int] = {}
    """Records and values of the client that could not be used, by the reason of their ``Problem``."""


Points = Iterable[tuple[Mapping[str, str], int | float]]
"""Labels and value of each series."""


def received_figures(received: Received | None) -> Iterator[tuple[Metric, Points]]:
    """Yield each metric with its series; without series where nothing is listened for.

    Every signal, fate and reason has a series from the start: one that begins with its first failure has no increase to
    alert on. Problems have none before the first: their reasons are many.
    """
    yield semconv.OWN_RECEIVED_REQUESTS, _requests(received) if received else ()
    yield semconv.OWN_RECEIVED, _items(received) if received else ()
    yield semconv.OWN_PUT_OFF, by_reason(received.put_off) if received else ()
    yield semconv.OWN_REFUSED, by_reason(received.refused) if received else ()
    yield semconv.OWN_UNUSABLE, _problems(received) if received else ()


def by_reason(counts: Mapping[str, int]) -> Points:
    """Return a series for each reason."""
    return [({label(semconv.REASON): reason}, count) for reason, count in sorted(counts.items())]


def _requests(received: Received) -> Points:
    return [({label(semconv.SIGNAL): signal}, received.requests.get(signal, 0)) for signal in (*Signal, OTHER)]


def _items(received: Received) -> Points:
    return [
        ({label(semconv.SIGNAL): signal.value, label(semconv.FATE): fate.value}, received.items.get((signal, fate), 0))
        for signal, fate in product(Signal, Fate)
    ]


def _problems(received: Received) -> Points:
    return [
        ({label(semconv.SIGNAL): signal.value, label(semconv.REASON): reason}, count)
        for (signal, reason), count in sorted(received.problems.items())
    ]
