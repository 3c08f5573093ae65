"""The index and its targets kept up to date, round after round, whatever goes wrong in one (I/O)."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from msgspec import Struct, field

from otel_bridge.errors import BridgeError
from otel_bridge.pipeline.export import ExportSummary
from otel_bridge.pipeline.index.ledger import Ledger
from otel_bridge.pipeline.index.opening import is_damage, recover
from otel_bridge.pipeline.index.passes import IndexOptions, PassReport, index_files
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.shipping import OpenSink, ShipOptions, Shipper
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.telemetry import Signal

_NS_PER_S = 1_000_000_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class Target(Struct):
    """Where sessions go."""

    places: dict[Signal, str]
    """What each signal's target is called in the ledger."""
    open_sink: OpenSink
    options: ShipOptions


class Trouble(Struct):
    """Something that does not work at the moment, and when it is tried again."""

    sentence: str
    retry_ns: int
    pause_s: float = _FIRST_PAUSE_S


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
        roots: Callable[[], Sequence[Path]],
        *,
        options: IndexOptions,
        find_target: Callable[[], Target] | None = None,
        clock: Callable[[], int],
        notify: Callable[[str], None],
    ) -> None:
        self.place = place
        self.options = options
        """How to index. Processes may only be forked before there are threads: later rounds use one worker."""
        self.tally = Tally()
        self.troubles: dict[str, Trouble] = {}
        self.roots = roots
        self.find_target = find_target
        """Says where to ship to; ``None`` for nowhere. Asked again while a target is away: it may turn out to know
        fewer signals than it was to be sent."""
        self._target: Target | None = None
        self._clock = clock
        self._notify = notify
        self._missed = True
        """Changes may have been missed: the next round looks at everything."""
        self._is_dirty = True
        """Something may wait to be shipped."""
        self.pending = 0
        """Sessions of which the target lacks something."""

    def look(self, progress: Callable[[int, int], None]) -> None:
        """Look at everything and ship nothing yet; ``progress`` is told bytes read and to read."""
        self._index(None, progress)
        gc.collect()

    def round(self, changed: Collection[str] | None) -> PassReport:
        """Look at changed paths, at everything for ``None``, and ship a part of what waits, the newest first."""
        report = PassReport()
        looks_at_all = changed is None or self._missed
        if (changed or looks_at_all) and self._may_try("index"):
            report = self._index(None if looks_at_all else changed)
        elif changed:
            self._missed = True
        shipped = 0
        if self._is_dirty and self.find_target is not None and self._may_try("target"):
            if self._target is None or "target" in self.troubles:
                self._target = self.find_target()
            shipped = self._ship(self._target)
        if report.files_read or shipped:
            gc.collect()  # putting sessions together leaves cycles: a process that runs for days would grow by them
        return report

    def _index(
        self, changed: Collection[str] | None, progress: Callable[[int, int], None] = lambda _, __: None
    ) -> PassReport:
        started_ns = self._clock()
        try:
            report = index_files(
                self.place,
                self.roots(),
                now_ns=started_ns,
                options=self.options,
                changed=changed,
                progress=progress,
            )
        except sqlite3.DatabaseError as error:
            self._missed = True
            self._index_failed(error)
            return PassReport()
        except BridgeError as error:
            self._missed = True
            self._in_trouble("index", str(error))
            return PassReport()
        self._over("index", "the index is written again")
        self._missed = False
        self._is_dirty = self._is_dirty or bool(report.sessions)
        self.tally.rounds += 1
        self.tally.duration_ns += self._clock() - started_ns
        self.tally.last_ns = self._clock()
        self.tally.lines_read += report.lines_read
        return report

    def _index_failed(self, error: sqlite3.DatabaseError) -> None:
        if is_damage(error):
            self.place.connection.close()
            self.place = IndexPlace(self.place.path, recover(self.place.path, str(error), self._notify))
            self._is_dirty = True
        else:
            self._in_trouble("index", f"cannot write the index {self.place.path}: {error}; is the disk full?")

    def _ship(self, target: Target) -> int:
        """Ship a part of what waits and return the number of sessions."""
        try:
            summary = self._shipped(target)
        except sqlite3.DatabaseError as error:
            self._index_failed(error)
            return 0
        except BridgeError as error:
            self._in_trouble("target", str(error))
            return 0
        self.tally.exported += summary
        for rejection in summary.delivery.rejections[:3]:
            self._notify(f"rejected {rejection.item}: {rejection.reason}")
        if summary.delivery.total.undelivered:
            self._in_trouble("target", "; ".join(summary.delivery.failures) or "not everything was taken")
        else:
            self._is_dirty = self.pending > 0
            self._over("target", "the target takes data again")
        return summary.sessions

    def _shipped(self, target: Target) -> ExportSummary:
        connection, now_ns = self.place.connection, self._clock()
        ledger = Ledger(connection, target.places)
        idle = ledger.idle_sessions(now_ns - target.options.idle_ns)
        library = StoredLibrary(connection, now_ns=now_ns, session_ids=())
        shipper = Shipper(library, ledger, target.open_sink, target.options, now_ns=now_ns)
        summary = shipper.ship(ledger.pending(), idle=idle, only_once=True)
        self.pending = len(ledger.pending())
        return summary

    def _may_try(self, what: str) -> bool:
        trouble = self.troubles.get(what)
        return trouble is None or self._clock() >= trouble.retry_ns

    def _in_trouble(self, what: str, sentence: str) -> None:
        before = self.troubles.get(what)
        if before is None or before.sentence != sentence:
            self._notify(f"{sentence.rstrip('.')}; trying again until it works")
        pause_s = _FIRST_PAUSE_S if before is None else min(before.pause_s * 2, _LONGEST_PAUSE_S)
        self.troubles[what] = Trouble(sentence, self._clock() + int(pause_s * _NS_PER_S), pause_s)

    def _over(self, what: str, sentence: str) -> None:
        if self.troubles.pop(what, None) is not None:
            self._notify(sentence)
