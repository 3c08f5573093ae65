"""The client's own telemetry taken into the index (I/O)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from sqlite3 import Connection

from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.sources.native.records import NativeRecord, NativeSpan, pack, record_key
from otel_bridge.store.database import transaction
from otel_bridge.store.native import add_native
from otel_bridge.store.pruning import forget_pruned, pruned_ns


def take_records(place: IndexPlace, records: Iterable[NativeRecord]) -> int:
    """Store records and return the number of those that are new; the next pass makes the rows of their sessions.

    What has been returned from is on the disk: who sent it may be told so. A session that was removed comes back when
    it goes on; what it said before it was removed does not come again.

    Raises:
        sqlite3.Error: the index cannot be written; nothing was stored.
    """
    by_session: dict[str, list[NativeRecord]] = defaultdict(list)
    for record in records:
        by_session[record.session_id].append(record)
    with transaction(place.connection):
        return sum(_take(place.connection, session_id, of_it) for session_id, of_it in by_session.items())


def _take(connection: Connection, session_id: str, records: Iterable[NativeRecord]) -> int:
    since_ns = pruned_ns(connection, session_id)
    packed = {record_key(record): pack(record) for record in records if _ended_ns(record) > since_ns}
    if since_ns and packed:
        forget_pruned(connection, session_id)
    return add_native(connection, session_id, packed)


def _ended_ns(record: NativeRecord) -> int:
    return record.end_ns if isinstance(record, NativeSpan) else record.time_ns
