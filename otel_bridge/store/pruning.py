"""Sessions that were removed on request (I/O). The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from msgspec import Struct

from otel_bridge.store import kinship
from otel_bridge.store.native import forget_native
from otel_bridge.store.tables import delete_session

_WEIGHED = """
SELECT sessions.session_id, ended_ns, open_until_ns, calls, cost_pusd,
  coalesce((SELECT sum(size_bytes) FROM files WHERE files.session_id = sessions.session_id AND is_present), 0),
  coalesce((SELECT sum(length(data)) FROM files JOIN chunks ON chunks.file = files.id
            WHERE files.session_id = sessions.session_id), 0)
  + coalesce((SELECT sum(2 * length(text) + 100) FROM texts WHERE texts.session = sessions.id), 0)
  + 250 * (calls + tool_calls)
FROM sessions ORDER BY ended_ns, sessions.session_id
"""


class WeighedSession(Struct, frozen=True):
    """A session and what it weighs."""

    session_id: str
    ended_ns: int
    open_until_ns: int
    calls: int
    cost_pusd: int
    file_bytes: int
    """Of its transcripts, as far as they are there."""
    index_bytes: int
    """In the index, about."""


def pruned_sessions(connection: Connection) -> dict[str, int]:
    """Return the bytes that the files of removed sessions had, by session id."""
    return dict(connection.execute("SELECT session_id, size_bytes FROM pruned"))


def pruned_ns(connection: Connection, session_id: str) -> int:
    """Return when a session was removed, 0 if it was not."""
    found = connection.execute("SELECT pruned_ns FROM pruned WHERE session_id = ?", (session_id,)).fetchone()
    return found[0] if found else 0


def forget_pruned(connection: Connection, session_id: str) -> None:
    """Note that a session is back."""
    connection.execute("DELETE FROM pruned WHERE session_id = ?", (session_id,))


def weighed_sessions(connection: Connection) -> list[WeighedSession]:
    """Return all sessions, those that ended first at the front."""
    return [WeighedSession(*row) for row in connection.execute(_WEIGHED)]


def used_bytes(connection: Connection) -> int:
    """Return the bytes of the index that are in use: its size without what a VACUUM would free."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_bytes)


def remove_sessions(connection: Connection, sessions: Iterable[WeighedSession], *, archive: str, now_ns: int) -> None:
    """Remove all of some sessions but the ledger, and note that they were there.

    What else was done on branches that one of them linked to a pull request has to be settled anew.
    """
    for session in sessions:
        row_id = kinship.row_id(connection, session.session_id)
        if row_id is not None:
            kinship.forget_calls(connection, row_id)
            branches = kinship.put_links(connection, row_id, None, ())
            mates = kinship.sessions_on_branches(connection, branches)
            kinship.mark_unsettled(connection, (mate for mate in mates if mate != session.session_id))
        delete_session(connection, session.session_id)
        owned = "(SELECT id FROM files WHERE session_id = ?)"
        connection.execute(f"DELETE FROM chunks WHERE file IN {owned}", (session.session_id,))
        connection.execute("DELETE FROM files WHERE session_id = ?", (session.session_id,))
        forget_native(connection, [session.session_id])
        connection.execute("DELETE FROM unsettled WHERE session_id = ?", (session.session_id,))
        connection.execute(
            "INSERT OR REPLACE INTO pruned (session_id, size_bytes, archive, pruned_ns, calls, cost_pusd)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (session.session_id, session.file_bytes, archive, now_ns, session.calls, session.cost_pusd),
        )
