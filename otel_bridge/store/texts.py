"""Texts of sessions and the index of their words (I/O). The caller owns the transaction.

The index is kept in step here and not by triggers, which would cost bulk inserts a good part of their speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

from msgspec import Struct

KINDS = ("prompt", "title", "command", "path", "error", "answer")
SESSION_KINDS = ("title", "path")
"""Kinds of which a session has one text as a whole."""


class IndexedText(Struct, frozen=True, gc=False):
    """A text that search finds."""

    kind: str
    """One of ``KINDS``."""
    at_ns: int
    ref: str
    """Id of the tool call or key of the turn it belongs to; empty where there is none."""
    text: str


def add_texts(connection: Connection, session: int, file_id: int | None, texts: Iterable[IndexedText]) -> int:
    """Add texts of one file to a session, given by its row's id, and return their number."""
    first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM texts").fetchone()[0]
    rows = [
        (number, session, file_id or "", text.kind, text.at_ns, text.ref, text.text)
        for number, text in enumerate(texts, first)
    ]
    connection.executemany(
        "INSERT INTO texts (id, session, file, kind, at_ns, ref, text) VALUES (?, ?, nullif(?, ''), ?, ?, ?, ?)", rows
    )
    # not from a SELECT: a statement of many rows ends with a flush of the word index
    connection.executemany("INSERT INTO texts_fts (rowid, text) VALUES (?, ?)", [(row[0], row[-1]) for row in rows])
    return len(rows)


def delete_texts_of_file(connection: Connection, file_id: int) -> int:
    """Delete the texts of a file and return their number."""
    return _delete(connection, "file = ?", file_id)


def delete_texts_of_session(connection: Connection, session: int) -> int:
    """Delete the texts of a session, given by its row's id, and return their number."""
    return _delete(connection, "session = ?", session)


def set_session_texts(connection: Connection, session: int, texts: Mapping[str, str], at_ns: int) -> int:
    """Make these, by kind, the texts of a session that stand in no file: its title, and the paths of files it opened.

    Returns the number of texts written and deleted: nothing is touched that is as it should be.
    """
    changes = 0
    for kind in SESSION_KINDS:
        text = texts.get(kind, "")
        known = connection.execute(
            "SELECT text, at_ns FROM texts WHERE session = ? AND kind = ? AND file IS NULL", (session, kind)
        ).fetchall()
        if known != ([(text, at_ns)] if text else []):
            if known:  # to delete nothing, too, flushes the word index
                changes += _delete(connection, "session = ? AND kind = ? AND file IS NULL", session, kind)
            changes += add_texts(connection, session, None, [IndexedText(kind, at_ns, "", text)]) if text else 0
    return changes


def _delete(connection: Connection, condition: str, *values: int | str) -> int:
    connection.execute(
        f"INSERT INTO texts_fts (texts_fts, rowid, text) SELECT 'delete', id, text FROM texts WHERE {condition}", values
    )
    return connection.execute(f"DELETE FROM texts WHERE {condition}", values).rowcount
