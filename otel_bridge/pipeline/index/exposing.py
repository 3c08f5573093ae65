"""How the index is doing and what its live sessions have come to, for whoever asks over HTTP (I/O: reads the index)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from sqlite3 import Connection, DatabaseError

from otel_bridge.convert import ConvertOptions
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.errors import StoreError
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.pipeline.index.opening import reading
from otel_bridge.pipeline.index.stored import StoredLibrary, total_account
from otel_bridge.receiving.counters import Counters, received
from otel_bridge.serving.self_metrics import BridgeState, Outcome
from otel_bridge.sinks import Delivery
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from otel_bridge.sources.transcript.lines import LineAccount
from otel_bridge.telemetry import DataPoint, Signal

_RECENT_NS = 24 * 3600 * 1_000_000_000
"""Sessions older than that have nothing new to be scraped."""

_NS_PER_S = 1_000_000_000
_OTHER = "other"


def bridge_state(keeper: Keeper, receiver: Counters | None = None) -> BridgeState:
    """Return the figures of this moment, with those of a receiver that listens; may be called from any thread."""
    tally = keeper.tally
    problems = tuple(keeper.troubles.sentences)
    try:
        with reading(keeper.place.path) as place:
            sessions, files = _count(place.connection, "sessions"), _count(place.connection, "files")
            account = total_account(place.connection)
    except (StoreError, DatabaseError) as error:
        sessions, files, account = 0, 0, LineAccount()
        problems = (*problems, f"the index cannot be read: {error}")
    return BridgeState(
        watched=tuple(map(str, keeper.roots())),
        sessions=sessions,
        files=files,
        records_read=account.used,
        records_rejected=_rejected(account),
        index_runs=tally.rounds,
        index_duration_s=tally.duration_ns / _NS_PER_S,
        index_size_bytes=keeper.place.path.stat().st_size if keeper.place.path.exists() else 0,
        export_items=_items(tally.exported.delivery),
        received=None if receiver is None else received(receiver.tally(), keeper.inbox.fates),
        pending_sessions=keeper.dispatcher.pending,
        last_sync_s=None if tally.last_ns is None else tally.last_ns / _NS_PER_S,
        problems=problems,
    )


class RecentPoints:
    """The newest point of every series of the sessions that did something in the last day.

    Sessions that did not change since the last question are not put together again. One question at a time.
    """

    def __init__(self, index: Path, options: ConvertOptions, clock: Callable[[], int]) -> None:
        self._index = index
        self._options = options
        self._clock = clock
        self._known: dict[str, tuple[int, list[DataPoint]]] = {}
        """Revision and points by session."""

    def __call__(self) -> Iterator[DataPoint]:
        """Yield the points, session by session."""
        now_ns = self._clock()
        with reading(self._index) as place:
            recent = place.connection.execute(
                "SELECT session_id, revision FROM sessions WHERE ended_ns > ? ORDER BY session_id",
                (now_ns - _RECENT_NS,),
            ).fetchall()
            library = StoredLibrary(place.connection, now_ns=now_ns, session_ids=())
            known = {session_id: self._points(library, session_id, revision) for session_id, revision in recent}
        self._known = known
        for _, points in known.values():
            yield from points

    def _points(self, library: StoredLibrary, session_id: str, revision: int) -> tuple[int, list[DataPoint]]:
        known = self._known.get(session_id)
        if known is not None and known[0] == revision:
            return known
        newest: dict[int, DataPoint] = {}
        try:
            session, lesser = library[session_id], library.lesser_views(session_id)
        except ForeignFormatError:  # its rows are all there is
            return revision, []
        for batch in session_metrics(session, self._options, lesser):
            # the points of a series come in time order and share their attributes
            newest.update((id(item.attributes), item) for item in batch.items if isinstance(item, DataPoint))
        return revision, list(newest.values())


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - named above


def _rejected(account: LineAccount) -> Mapping[str, int]:
    """Count problems by reason; of those beyond the first of a file, nobody knows which they were."""
    reasons = Counter(problem.reason for problem in account.problems)
    if account.problem_count > reasons.total():
        reasons[_OTHER] = account.problem_count - reasons.total()
    return reasons


def _items(delivery: Delivery) -> dict[tuple[Signal, Outcome], int]:
    return {
        (signal, outcome): getattr(counts, outcome.value)
        for signal, counts in delivery.counts.items()
        for outcome in Outcome
    }
