"""Sessions that were removed on request (I/O). The caller owns the transaction."""

from __future__ import annotations

from sqlite3 import Connection


def pruned_sessions(connection: Connection) -> dict[str, int]:
    """Return the bytes that the files of removed sessions had, by session id."""
    return dict(connection.execute("SELECT session_id, size_bytes FROM pruned"))
