"""What the client's own telemetry said, as it was received (I/O). The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

from otel_bridge.store import kinship

_KNOWN = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM native_records WHERE session_id = :id)"
    " OR EXISTS (SELECT 1 FROM native_points WHERE session_id = :id)"
)


def add_native(connection: Connection, session_id: str, records: Mapping[bytes, bytes]) -> int:
    """Add packed records, by key, to a session, and return the number of new ones.

    If there are any, the session has to be settled and is at another revision: spans may be all that is new.
    """
    rows = [(session_id, key, data) for key, data in records.items()]
    added = connection.executemany(
        "INSERT OR IGNORE INTO native_records (session_id, key, data) VALUES (?, ?, ?)", rows
    ).rowcount
    if added:
        kinship.mark_unsettled(connection, [session_id])
        connection.execute("UPDATE sessions SET revision = revision + 1 WHERE session_id = ?", (session_id,))
    return added


def change_points(
    connection: Connection, session_id: str, series: bytes, added: Mapping[bytes, bytes], gone: Iterable[bytes]
) -> None:
    """Add packed points, by key, to a series of a session, and delete those that are not needed any more."""
    connection.executemany(
        "DELETE FROM native_points WHERE session_id = ? AND series = ? AND key = ?",
        [(session_id, series, key) for key in gone],
    )
    connection.executemany(
        "INSERT INTO native_points (session_id, series, key, data) VALUES (?, ?, ?, ?)",
        [(session_id, series, key, data) for key, data in added.items()],
    )


def mark_changed(connection: Connection, session_id: str) -> None:
    """Note that more is known of a session: it has to be settled, and targets lack something of it."""
    kinship.mark_unsettled(connection, [session_id])
    connection.execute("UPDATE sessions SET revision = revision + 1 WHERE session_id = ?", (session_id,))


def native_records(connection: Connection, session_id: str) -> list[bytes]:
    """Return the packed records of a session, in no order that says anything."""
    rows = connection.execute("SELECT data FROM native_records WHERE session_id = ? ORDER BY key", (session_id,))
    return [data for (data,) in rows]


def native_points(connection: Connection, session_id: str) -> list[bytes]:
    """Return the packed points of a session, in no order that says anything."""
    rows = connection.execute("SELECT data FROM native_points WHERE session_id = ? ORDER BY series, key", (session_id,))
    return [data for (data,) in rows]


def series_points(connection: Connection, session_id: str, series: bytes) -> dict[bytes, bytes]:
    """Return the packed points of one series of a session, by key."""
    return dict(
        connection.execute(
            "SELECT key, data FROM native_points WHERE session_id = ? AND series = ?", (session_id, series)
        ).fetchall()
    )


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
