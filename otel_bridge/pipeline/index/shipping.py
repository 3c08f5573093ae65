"""Sessions of the index on their way to the targets that lack them (I/O through a sink)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from sqlite3 import DatabaseError

from msgspec import Struct, structs

from otel_bridge.convert import ConvertOptions
from otel_bridge.model import IDLE_TURN_NS, Session, Turn, turn_calls
from otel_bridge.pipeline.export import ExportSummary, count_batch, count_session, session_batches
from otel_bridge.pipeline.index.arrivals import SPANS_WITHIN_NS
from otel_bridge.pipeline.index.faults import Fault, attempt
from otel_bridge.pipeline.index.ledger import Item, Ledger
from otel_bridge.pipeline.sessions import Library
from otel_bridge.sinks import Sink
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from otel_bridge.telemetry import Signal

_ITEMS_AT_ONCE = 4_000
"""After so many items the sink is emptied: a target that is away costs no more work than that before it is noticed, and
live sessions wait no longer behind history."""

OpenSink = Callable[[Callable[[Signal, Sequence[Item]], None]], Sink]
"""Opens a sink that tells of items with a final answer."""


class ShipOptions(Struct, frozen=True):
    """Decisions that hold for a whole run."""

    convert: ConvertOptions
    signals: tuple[Signal, ...]
    idle_ns: int = IDLE_TURN_NS
    """A turn without activity for so long is sent though it is not over; what follows is added to its trace."""


class Shipment:
    """Items under way: what answers there are is noted by whoever waits for them."""

    def __init__(self, sink: Sink, ledger: Ledger) -> None:
        self.summary = ExportSummary()
        self.work_ns: dict[str, int] = {}
        """Processor time that finding out took what is to be sent of each session."""
        self.faults: list[Fault] = []
        """Sessions that could not be converted, or not all of them: their targets lack something still."""
        self._sink = sink
        self._ledger = ledger

    def is_answered(self, within_s: float) -> bool:
        """Wait for answers for so long and tell whether all are there."""
        return self._sink.flush(within_s)

    def finish(self) -> ExportSummary:
        """Wait for all answers, note them, and account for what was sent."""
        self.summary.delivery += self._sink.close()
        self.summary.faults = [one.sentence for one in self.faults]
        self._ledger.note()
        return self.summary

    def abort(self) -> None:
        """Wait for nothing more: what has no answer will be sent again."""
        self._sink.abort()
        with suppress(DatabaseError):  # then these are sent again too
            self._ledger.note()


class Shipper:
    """Sends sessions to their targets and keeps the ledger."""

    def __init__(
        self, library: Library, ledger: Ledger, open_sink: OpenSink, options: ShipOptions, *, now_ns: int
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._open_sink = open_sink
        self.options = options
        self._now_ns = now_ns

    def ship(
        self,
        session_ids: Iterable[str],
        *,
        idle: Iterable[str] = (),
        progress: Callable[[int, int], None] = lambda _, __: None,
    ) -> ExportSummary:
        """Send what the targets lack of some sessions; stop when a target does not take it.

        ``idle`` are sessions whose open turn may be sent by now, though nothing about them is new. ``progress`` is told
        sessions done and to do.
        """
        summary, idle = ExportSummary(), frozenset(idle)
        left = deque(dict.fromkeys((*session_ids, *idle)))
        total = len(left)
        while left:
            part = self.send_some(left, idle).finish()
            summary += part
            if part.delivery.total.undelivered:
                break
            progress(total - len(left), total)
        return summary

    def send_some(
        self,
        session_ids: deque[str],
        idle: Collection[str] = (),
        *,
        awaits: Callable[[Session], bool] = lambda _: False,
        between: Callable[[], object] = lambda: None,
    ) -> Shipment:
        """Take sessions from the left and send what the targets lack of them, until it is enough at once.

        Turns that are just over are left for later where a session ``awaits`` the client's spans. ``between`` is called
        after each session, and may store telemetry.
        """
        shipment = Shipment(sink := self._open_sink(self._ledger.settle), self._ledger)
        try:
            items = 0
            while session_ids and items < _ITEMS_AT_ONCE:
                session_id, is_idle = session_ids[0], session_ids[0] in idle
                started_ns = time.thread_time_ns()
                send = partial(self._send, session_id, sink, shipment.summary, is_idle=is_idle, awaits=awaits)
                sent = attempt(session_id, "converted", send)
                if isinstance(sent, Fault):
                    shipment.faults.append(sent)
                else:
                    items += sent
                shipment.work_ns[session_id] = time.thread_time_ns() - started_ns
                session_ids.popleft()
                between()
        except BaseException:
            shipment.abort()
            raise
        return shipment

    def _send(
        self,
        session_id: str,
        sink: Sink,
        summary: ExportSummary,
        *,
        is_idle: bool,
        awaits: Callable[[Session], bool],
    ) -> int:
        """Hand over what the targets lack of a session and return the number of items."""
        signals = [
            signal
            for signal in self.options.signals
            if self._ledger.lacking(signal, session_id) or (signal is Signal.TRACES and is_idle)
        ]
        try:
            session = self._ledger.as_sent(self._library[session_id])
        except ForeignFormatError:  # only an older version could tell: its rows are all there is
            for signal in signals:
                self._ledger.start(signal, session_id)
                self._ledger.end(signal, session_id)
            return 0
        options = self.options.convert
        named = self._without_last_turns(session) if awaits(session) else session
        count_session(summary, named, include_open=options.include_open)
        items = 0
        for signal in signals:
            self._ledger.start(signal, session_id)
            views, sent = self._library.lesser_views, self._ledger.sent(signal, session_id)
            told = session if signal is Signal.METRICS else named
            for batch in session_batches(signal, told, options, views, self._is_idle, sent=sent):
                missing = self._ledger.missing(session_id, batch)
                if missing is not None:
                    count_batch(summary, missing)
                    sink.send(missing)
                    items += len(missing.items)
            if told is session:
                self._ledger.end(signal, session_id)
        return items

    def _without_last_turns(self, session: Session) -> Session:
        """Return a session as far as the client may not name any of its spans any more."""
        for at, turn in enumerate(session.turns):
            if turn.is_complete and 0 <= self._now_ns - turn.ended_ns < SPANS_WITHIN_NS:
                return structs.replace(session, turns=session.turns[:at])
        return session

    def _is_idle(self, turn: Turn) -> bool:
        last_ns = max([turn.ended_ns, *(call.ended_ns for call in turn_calls(turn))])
        return not turn.is_complete and self._now_ns - last_ns >= self.options.idle_ns
