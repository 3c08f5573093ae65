"""What targets lack on its way to them, a part at a time, without waiting long for any answer (I/O through a sink)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from functools import partial

from msgspec import Struct

from otel_bridge.model import Session
from otel_bridge.pipeline.export import ExportSummary
from otel_bridge.pipeline.index.arrivals import SPANS_WITHIN_NS
from otel_bridge.pipeline.index.as_sent import is_told
from otel_bridge.pipeline.index.ledger import Ledger
from otel_bridge.pipeline.index.pauses import Pauses
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.shipping import OpenSink, Shipment, ShipOptions, Shipper
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.telemetry import Signal

PATIENCE_S = 1.0
"""So long a round waits for a target's answers, and the last one again: files that change meanwhile are not seen."""

_END_OF_TIME_NS = 2**62
"""Later than what any client's clock says."""

_LITTLE_WORK_NS = 500_000_000
"""Up to so much, a session is sent as soon as there is something new."""

_STEP_S = 0.1
"""Meanwhile what is received is stored so often."""


class Target(Struct):
    """Where sessions go."""

    places: dict[Signal, str]
    """What each signal's target is called in the ledger."""
    open_sink: OpenSink
    options: ShipOptions


class Expected(Struct, frozen=True):
    """Of which sessions the client's own spans may come any moment."""

    of_any: bool = False
    """The client sends spans: of each turn that is just over. Else of those of sessions that telemetry has told of."""
    of_begun: Collection[str] = ()
    """Telemetry of these sessions began to come a moment ago, whenever it was made."""


def _awaits(expected: Expected, session: Session) -> bool:
    return expected.of_any or is_told(session)


