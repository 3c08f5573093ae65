"""The index and its targets kept up to date, round after round, whatever goes wrong in one (I/O)."""

from __future__ import annotations

import gc
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from msgspec import Struct, field

from otel_bridge.errors import BridgeError
from otel_bridge.pipeline.export import ExportSummary
from otel_bridge.pipeline.index.dispatch import PATIENCE_S, Dispatcher, Expected, Target
from otel_bridge.pipeline.index.natives import Inbox
from otel_bridge.pipeline.index.opening import is_damage, open_or_recover, recover
from otel_bridge.pipeline.index.passes import IndexOptions, PassReport, index_files
from otel_bridge.pipeline.index.pauses import Pauses
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.troubles import Troubles
from otel_bridge.store.refusals import refusal

_INDEX, _TARGET = "index", "target"
_WRITTEN_AGAIN, _TAKEN_AGAIN = "the index is written again", "the target takes data again"

_SETTLED_FOR_NS = 5 * 1_000_000_000
"""Telemetry of a session comes in small pieces, and its rows are made of all of them."""

_SHIPS_EVERY_S = 2.0
"""While rows of many sessions are made."""

_COLLECTS_EVERY_S = 5.0
"""A search for garbage takes as long as putting several sessions together."""

_CROWD = 16
"""So many requests that wait together are more than the processor can do beside other work."""
_CROWDED_FOR_S = 0.25
"""So long it does nothing else then: who is refused comes again, what rows are made of waits on the disk."""
_GATHERS_FOR_S = 0.02
"""So long those who come next gather, to be stored together."""


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
        self.dispatcher = Dispatcher(find_target, clock)
        """Its ``find_target`` may be set later."""
        self._is_open = True
        self._damage: str | None = None
        """What was found wrong with the index."""
        self._clock = clock
        self._notify = notify
        self.inbox = Inbox(clock)
        """Where telemetry of the client is left."""
        self.is_to_get_spans: Callable[[], bool] = lambda: False
        """Says whether the client is set up to send spans, of which none may have come yet; may be set later."""
        self._told_faults: set[str] = set()
        self._failures = 0
        self._is_unsettled = False
        """Telemetry was stored of which a pass made no rows: while it was under way, or of a session that is held."""
        self._pauses = Pauses(at_least_ns=_SETTLED_FOR_NS)
        """Of sessions whose rows were made a moment ago: a client tells of what it does all the time."""
        self._ship_ended_s = time.monotonic()
        """When something was last sent on its way, or its answers were asked for."""
        self._missed = True
        """Changes may have been missed: the next round looks at everything."""
        self._is_dirty = True
        """Something may wait to be shipped."""
        self._has_garbage = False
        self._collected_s = time.monotonic()

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
        self._has_garbage = self._has_garbage or bool(report.files_read or report.sessions or shipped)
        self._collect_garbage()
        return report

    def _collect_garbage(self) -> None:
        """Free the cycles that putting sessions together leaves: a process that runs for days would grow by them."""
        now_s = time.monotonic()
        if self._has_garbage and now_s - self._collected_s >= _COLLECTS_EVERY_S:
            gc.collect()
            self._has_garbage, self._collected_s = False, now_s

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
        until_s = time.monotonic() + _CROWDED_FOR_S
        while (waiting := self.inbox.waiting) and not self.place.is_gone and self.troubles.may_try(_INDEX):
            try:
                self._is_unsettled = self.inbox.empty_into(self.place) > 0 or self._is_unsettled
            except sqlite3.DatabaseError as error:
                self._failed(_INDEX, error)
            if waiting < _CROWD or time.monotonic() >= until_s:
                break
            time.sleep(_GATHERS_FOR_S)

    def _meanwhile(self) -> None:
        """Do what should not wait until the rows of all sessions are made."""
        self._store_telemetry()
        if time.monotonic() - self._ship_ended_s >= _SHIPS_EVERY_S and self.troubles.may_try(_TARGET):
            self._ship()

    def end(self) -> None:
        """Look at everything once more, and leave what has no answer soon to whoever comes next."""
        self.inbox.close()
        self._missed = True
        self.round(None)
        if self.dispatcher.is_answered(PATIENCE_S):
            self._ship()
        self.dispatcher.leave()

    def flush(self, within_s: float) -> None:
        """Store all that is held, and send it, turns that are not over too: nobody may come to do it later.

        What follows of such a turn joins its trace. What the target has not taken after so long stays in the index.
        """
        until_s = time.monotonic() + within_s
        self.inbox.close()
        self._missed = True
        self.round(None)
        if self.dispatcher.find_target is not None and self._is_open and self._damage is None:
            try:
                answered = self.dispatcher.finish(until_s - time.monotonic())
                if answered is not None:
                    self._take_in(answered)
                    self._take_in(self.dispatcher.ship_all(self.place, until_s - time.monotonic()))
            except (sqlite3.DatabaseError, BridgeError) as error:
                self._failed(_TARGET, error)
        self.dispatcher.leave()

    def _index(
        self, changed: Collection[str] | None, progress: Callable[[int, int], None] = lambda _, __: None
    ) -> PassReport:
        started_ns, failures = self._clock(), self._failures
        try:
            self._mend()
            held = () if self._missed else self._pauses.at(started_ns)
            self._missed = self._is_unsettled = False  # what is found out meanwhile sets them again
            report = index_files(
                self.place,
                self.roots(),
                now_ns=started_ns,
                options=self.options,
                changed=changed if self._reads_files else (),
                progress=progress,
                held=held,
                between=self._meanwhile,
            )
        except (sqlite3.DatabaseError, BridgeError) as error:
            self._missed = True
            self._failed(_INDEX, error)
            return PassReport()
        if self._failures == failures:  # else something was met between two transactions, such as a full disk
            self.troubles.end(_INDEX)
        self._pauses.begin(report.work_ns, self._clock())
        self._pauses.hold([fault.session_id for fault in report.faults], self._clock())
        self._tell_faults(fault.sentence for fault in report.faults)
        self._is_unsettled = self._is_unsettled or report.is_unsettled
        self._is_dirty = self._is_dirty or bool(report.sessions)
        self.tally.rounds += 1
        self.tally.duration_ns += self._clock() - started_ns
        self.tally.last_ns = self._clock()
        self.tally.lines_read += report.lines_read
        return report

    def _mend(self) -> None:
        """Open the index anew where its file is damaged, or is not the one that was opened."""
        if self._is_open and self._damage is None and not self.place.is_gone:
            return
        self.dispatcher.leave(forgets=True)
        if self._is_open:
            self.place.connection.close()
            self._is_open = False
        if self.place.lock is not None:
            self.place.lock.reclaim()
        if self._damage is None or self.place.is_gone:
            connection = open_or_recover(self.place.path, self._notify)
        else:
            connection = recover(self.place.path, self._damage, self._notify)
        self.place = IndexPlace(self.place.path, connection, self.place.lock)
        self._is_open, self._damage = True, None

    def _failed(self, what: str, error: sqlite3.DatabaseError | BridgeError) -> None:
        self._failures += 1
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
        if self.dispatcher.find_target is None:
            return 0
        try:
            summary = self.dispatcher.ship(
                self.place,
                expected=self._expected(),
                is_away=_TARGET in self.troubles,
                meanwhile=self._store_telemetry,
            )
        except (sqlite3.DatabaseError, BridgeError) as error:
            self._failed(_TARGET, error)
            return 0
        finally:
            self._ship_ended_s = time.monotonic()
        if summary is None:
            return 0
        self._take_in(summary)
        return summary.sessions

    def _tell_faults(self, sentences: Iterable[str]) -> None:
        """Tell each once: who stumbles over a session does so whenever there is more of it."""
        for sentence in dict.fromkeys(sentences):
            if sentence not in self._told_faults:
                self._told_faults.add(sentence)
                self._notify(sentence)

    def _expected(self) -> Expected:
        """Return of which sessions the client's spans may come."""
        arrivals, now_ns = self.inbox.arrivals, self._clock()
        return Expected(arrivals.expects_spans(now_ns) or self.is_to_get_spans(), arrivals.begun(now_ns))

    def _take_in(self, summary: ExportSummary) -> None:
        """Count a shipment, and tell what went wrong with it."""
        self.tally.exported += summary
        self._tell_faults(summary.faults)
        for rejection in summary.delivery.rejections[:3]:
            self._notify(f"rejected {rejection.item}: {rejection.reason}")
        answered = summary.delivery.total
        if answered.undelivered:
            sentence = "; ".join(summary.delivery.failures) or "not everything was taken"
            self.troubles.begin(_TARGET, sentence, over=_TAKEN_AGAIN)
            return
        self._is_dirty = self.dispatcher.pending > 0
        if answered.accepted or answered.rejected or not self._is_dirty:  # else nobody was asked
            self.troubles.end(_TARGET)
