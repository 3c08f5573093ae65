"""The index and its targets kept up to date, round after round, whatever goes wrong in one (I/O)."""

from __future__ import annotations

import gc
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from msgspec import Struct, field, structs

from otel_bridge.errors import BridgeError
from otel_bridge.pipeline.export import ExportSummary
from otel_bridge.pipeline.index.ledger import SPANS_WITHIN_NS, Ledger
from otel_bridge.pipeline.index.natives import Inbox
from otel_bridge.pipeline.index.opening import is_damage, open_or_recover, recover
from otel_bridge.pipeline.index.passes import IndexOptions, PassReport, index_files
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.shipping import OpenSink, Shipment, ShipOptions, Shipper
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.pipeline.index.troubles import Troubles
from otel_bridge.store.refusals import refusal
from otel_bridge.telemetry import Signal

_INDEX, _TARGET = "index", "target"
_WRITTEN_AGAIN, _TAKEN_AGAIN = "the index is written again", "the target takes data again"

_PATIENCE_S = 1.0
"""So long a round waits for a target's answers, and the last one again: files that change meanwhile are not seen."""

_SETTLED_FOR_NS = 5 * 1_000_000_000
"""Putting a session together takes the longer the longer it is, and telemetry of it comes in small pieces."""

_STEP_S = 0.1
"""Meanwhile what is received is stored so often."""


class Target(Struct):
    """Where sessions go."""

    places: dict[Signal, str]
    """What each signal's target is called in the ledger."""
    open_sink: OpenSink
    options: ShipOptions


class Tally(Struct):
    """What all rounds together did."""

    rounds: int = 0
    duration_ns: int = 0
    last_ns: int | None = None
    lines_read: int = 0
    exported: ExportSummary = field(default_factory=ExportSummary)