class Dispatcher:
    """Ships to one target, part by part; between parts the index may be written to."""

    def __init__(self, find_target: Callable[[], Target] | None, clock: Callable[[], int]) -> None:
        self.find_target = find_target
        """Says where to ship to; ``None`` for nowhere. Asked again while a target is away: it may turn out to know
        fewer signals than it was to be sent."""
        self.pending = 0
        """Sessions of which the target lacks something."""
        self._clock = clock
        self._target: Target | None = None
        self._ledger: Ledger | None = None
        """Of the present target; it remembers answers that could not be written down."""
        self._shipment: Shipment | None = None
        """What is under way and has no answer yet."""
        self._awaited_ns: dict[str, int] = {}
        """Since when sessions are held back; those with turns in quick succession are not held back for ever."""
        self._pauses = Pauses(at_least_ns=0, free_ns=_LITTLE_WORK_NS)
        """Of sessions that were sent a moment ago: all of one is looked at to find what a target lacks."""

    def ship(
        self, place: IndexPlace, *, expected: Expected, is_away: bool, meanwhile: Callable[[], object]
    ) -> ExportSummary | None:
        """Ship a part of what waits, or see whether it was answered; ``None`` while it was not.

        What telemetry is ``expected`` of is held back; with ``is_away`` the target was not there the last time.
        ``meanwhile`` is called again and again.

        Raises:
            sqlite3.DatabaseError: the index cannot be read or written.
            BridgeError: a session or the target cannot be had.
        """
        assert self.find_target is not None, "there is somewhere to ship to"
        summary, patience_s = ExportSummary(), 0.0
        if self._shipment is None:
            shipper, ledger = self._shipper(self.find_target, place, is_away=is_away)
            self._shipment = self._load(shipper, ledger, expected, meanwhile)
            patience_s = PATIENCE_S
        if self._shipment is not None:
            if not self._wait_storing(self._shipment, patience_s, meanwhile):
                return None
            shipment, self._shipment = self._shipment, None
            summary = shipment.finish()
        self._count_pending()
        return summary

    def ship_all(self, place: IndexPlace, within_s: float) -> ExportSummary:
        """Ship all that waits and turns that are not over, as far as it is answered by then. Raises as ``ship``."""
        assert self.find_target is not None, "there is somewhere to ship to"
        until_s, summary = time.monotonic() + within_s, ExportSummary()
        shipper, ledger = self._shipper(self.find_target, place, is_last=True)
        idle = ledger.idle_sessions(0, _END_OF_TIME_NS)
        waiting = deque(dict.fromkeys((*ledger.pending(self._clock()), *idle)))
        while waiting and not summary.delivery.total.undelivered and time.monotonic() < until_s:
            self._shipment = shipper.send_some(waiting, idle)
            answered = self.finish(until_s - time.monotonic())
            if answered is None:
                break
            summary += answered
        self._count_pending()
        return summary

    def finish(self, within_s: float) -> ExportSummary | None:
        """Wait so long for the answers to what is under way, and account for it; ``None`` where they do not come."""
        if self._shipment is None:
            return ExportSummary()
        if not self._shipment.is_answered(max(0.0, within_s)):
            return None
        shipment, self._shipment = self._shipment, None
        return shipment.finish()

    def is_answered(self, within_s: float) -> bool:
        """Tell whether something was under way that is answered by then."""
        return self._shipment is not None and self._shipment.is_answered(within_s)

    def leave(self, *, forgets: bool = False) -> None:
        """Wait for nothing more: what has no answer is sent again. ``forgets`` where another index takes the place."""
        if self._shipment is not None:
            self._shipment.abort()
            self._shipment = None
        if forgets:
            self._ledger = None

    def _wait_storing(self, shipment: Shipment, patience_s: float, meanwhile: Callable[[], object]) -> bool:
        until_s = time.monotonic() + patience_s
        while not shipment.is_answered(min(patience_s, _STEP_S)):
            if time.monotonic() >= until_s:
                return False
            meanwhile()
        return True

    def _load(
        self, shipper: Shipper, ledger: Ledger, expected: Expected, meanwhile: Callable[[], object]
    ) -> Shipment | None:
        """Send a part of what waits on its way; ``None`` where nothing waits."""
        now_ns = self._clock()
        idle = ledger.idle_sessions(shipper.options.idle_ns, now_ns)
        just_over = ledger.just_over_sessions(now_ns - SPANS_WITHIN_NS, all_of_them=expected.of_any)
        awaited = just_over.union(expected.of_begun)
        self._awaited_ns = {
            session_id: min(self._awaited_ns.get(session_id, now_ns), now_ns)  # the clock may have been set back
            for session_id in awaited
        }
        held = {session_id for session_id, since_ns in self._awaited_ns.items() if now_ns - since_ns < SPANS_WITHIN_NS}
        held.update(self._pauses.at(now_ns))
        due = dict.fromkeys(session_id for session_id in (*ledger.pending(now_ns), *idle) if session_id not in held)
        if not due:
            return None
        waiting = deque(due)
        shipment = shipper.send_some(waiting, idle, awaits=partial(_awaits, expected), between=meanwhile)
        self._pauses.begin(shipment.work_ns, self._clock())
        self._pauses.hold([fault.session_id for fault in shipment.faults], self._clock())
        for session_id in shipment.work_ns:  # its next turn is waited for anew
            self._awaited_ns.pop(session_id, None)
        return shipment

    def _shipper(
        self, find_target: Callable[[], Target], place: IndexPlace, *, is_away: bool = False, is_last: bool = False
    ) -> tuple[Shipper, Ledger]:
        """Return what ships, and the ledger; with ``is_last`` every turn that is not over counts as idle."""
        if self._target is None or is_away:
            self._target = find_target()
        target, now_ns = self._target, self._clock()
        if self._ledger is not None:
            self._ledger.note()  # every answer that came so far
        if self._ledger is None or self._ledger.places != target.places:
            self._ledger = Ledger(place.connection, target.places)
        library = StoredLibrary(place.connection, now_ns=now_ns, session_ids=())
        judged_ns = _END_OF_TIME_NS if is_last else now_ns
        return Shipper(library, self._ledger, target.open_sink, target.options, now_ns=judged_ns), self._ledger

    def _count_pending(self) -> None:
        assert self._ledger is not None, "what was under way was loaded with it"
        self.pending = len(self._ledger.pending(self._clock()))
