"""What the client's own telemetry said, as it was received (I/O). The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

from otel_bridge.store import kinship
from otel_bridge.store.cells import storable

_KNOWN = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM native_records WHERE session_id = :id)"
    " OR EXISTS (SELECT 1 FROM native_points WHERE session_id = :id)"
)


def add_native(connection: Connection, session_id: str, records: Mapping[bytes, bytes]) -> int:
    """Add packed records, by key, to a session, and return the number of new ones.

    If there are any, the session has to be settled and is at another revision: spans may be all that is new.
    """
    rows = [(storable(session_id), key, data) for key, data in records.items()]
    added = connection.executemany(
        "INSERT OR IGNORE INTO native_records (session_id, key, data) VALUES (?, ?, ?)", rows
    ).rowcount
    if added:
        kinship.mark_unsettled(connection, [storable(session_id)])
        connection.execute("UPDATE sessions SET revision = revision + 1 WHERE session_id = ?", (storable(session_id),))
    return added


def put_points(connection: Connection, session_id: str, series: bytes, points: Mapping[bytes, bytes]) -> int:
    """Make these packed points, by key, all that a session has of a series, and return how many it did not have.

    If there are any, the session has to be settled and is at another revision.
    """
    place = storable(session_id), series
    stored = {
        key for (key,) in connection.execute("SELECT key FROM native_points WHERE session_id = ? AND series = ?", place)
    }
    connection.executemany(
        "DELETE FROM native_points WHERE session_id = ? AND series = ? AND key = ?",
        [(*place, key) for key in stored - points.keys()],
    )
    added = connection.executemany(
        "INSERT INTO native_points (session_id, series, key, data) VALUES (?, ?, ?, ?)",
        [(*place, key, data) for key, data in points.items() if key not in stored],
    ).rowcount
    if added > 0:
        kinship.mark_unsettled(connection, place[:1])
        connection.execute("UPDATE sessions SET revision = revision + 1 WHERE session_id = ?", place[:1])
    return max(added, 0)


def native_records(connection: Connection, session_id: str) -> list[bytes]:
    """Return the packed records of a session, in no order that says anything."""
    rows = connection.execute("SELECT data FROM native_records WHERE session_id = ? ORDER BY key", (session_id,))
    return [data for (data,) in rows]


def native_points(connection: Connection, session_id: str, series: bytes | None = None) -> list[bytes]:
    """Return the packed points of a session, or of one series of it, in no order that says anything."""
    rows = connection.execute(
        "SELECT data FROM native_points WHERE session_id = ? AND series = ifnull(?, series) ORDER BY series, key",
        (storable(session_id), series),
    )
    return [data for (data,) in rows]


def has_native(connection: Connection, session_id: str) -> bool:
    """Tell whether anything of a session was received."""
    return connection.execute(_KNOWN, {"id": session_id}).fetchone() is not None


def known_natively(connection: Connection, session_ids: Iterable[str]) -> list[str]:
    """Return those of some sessions that anything was received of."""
    return [session_id for session_id in session_ids if has_native(connection, session_id)]


def forget_native(connection: Connection, session_ids: Iterable[str]) -> None:
    """Delete all that was received of some sessions."""
    forgotten = [(session_id,) for session_id in session_ids]
    connection.executemany("DELETE FROM native_records WHERE session_id = ?", forgotten)
    connection.executemany("DELETE FROM native_points WHERE session_id = ?", forgotten)