class Keeper:
    """Brings the index up to date and ships what targets lack.

    What goes wrong is told once, tried again with growing pauses, and told to be over: a full disk, a target that is
    away, a damaged index, a folder that cannot be read. Nothing is lost by waiting: the transcripts and the index hold
    all there is.
    """

    def __init__(
        self,
        place: IndexPlace,
        roots: Callable[[], Sequence[Path]] | None,
        *,
        options: IndexOptions,
        find_target: Callable[[], Target] | None = None,
        clock: Callable[[], int],
        notify: Callable[[str], None],
    ) -> None:
        """``roots`` says which folders transcripts are in, ``None`` that no file is ever looked at."""
        self.place = place
        self.options = options
        """How to index. Processes may only be forked before there are threads: later rounds use one worker."""
        self.tally = Tally()
        self.troubles = Troubles(clock, notify)
        self.roots = roots or list
        self._reads_files = roots is not None
        self.find_target = find_target
        """Says where to ship to; ``None`` for nowhere. Asked again while a target is away: it may turn out to know
        fewer signals than it was to be sent."""
        self._target: Target | None = None
        self._ledger: Ledger | None = None
        """Of the present target; it remembers answers that could not be written down."""
        self._shipment: Shipment | None = None
        """What is under way and has no answer yet."""
        self._is_open = True
        self._damage: str | None = None
        """What was found wrong with the index."""
        self._clock = clock
        self._notify = notify
        self.inbox = Inbox()
        """Where telemetry of the client is left."""
        self._is_unsettled = False
        """Telemetry was stored of which a pass made no rows: while it was under way, or of a session that is held."""
        self._settled_ns: dict[str, int] = {}
        """When rows of sessions were made in the last seconds."""
        self._awaited_ns: dict[str, int] = {}
        """Since when sessions are held back; those with turns in quick succession are not held back for ever."""
        self._missed = True
        """Changes may have been missed: the next round looks at everything."""
        self._is_dirty = True
        """Something may wait to be shipped."""
        self.pending = 0
        """Sessions of which the target lacks something."""

    def look(self, progress: Callable[[int, int], None]) -> None:
        """Look at everything and ship nothing yet; ``progress`` is told bytes read and to read."""
        self._index(None, progress)
        if self._damage is not None:
            self._index(None, progress)
        gc.collect()

    def round(self, changed: Collection[str] | None) -> PassReport:
        """Look at changed paths, at everything for ``None``, and ship a part of what waits, the newest first."""
        report = PassReport()
        looks_at_all = changed is None or self._missed
        self._is_dirty = self._is_dirty or looks_at_all  # a turn may have become idle
        is_told = self._take_in_telemetry() or self._is_unsettled
        if (is_told or changed or looks_at_all) and self.troubles.may_try(_INDEX):
            report = self._index(None if looks_at_all else changed)
        elif changed:
            self._missed = True
        shipped = 0
        if self._is_dirty and self._is_open and self._damage is None and self.troubles.may_try(_TARGET):
            shipped = self._ship()
        if report.files_read or shipped:
            gc.collect()  # putting sessions together leaves cycles: a process that runs for days would grow by them
        return report

    def _take_in_telemetry(self) -> bool:
        """Store what was received since the last round, and tell whether any of it is new."""
        if self.inbox.is_empty or not self.troubles.may_try(_INDEX):
            return False
        try:
            self._mend()  # into a removed index nothing would be stored
            return self.inbox.empty_into(self.place) > 0
        except (sqlite3.DatabaseError, BridgeError) as error:
            self._failed(_INDEX, error)
            return False

    def _store_telemetry(self) -> None:
        """Store what was received meanwhile: nobody should have to wait for the end of what is under way."""
        if not self.inbox.is_empty and not self.place.is_gone and self.inbox.empty_into(self.place):
            self._is_unsettled = True

    def end(self) -> None:
        """Look at everything once more, and leave what has no answer soon to whoever comes next."""
        self.inbox.close()
        self._missed = True
        self.round(None)
        if self._shipment is not None and self._shipment.is_answered(_PATIENCE_S):
            self._ship()
        self._leave_shipment()

    def flush(self) -> None:
        """Store and send all that is held, turns that are not over too: nobody may come to do it later.

        What follows of such a turn joins its trace. What a target does not take stays in the index.
        """
        self.inbox.close()
        self._missed = True
        self.round(None)
        if self.find_target is None or not self._is_open or self._damage is not None:
            return
        try:
            if self._shipment is not None:
                shipment, self._shipment = self._shipment, None
                self._take_in(shipment.finish())
            shipper, ledger = self._shipper(self.find_target, idle_ns=0)
            idle = ledger.idle_sessions(0, self._clock())
            self._take_in(shipper.ship(ledger.pending(self._clock()), idle=idle))
            self._count_pending()
        except (sqlite3.DatabaseError, BridgeError) as error:
            self._failed(_TARGET, error)

    def _leave_shipment(self) -> None:
        if self._shipment is not None:
            self._shipment.abort()
            self._shipment = None

    def _index(
        self, changed: Collection[str] | None, progress: Callable[[int, int], None] = lambda _, __: None
    ) -> PassReport:
        started_ns = self._clock()
        try:
            self._mend()
            held = () if self._missed else self._just_settled(started_ns)
            self._is_unsettled = bool(held)
            report = index_files(
                self.place,
                self.roots(),
                now_ns=started_ns,
                options=self.options,
                changed=changed if self._reads_files else (),
                progress=progress,
                held=held,
                between=self._store_telemetry,
            )
        except (sqlite3.DatabaseError, BridgeError) as error:
            self._missed = True
            self._failed(_INDEX, error)
            return PassReport()
        self.troubles.end(_INDEX)
        self._settled_ns |= dict.fromkeys(report.sessions, started_ns)
        self._missed = False
        self._is_dirty = self._is_dirty or bool(report.sessions)
        self.tally.rounds += 1
        self.tally.duration_ns += self._clock() - started_ns
        self.tally.last_ns = self._clock()
        self.tally.lines_read += report.lines_read
        return report

    def _just_settled(self, now_ns: int) -> Collection[str]:
        """Return the sessions whose rows were made in the last seconds: a client tells of what it does all the time."""
        self._settled_ns = {
            session_id: at_ns for session_id, at_ns in self._settled_ns.items() if 0 <= now_ns - at_ns < _SETTLED_FOR_NS
        }
        return self._settled_ns.keys()

    def _mend(self) -> None:
        """Open the index anew where its file is damaged, or is not the one that was opened."""
        if self._is_open and self._damage is None and not self.place.is_gone:
            return
        self._leave_shipment()
        if self._is_open:
            self.place.connection.close()
            self._is_open, self._ledger = False, None
        if self.place.lock is not None:
            self.place.lock.reclaim()
        if self._damage is None or self.place.is_gone:
            connection = open_or_recover(self.place.path, self._notify)
        else:
            connection = recover(self.place.path, self._damage, self._notify)
        self.place = IndexPlace(self.place.path, connection, self.place.lock)
        self._is_open, self._damage = True, None

    def _failed(self, what: str, error: sqlite3.DatabaseError | BridgeError) -> None:
        if isinstance(error, BridgeError):
            self.troubles.begin(what, str(error), over=_WRITTEN_AGAIN if what == _INDEX else _TAKEN_AGAIN)
        elif is_damage(error):
            self._damage = str(error)
            self._missed = True
        else:
            sentence = f"cannot write the index {self.place.path}: {refusal(error)}"
            self.troubles.begin(what, sentence, over=_WRITTEN_AGAIN)

    def _ship(self) -> int:
        """Ship a part of what waits, or see whether it was answered, and return the number of sessions."""
        if self.find_target is None:
            return 0
        patience_s = 0.0
        try:
            if self._shipment is None:
                self._shipment, patience_s = self._load(self.find_target), _PATIENCE_S
            summary = ExportSummary()
            if self._shipment is not None:
                if not self._is_answered(self._shipment, patience_s):
                    return 0
                shipment, self._shipment = self._shipment, None
                summary = shipment.finish()
            self._count_pending()
        except (sqlite3.DatabaseError, BridgeError) as error:
            self._failed(_TARGET, error)
            return 0
        self._take_in(summary)
        return summary.sessions

    def _is_answered(self, shipment: Shipment, patience_s: float) -> bool:
        until_s = time.monotonic() + patience_s
        while not shipment.is_answered(min(patience_s, _STEP_S)):
            if time.monotonic() >= until_s:
                return False
            self._store_telemetry()
        return True

    def _load(self, find_target: Callable[[], Target]) -> Shipment | None:
        """Send a part of what waits on its way; ``None`` where nothing waits."""
        shipper, ledger = self._shipper(find_target)
        now_ns = self._clock()
        idle = ledger.idle_sessions(shipper.options.idle_ns, now_ns)
        awaited = ledger.awaited_sessions(now_ns, expects_spans=self.inbox.expects_spans(now_ns))
        self._awaited_ns = {session_id: self._awaited_ns.get(session_id, now_ns) for session_id in awaited}
        held = {session_id for session_id, since_ns in self._awaited_ns.items() if now_ns - since_ns < SPANS_WITHIN_NS}
        waiting = deque(dict.fromkeys(due for due in (*ledger.pending(now_ns), *idle) if due not in held))
        return shipper.send_some(waiting, idle, self._store_telemetry) if waiting else None

    def _shipper(self, find_target: Callable[[], Target], *, idle_ns: int | None = None) -> tuple[Shipper, Ledger]:
        if self._target is None or _TARGET in self.troubles:
            self._target = find_target()
        target, now_ns = self._target, self._clock()
        options = target.options if idle_ns is None else structs.replace(target.options, idle_ns=idle_ns)
        ledger = self._ledger_of(target)
        library = StoredLibrary(self.place.connection, now_ns=now_ns, session_ids=())
        return Shipper(library, ledger, target.open_sink, options, now_ns=now_ns), ledger

    def _count_pending(self) -> None:
        assert self._ledger is not None, "what is under way was loaded with it"
        self.pending = len(self._ledger.pending(self._clock()))

    def _take_in(self, summary: ExportSummary) -> None:
        """Count a shipment, and tell what went wrong with it."""
        self.tally.exported += summary
        for rejection in summary.delivery.rejections[:3]:
            self._notify(f"rejected {rejection.item}: {rejection.reason}")
        if summary.delivery.total.undelivered:
            sentence = "; ".join(summary.delivery.failures) or "not everything was taken"
            self.troubles.begin(_TARGET, sentence, over=_TAKEN_AGAIN)
        else:
            self._is_dirty = self.pending > 0
            self.troubles.end(_TARGET)

    def _ledger_of(self, target: Target) -> Ledger:
        """Return the ledger of a target, with every answer in it that came so far."""
        if self._ledger is not None:
            self._ledger.note()
        if self._ledger is None or self._ledger.places != target.places:
            self._ledger = Ledger(self.place.connection, target.places)
        return self._ledger
