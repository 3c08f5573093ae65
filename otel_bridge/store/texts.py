"""Texts of sessions and the index of their words (I/O). The caller owns the transaction.

The index is kept in step here and not by triggers, which would cost bulk inserts a good part of their speed.
"""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from msgspec import Struct

_IS_TITLE = "session = ? AND ref = '' AND kind = 'title' AND file IS NULL"

KINDS = ("prompt", "title", "command", "path", "error", "answer")


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


def set_title(connection: Connection, session: int, title: str | None, at_ns: int) -> int:
    """Make ``title`` the one title that search finds of a session; return the number of texts written and deleted."""
    known = connection.execute(f"SELECT text, at_ns FROM texts WHERE {_IS_TITLE}", (session,)).fetchall()
    if known == ([(title, at_ns)] if title else []):
        return 0
    deleted = _delete(connection, _IS_TITLE, session)
    return deleted + (add_texts(connection, session, None, [IndexedText("title", at_ns, "", title)]) if title else 0)


def _delete(connection: Connection, condition: str, value: int) -> int:
    connection.execute(
        f"INSERT INTO texts_fts (texts_fts, rowid, text) SELECT 'delete', id, text FROM texts WHERE {condition}",
        (value,),
    )
    return connection.execute(f"DELETE FROM texts WHERE {condition}", (value,)).rowcount
