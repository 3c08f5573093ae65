"""A target of telemetry that remembers what it took and answers as it is told to, and shipping to it in a few words."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from otel_bridge import semconv
from otel_bridge.convert import ConvertOptions
from otel_bridge.pipeline.export import ExportSummary, export_sessions
from otel_bridge.pipeline.index.ledger import Item, Ledger
from otel_bridge.pipeline.index.shipping import ShipOptions, Shipper
from otel_bridge.sinks import Counts, Delivery, Rejection
from otel_bridge.telemetry import Batch, DataPoint, LogRecord, Signal, Span
from tests.memory_sink import MemorySink
from tests.pipeline.index.world import World
from tests.transcripts import at_ns, library

PLACES = {signal: f"{signal} to http://one:4318" for signal in Signal}
OTHER_PLACES = {signal: f"{signal} to http://other:4318" for signal in Signal}

TAKEN, REFUSED, LOST, UNANSWERED = "taken", "refused", "lost", "unanswered"
"""What may become of an item; of the last two nobody hears an answer, though ``UNANSWERED`` ones arrived."""

DEFAULTS = ConvertOptions()

OnSettled = Callable[[Signal, Sequence[Item]], None]


class Receiver:
    """Takes what arrives; ``fate`` says what becomes of an item."""

    def __init__(self, fate: Callable[[Item], str] = lambda _: TAKEN) -> None:
        self.fate = fate
        self.items: list[Item] = []
        """What arrived and was not refused, in order; doubles show."""
        self.offered: list[Item] = []
        """What was sent, whatever became of it."""
        self.is_awake = True
        """Answers; else it takes everything and says nothing."""
        self.opened = 0
        self.aborted = 0

    def open(self, on_settled: OnSettled) -> _Sink:
        """Open a sink that leads here."""
        self.opened += 1
        return _Sink(self, on_settled)

    @property
    def spans(self) -> list[Span]:
        return [item for item in self.items if isinstance(item, Span)]

    @property
    def events(self) -> list[LogRecord]:
        return [item for item in self.items if isinstance(item, LogRecord)]

    @property
    def points(self) -> list[DataPoint]:
        return [item for item in self.items if isinstance(item, DataPoint)]

    def forget(self) -> None:
        """Begin to count anew; nobody who sends hears of that."""
        self.items, self.offered = [], []


class _Sink:
    def __init__(self, receiver: Receiver, on_settled: OnSettled) -> None:
        self._receiver = receiver
        self._on_settled = on_settled
        self._delivery = Delivery()

    def send(self, batch: Batch) -> None:
        fates: dict[str, list[Item]] = {name: [] for name in _FATES}
        for item in batch.items:
            fates[self._receiver.fate(item)].append(item)
        self._receiver.offered += batch.items
        self._receiver.items += fates[TAKEN] + fates[UNANSWERED]
        self._on_settled(batch.signal, fates[TAKEN] + fates[REFUSED])
        undelivered = len(fates[LOST]) + len(fates[UNANSWERED])
        counts = Counts(len(fates[TAKEN]), len(fates[REFUSED]), undelivered)
        refused = tuple(Rejection(batch.signal, "an item", "not wanted") for _ in fates[REFUSED])
        self._delivery += Delivery({batch.signal: counts}, refused)

    def flush(self, within_s: float) -> bool:
        return self._receiver.is_awake

    def close(self) -> Delivery:
        return self._delivery

    def abort(self) -> None:
        self._receiver.aborted += 1


_FATES = (TAKEN, REFUSED, LOST, UNANSWERED)


def ship(
    world: World,
    receiver: Receiver,
    places: dict[Signal, str] = PLACES,
    *,
    idle_s: float = 1800,
    convert: ConvertOptions = DEFAULTS,
    only_once: bool = False,
) -> ExportSummary:
    """Send what a target lacks of a world's index, as ``sync`` does."""
    now_ns, idle_ns = at_ns(world.now), round(idle_s * 1e9)
    ledger = Ledger(world.connection, places)
    options = ShipOptions(convert, tuple(places), idle_ns)
    shipper = Shipper(world.library(), ledger, receiver.open, options, now_ns=now_ns)
    idle = ledger.idle_sessions(idle_ns, now_ns)
    if only_once:
        return shipper.send_some(deque((*ledger.pending(now_ns), *idle)), idle).finish()
    return shipper.ship(ledger.pending(now_ns), idle=idle)


def exported(world: World, options: ConvertOptions = DEFAULTS) -> Receiver:
    """Return what one export of a world's files sends."""
    sink, receiver, sessions = MemorySink(), Receiver(), library(world.projects, now=world.now)
    export_sessions(sessions, sink, options, lesser_views=sessions.lesser_views)
    receiver.items = [item for batch in sink.batches for item in batch.items]
    return receiver


# --- comparing -------------------------------------------------------------------------------------------------------


def ids(items: Sequence[Span | LogRecord]) -> Counter[str]:
    """Return the ids of spans or events with the number of times they are there."""
    return Counter(
        item.span_id.hex() if isinstance(item, Span) else str(item.attributes[semconv.EVENT_UID]) for item in items
    )


def by_id(items: Sequence[Span | LogRecord]) -> dict[str, Span | LogRecord]:
    """Return spans or events by their ids."""
    return {next(iter(ids([item]))): item for item in items}


def drawn(points: Sequence[DataPoint]) -> list[str]:
    """Return points in a form and an order that do not depend on how they were sent; doubles stay."""
    return sorted(f"{_series(point)} {point.start_ns} {point.time_ns} {point.value}" for point in points)


def newest(points: Sequence[DataPoint]) -> dict[str, object]:
    """Return the last value of every series: what a store answers that keeps the newest."""
    last = {_series(point): point for point in sorted(points, key=lambda point: point.time_ns)}
    return {series: point.value for series, point in last.items()}


def _series(point: DataPoint) -> str:
    return f"{point.metric.name} {sorted(point.attributes.items())}"


def assert_same_items(found: Receiver, wanted: Receiver) -> None:
    """Compare ids, contents and points, doubles too."""
    assert_same_end(found, wanted)
    assert drawn(found.points) == drawn(wanted.points)


def assert_same_end(found: Receiver, wanted: Receiver) -> None:
    """Compare ids and contents of spans and events, doubles too, and the last value of every series."""
    for kind in ("spans", "events"):
        assert ids(getattr(found, kind)) == ids(getattr(wanted, kind))
        assert by_id(getattr(found, kind)) == by_id(getattr(wanted, kind))
    assert newest(found.points) == newest(wanted.points)
