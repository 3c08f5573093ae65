"""An index in memory, filled in a few words."""

from __future__ import annotations

import sqlite3

from otel_bridge.model import Session
from otel_bridge.store.database import migrate
from otel_bridge.store.rows import session_rows
from otel_bridge.store.tables import insert_sessions
from otel_bridge.store.texts import IndexedText, add_texts


def index_of(*sessions: Session) -> sqlite3.Connection:
    """Return an index of the sessions."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    insert_sessions(connection, [session_rows(session) for session in sessions])
    return connection


def add_words(connection: sqlite3.Connection, *texts: str, kind: str = "prompt", file_id: int = 1) -> None:
    """Add texts to the first session, one a second."""
    indexed = [IndexedText(kind, number * 1_000_000_000, f"ref-{number}", text) for number, text in enumerate(texts, 1)]
    add_texts(connection, 1, file_id, indexed)


def add_file(connection: sqlite3.Connection, path: str, session_id: str, agent_id: str | None = None) -> None:
    """Add a file of a session; nothing of it matters but its path and whose it is."""
    known = {"path": path, "session_id": session_id, "agent_id": agent_id}
    columns = connection.execute("SELECT name, type FROM pragma_table_info('files') WHERE name <> 'id'").fetchall()
    cells = [known.get(name, b"" if kind == "BLOB" else 0) for name, kind in columns]
    names = ", ".join(name for name, _ in columns)
    connection.execute(f"INSERT INTO files ({names}) VALUES ({', '.join('?' * len(cells))})", cells)


def dump(connection: sqlite3.Connection) -> list[str]:
    """Return all that the index holds, but how often it was changed."""
    copy = sqlite3.connect(":memory:")
    connection.backup(copy)
    copy.execute("UPDATE sessions SET revision = 0")
    return list(copy.iterdump())
