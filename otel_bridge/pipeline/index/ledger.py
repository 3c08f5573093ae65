"""What has been sent where: items to send are those a target lacks, and what it takes is noted (I/O)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from sqlite3 import Connection, DatabaseError

from msgspec import Struct, field, structs

from otel_bridge import semconv
from otel_bridge.convert.metrics import Sent, identity
from otel_bridge.model import IDLE_TURN_NS, Session
from otel_bridge.pipeline.index.as_sent import as_sent, is_told, native_key, possible_ids
from otel_bridge.store import ledger as store
from otel_bridge.store.database import transaction
from otel_bridge.store.ledger import SentSeries, Series
from otel_bridge.store.native import known_natively
from otel_bridge.telemetry import Batch, DataPoint, LogRecord, Signal, Span

_MS_NS = 1_000_000
_NOTED_AT_ONCE = 512
"""So many answers a crash may forget: what they are about is sent again, with the same ids."""

Item = Span | LogRecord | DataPoint


class _Load(Struct):
    """Items of one signal of one session, on their way."""

    revision: int
    waiting: int = 0
    """Items without a final answer."""
    is_sent: bool = False
    """All of them have been handed over."""
    series: Series = field(default_factory=dict)


class Ledger:
    """The book of what targets have taken, kept in the index.

    Ids of spans and events are noted as soon as they have a final answer, a session's revision when all of it has. Who
    stops in between sends what is missing again, with the same ids.
    """

    def __init__(self, connection: Connection, places: Mapping[Signal, str]) -> None:
        self._connection = connection
        self.places = dict(places)
        """What the target of each signal is called."""
        self._targets = {signal: store.known_target(connection, place) for signal, place in self.places.items()}
        self._loads: dict[tuple[Signal, str], _Load] = {}
        self._keys: dict[Signal, list[bytes]] = {signal: [] for signal in places}

    def pending(self, now_ns: int) -> list[str]:
        """Return the sessions of which some target lacks something, the newest first.

        Sub-agents whose main transcript is not there wait for it as long as a turn may be idle: it says which turns
        they belong to.
        """
        lists = (store.pending_sessions(self._connection, target) for target in self._targets.values())
        return self._with_head((session_id for sessions in lists for session_id in sessions), now_ns)

    def idle_sessions(self, idle_ns: int, now_ns: int) -> list[str]:
        """Return the sessions with an open turn in which nothing happened for so long."""
        rows = self._connection.execute(
            "SELECT session_id FROM sessions WHERE open_until_ns BETWEEN 1 AND ?", (now_ns - idle_ns,)
        )
        return self._with_head((session_id for (session_id,) in rows), now_ns)

    def just_over_sessions(self, since_ns: int, *, all_of_them: bool) -> set[str]:
        """Return the sessions with a turn that ended since a time: all, or those that a client told of itself."""
        just_over = store.just_over_sessions(self._connection, since_ns)
        return set(just_over if all_of_them else known_natively(self._connection, just_over))

    def _with_head(self, session_ids: Iterable[str], now_ns: int) -> list[str]:
        wanted = dict.fromkeys(session_ids)
        headless = store.headless_sessions(self._connection, now_ns - IDLE_TURN_NS) if wanted else set()
        return [session_id for session_id in wanted if session_id not in headless]

    def lacking(self, signal: Signal, session_id: str) -> bool:
        """Tell whether the target of a signal lacks a session's present revision."""
        target = self._targets.get(signal)
        return signal in self.places and (
            target is None or store.shipped_revision(self._connection, target, session_id) != self._revision(session_id)
        )

    def as_sent(self, session: Session) -> Session:
        """Return a session under the ids its spans were sent under, before any more of it is sent."""
        if Signal.TRACES not in self.places or not is_told(session):
            return session
        target = self._target(Signal.TRACES)
        traces = store.sent_turns(self._connection, target, session.id)
        sent = store.sent_keys(self._connection, target, set(possible_ids(session)))
        session, named = as_sent(session, traces, sent)
        if new := {turn: trace_id for turn, trace_id in named.items() if turn not in traces}:
            with transaction(self._connection):
                store.note_turns(self._connection, target, session.id, new)
        return session

    def start(self, signal: Signal, session_id: str) -> None:
        """Begin to send a session's items of a signal."""
        target = self._target(signal)
        series = store.shipped_series(self._connection, target, session_id) if signal is Signal.METRICS else {}
        self._loads[signal, session_id] = _Load(self._revision(session_id), series=series)

    def sent(self, signal: Signal, session_id: str) -> Sent:
        """Return which series a target has of a session to be sent, and up to when."""
        series = self._loads[signal, session_id].series.values()
        named = [(one.metric, one.attributes, one.start_ms) for one in series if one.metric]
        return Sent(max((one.at_ms for one in series), default=0), named)

    def missing(self, session_id: str, batch: Batch) -> Batch | None:
        """Return the items of a batch that its target lacks, ``None`` for none; they count as on their way."""
        load = self._loads[batch.signal, session_id]
        items: Sequence[Item]
        if batch.signal is Signal.METRICS:
            items = _newer([item for item in batch.items if isinstance(item, DataPoint)], load.series)
        else:
            keys = {item_key(item): item for item in batch.items if not isinstance(item, DataPoint)}
            native = {key: item.span_id for key, item in keys.items() if isinstance(item, Span) and key != item.span_id}
            known = store.sent_keys(self._connection, self._target(batch.signal), [*keys, *native.values()])
            items = [item for key, item in keys.items() if not {key, native.get(key)} & known]
        load.waiting += len(items)
        return Batch(batch.signal, batch.resource, items) if items else None  # type: ignore[arg-type]  # of one kind

    def end(self, signal: Signal, session_id: str) -> None:
        """Say that all items of a session's signal were handed over."""
        self._loads[signal, session_id].is_sent = True

    def settle(self, signal: Signal, items: Iterable[Item]) -> None:
        """Take in that items have a final answer. Never fails: what cannot be written down is for ``note``."""
        keys = self._keys[signal]
        for item in items:
            self._loads[signal, str(item.attributes[semconv.SESSION_ID])].waiting -= 1
            if not isinstance(item, DataPoint):
                keys.append(item_key(item))
        if len(keys) >= _NOTED_AT_ONCE:
            with suppress(DatabaseError):
                self.note()

    def note(self) -> None:
        """Write down what has been answered so far. Where that fails it is still to be written: note again later."""
        done = [key for key, load in self._loads.items() if load.is_sent and not load.waiting]
        if not done and not any(self._keys.values()):
            return
        with transaction(self._connection):
            for signal, keys in self._keys.items():
                store.note_sent(self._connection, self._target(signal), keys)
            for signal, session_id in done:
                load = self._loads[signal, session_id]
                store.note_shipped(self._connection, self._target(signal), session_id, load.revision, load.series)
        for keys in self._keys.values():
            keys.clear()
        for key in done:
            del self._loads[key]

    def _target(self, signal: Signal) -> int:
        known = self._targets[signal]
        if known is None:
            known = self._targets[signal] = store.target_id(self._connection, self.places[signal])
        return known

    def _revision(self, session_id: str) -> int:
        found = self._connection.execute("SELECT revision FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
        return found[0] if found else 0


def item_key(item: Span | LogRecord) -> bytes:
    """Return what a span or an event is known by: its id."""
    if isinstance(item, LogRecord):
        return bytes.fromhex(str(item.attributes[semconv.EVENT_UID]))
    return native_key(item.span_id) if semconv.NATIVE_SPAN_TYPE in item.attributes else item.span_id


def _newer(points: Iterable[DataPoint], series: Series) -> list[DataPoint]:
    """Return the points later than what their series has been sent, and move the series on to them.

    A series that has come to something else by the time up to which it was sent goes on a millisecond later.
    """
    names: dict[int, int] = {}
    last: dict[int, DataPoint] = {}
    newer = []
    for point in points:
        attributes = id(point.attributes)  # the points of a series share them
        name = names.get(attributes)
        if name is None:
            name = names[attributes] = _series_name(point)
        at_ms, sent = point.time_ns // _MS_NS, series.get(name)
        if sent is not None and at_ms == sent.at_ms:
            value = str(last[name].value) if name in last else sent.value
            at_ms += str(point.value) != value
        if sent is None or at_ms > sent.at_ms:
            series[name] = SentSeries(at_ms, point.start_ns // _MS_NS, point.metric.name, point.attributes)
            last[name] = point
            newer.append(structs.replace(point, time_ns=max(point.time_ns, at_ms * _MS_NS)))
    for name, point in last.items():
        series[name].value = str(point.value)
    return newer


def _series_name(point: DataPoint) -> int:
    labels = identity(point.metric.name, point.attributes)
    return int.from_bytes(blake2b(labels.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
