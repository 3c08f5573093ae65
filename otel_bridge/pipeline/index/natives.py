"""The client's own telemetry taken into the index (I/O).

Whoever receives it is in other threads than who writes the index: they leave it in an inbox, and wait until it is on
the disk.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from sqlite3 import Connection
from threading import Event

import msgspec

from otel_bridge.pipeline.index.arrivals import Arrivals
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.serving.received import Fate
from otel_bridge.sources.native.metrics.fold import needed_points
from otel_bridge.sources.native.metrics.records import NativePoint, growth, pack_point, point_key, unpack_point
from otel_bridge.sources.native.records import NativeRecord, NativeSpan, pack, record_key
from otel_bridge.store.cells import storable
from otel_bridge.store.database import transaction
from otel_bridge.store.native import add_native, change_points, mark_changed, series_points
from otel_bridge.store.pruning import forget_pruned, pruned_ns
from otel_bridge.telemetry import Signal

Told = NativeRecord | NativePoint
"""What a client tells: events, spans, and what it counted."""

Fates = Counter[tuple[Signal, Fate]]
"""What became of records."""


class Inbox:
    """Records that wait to be stored. Any number of threads may put some in; one takes them out."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._waiting: SimpleQueue[_Parcel] = SimpleQueue()
        self._clock = clock
        self._is_closed = False
        self._arrived = Event()
        self.fates = Fates()
        """What became of all that was put in; never changed, but replaced."""
        self.arrivals = Arrivals()
        """When what was stored came; for the one who takes it out."""

    def close(self) -> None:
        """Take no more: who comes now sends again, to whoever takes our place."""
        self._is_closed = True

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting.qsize()

    @property
    def is_empty(self) -> bool:
        """True while nobody waits."""
        return self._waiting.empty()

    def wait(self, most_s: float) -> None:
        """Return when somebody has come since this was last asked, or after so long."""
        if self._arrived.wait(most_s):
            self._arrived.clear()  # before anybody looks: who comes later sets it again

    def put(self, records: Sequence[Told], within_s: float) -> bool:
        """Leave records and wait for so long; True when they are stored.

        Else whoever sent them should send them again: they may be stored meanwhile, which does no harm.
        """
        if self._is_closed:
            return False
        parcel = _Parcel(records)
        self._waiting.put(parcel)
        self._arrived.set()
        return parcel.is_done.wait(within_s) and parcel.is_stored

    def empty_into(self, place: IndexPlace) -> int:
        """Store all that waits, in one transaction, and return the number of new records.

        Raises:
            sqlite3.Error: the index cannot be written; who waits is told so.
        """
        parcels = []
        with suppress(Empty):
            while True:
                parcels.append(self._waiting.get_nowait())
        if not parcels:
            return 0
        try:
            fates = take_records(place, chain.from_iterable(parcel.records for parcel in parcels))
            self.fates = self.fates + fates
            for parcel in parcels:
                parcel.is_stored = True
                has_spans = any(isinstance(record, NativeSpan) for record in parcel.records)
                session_ids = {record.session_id for record in parcel.records}
                self.arrivals.note(session_ids, self._clock(), has_spans=has_spans)
        finally:
            for parcel in parcels:
                parcel.is_done.set()
        return sum(count for (_, fate), count in fates.items() if fate is Fate.STORED)


class _Parcel:
    def __init__(self, records: Sequence[Told]) -> None:
        self.records = records
        self.is_done = Event()
        self.is_stored = False


def take_records(place: IndexPlace, records: Iterable[Told]) -> Fates:
    """Store records and return what became of them; the next pass makes the rows of their sessions.

    What has been returned from is on the disk: who sent it may be told so. A session that was removed comes back when
    it goes on; what it said before it was removed does not come again.

    Raises:
        sqlite3.Error: the index cannot be written; nothing was stored.
    """
    together: dict[tuple[str, Signal], list[Told]] = defaultdict(list)
    for record in records:
        together[storable(record.session_id), _signal(record)].append(record)
    fates = Fates()
    with transaction(place.connection):
        since_ns = {session_id: pruned_ns(place.connection, session_id) for session_id, _ in together}
        for (session_id, signal), of_it in together.items():
            news = [record for record in of_it if _ended_ns(record) > since_ns[session_id]]
            stored = _take(place.connection, session_id, news)
            fates[signal, Fate.STORED] += stored
            fates[signal, Fate.DUPLICATE] += len(news) - stored
            fates[signal, Fate.OUTDATED] += len(of_it) - len(news)
    return fates


def _take(connection: Connection, session_id: str, told: Sequence[Told]) -> int:
    if told and pruned_ns(connection, session_id):
        forget_pruned(connection, session_id)
    records = {record_key(record): pack(record) for record in told if not isinstance(record, NativePoint)}
    added = add_native(connection, session_id, records) if records else 0
    by_series: dict[bytes, list[NativePoint]] = defaultdict(list)
    for point in told:
        if isinstance(point, NativePoint):
            by_series[point.series].append(point)
    return added + sum(_count(connection, session_id, series, points) for series, points in by_series.items())


def _count(connection: Connection, session_id: str, series: bytes, points: list[NativePoint]) -> int:
    """Keep what a series needs of what it had and of what came, and return how many say something new."""
    stored: dict[bytes, NativePoint] = {}
    for key, data in series_points(connection, session_id, series).items():
        with suppress(msgspec.MsgspecError):  # another version stored it, and may need it again
            stored[key] = unpack_point(data)
    needed = {point_key(point): point for point in needed_points([*stored.values(), *points])}
    added = {key: point for key, point in needed.items() if key not in stored}
    if not added:
        return 0
    packed = {key: pack_point(point) for key, point in added.items()}
    change_points(connection, session_id, series, packed, stored.keys() - needed.keys())
    known = set(map(growth, stored.values()))
    news = sum(growth(point) not in known for point in added.values())
    if news:
        mark_changed(connection, session_id)
    return news


def _signal(record: Told) -> Signal:
    if isinstance(record, NativePoint):
        return Signal.METRICS
    return Signal.TRACES if isinstance(record, NativeSpan) else Signal.LOGS


def _ended_ns(record: Told) -> int:
    return record.end_ns if isinstance(record, NativeSpan) else record.time_ns
