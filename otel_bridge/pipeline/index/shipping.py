"""Sessions of the index on their way to the targets that lack them (I/O through a sink)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from otel_bridge.convert import ConvertOptions
from otel_bridge.model import IDLE_TURN_NS, Turn, turn_calls
from otel_bridge.pipeline.export import ExportSummary, count_batch, count_session, session_batches
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


class Shipper:
    """Sends sessions to their targets and keeps the ledger."""

    def __init__(
        self, library: Library, ledger: Ledger, open_sink: OpenSink, options: ShipOptions, *, now_ns: int
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._open_sink = open_sink
        self._options = options
        self._now_ns = now_ns
        self._idle: frozenset[str] = frozenset()

    def ship(
        self,
        session_ids: Iterable[str],
        *,
        idle: Iterable[str] = (),
        only_once: bool = False,
        progress: Callable[[int, int], None] = lambda _, __: None,
    ) -> ExportSummary:
        """Send what the targets lack of some sessions; stop when a target does not take it.

        ``idle`` are sessions whose open turn may be sent by now, though nothing about them is new. With ``only_once``
        the sink is emptied once, and what is left is for later. ``progress`` is told sessions done and to do.
        """
        summary = ExportSummary()
        self._idle = frozenset(idle)
        session_ids = list(dict.fromkeys((*session_ids, *self._idle)))
        done = 0
        while done < len(session_ids):
            sink = self._open_sink(self._ledger.settle)
            try:
                items = 0
                while done < len(session_ids) and items < _ITEMS_AT_ONCE:
                    items += self._send(session_ids[done], sink, summary)
                    done += 1
            except BaseException:
                sink.abort()
                self._ledger.note()
                raise
            delivery = sink.close()
            self._ledger.note()
            summary.delivery += delivery
            if delivery.total.undelivered or only_once:
                break
            progress(done, len(session_ids))
        return summary

    def _send(self, session_id: str, sink: Sink, summary: ExportSummary) -> int:
        """Hand over what the targets lack of a session and return the number of items."""
        signals = [
            signal
            for signal in self._options.signals
            if self._ledger.lacking(signal, session_id) or (signal is Signal.TRACES and session_id in self._idle)
        ]
        try:
            session = self._library[session_id]
        except ForeignFormatError:  # only an older version could tell: its rows are all there is
            for signal in signals:
                self._ledger.start(signal, session_id)
                self._ledger.end(signal, session_id)
            return 0
        options = self._options.convert
        count_session(summary, session, include_open=options.include_open)
        items = 0
        for signal in signals:
            self._ledger.start(signal, session_id)
            for batch in session_batches(signal, session, options, self._library.unaware, self._is_idle):
                missing = self._ledger.missing(session_id, batch)
                if missing is not None:
                    count_batch(summary, missing)
                    sink.send(missing)
                    items += len(missing.items)
            self._ledger.end(signal, session_id)
        return items

    def _is_idle(self, turn: Turn) -> bool:
        last_ns = max([turn.ended_ns, *(call.ended_ns for call in turn_calls(turn))])
        return not turn.is_complete and self._now_ns - last_ns >= self._options.idle_ns
