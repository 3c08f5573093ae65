"""How the bridge itself is doing, and that as metrics (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import product

from msgspec import Struct
from prometheus_client.core import Metric as Family

from otel_bridge import semconv
from otel_bridge.prometheus_names import label
from otel_bridge.serving.families import family
from otel_bridge.serving.received import Points, Received, by_reason, received_figures
from otel_bridge.telemetry import Metric, Signal


class Outcome(StrEnum):
    """What can become of an item that was to be exported."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDELIVERED = "undelivered"
    """Not this time: it is sent again, and counts again."""


class BridgeState(Struct, frozen=True, kw_only=True):
    """The figures of one moment. What is counted may begin anew with the process: Prometheus knows how to read that."""

    watched: tuple[str, ...] = ()
    """Folders and files, for people."""
    sessions: int = 0
    files: int = 0
    records_read: int = 0
    records_rejected: Mapping[str, int] = {}
    """By the reason of their ``Problem``: a bounded word."""
    index_runs: int = 0
    index_duration_s: float = 0.0
    """All runs together."""
    index_size_bytes: int = 0
    export_items: Mapping[tuple[Signal, Outcome], int] = {}
    received: Received | None = None
    """``None`` where nothing is listened for."""
    pending_sessions: int = 0
    """Not yet delivered, all of them or in part."""
    last_sync_s: float | None = None
    """When the last run ended, in seconds since 1970; ``None`` before the first end."""
    problems: tuple[str, ...] = ()
    """Sentences for the user about what is wrong at the moment; none when healthy."""


class SelfMetrics:
    """A collector of prometheus-client: asks for the state at every scrape."""

    def __init__(self, state: Callable[[], BridgeState]) -> None:
        self._state = state

    def collect(self) -> Iterator[Family]:
        """Yield a family for each of ``semconv.OWN_METRICS``; the time of the last run is empty before the first."""
        for metric, points in _figures(self._state()):
            yield family(metric, points)


def _figures(state: BridgeState) -> Iterator[tuple[Metric, Points]]:
    yield semconv.OWN_SESSIONS, _alone(state.sessions)
    yield semconv.OWN_FILES, _alone(state.files)
    yield semconv.OWN_READ, _alone(state.records_read)
    yield semconv.OWN_REJECTED, by_reason(state.records_rejected)
    yield semconv.OWN_RUNS, _alone(state.index_runs)
    yield semconv.OWN_RUN_TIME, _alone(state.index_duration_s)
    yield semconv.OWN_SIZE, _alone(state.index_size_bytes)
    yield semconv.OWN_ITEMS, _by_outcome(state.export_items)
    yield from received_figures(state.received)
    yield semconv.OWN_PENDING, _alone(state.pending_sessions)
    yield semconv.OWN_SYNCED, _alone(state.last_sync_s)
    yield semconv.OWN_PROBLEMS, _alone(len(state.problems))


def _alone(value: float | None) -> Points:
    return [] if value is None else [({}, value)]


def _by_outcome(items: Mapping[tuple[Signal, Outcome], int]) -> Points:
    """Return every combination, zeros too: a series that begins with its first failure has no increase to alert on."""
    return [
        ({label(semconv.SIGNAL): signal.value, label(semconv.OUTCOME): outcome.value}, items.get((signal, outcome), 0))
        for signal, outcome in product(Signal, Outcome)
    ]
