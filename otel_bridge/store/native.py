"""Records of the client's own telemetry, as they were received (I/O). The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

from otel_bridge.store import kinship
from otel_bridge.store.cells import storable


def add_native(connection: Connection, session_id: str, records: Mapping[bytes, bytes]) -> int:
    """Add packed records, by key, to a session; if any is new, it has to be settled. Return the number of new ones."""
    rows = [(storable(session_id), key, data) for key, data in records.items()]
    added = connection.executemany(
        "INSERT OR IGNORE INTO native_records (session_id, key, data) VALUES (?, ?, ?)", rows
    ).rowcount
    if added:
        kinship.mark_unsettled(connection, [storable(session_id)])
    return added


def native_records(connection: Connection, session_id: str) -> list[bytes]:
    """Return the packed records of a session, in no order that says anything."""
    rows = connection.execute("SELECT data FROM native_records WHERE session_id = ? ORDER BY key", (session_id,))
    return [data for (data,) in rows]


def has_native(connection: Connection, session_id: str) -> bool:
    """Tell whether any record of a session was received."""
    found = connection.execute("SELECT 1 FROM native_records WHERE session_id = ? LIMIT 1", (session_id,)).fetchone()
    return found is not None


def known_natively(connection: Connection, session_ids: Iterable[str]) -> list[str]:
    """Return those of some sessions that any record was received of."""
    return [session_id for session_id in session_ids if has_native(connection, session_id)]


def forget_native(connection: Connection, session_ids: Iterable[str]) -> None:
    """Delete all records of some sessions."""
    connection.executemany(
        "DELETE FROM native_records WHERE session_id = ?", [(session_id,) for session_id in session_ids]
    )
