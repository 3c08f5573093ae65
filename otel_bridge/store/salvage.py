"""What can be read of a damaged index, carried over to a new one (I/O)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from otel_bridge.model import Session
from otel_bridge.store.cells import cell_path
from otel_bridge.store.database import transaction
from otel_bridge.store.kinship import row_id
from otel_bridge.store.rows import session_rows
from otel_bridge.store.tables import insert_sessions
from otel_bridge.store.texts import IndexedText, add_texts

_FILES = ("-wal", "-shm", "")
"""What an index consists of; the log first: beside another index it would be taken for that one's."""

_BOOKS = (
    ("targets", "id"),
    ("shipped", "target, session_id"),
    ("sent_turns", "target, session_id, turn, ordinal"),
    ("pruned", "session_id"),
)
"""Small tables that no transcript tells, by their keys."""


class Salvaged(Struct):
    """What was carried over."""

    files: int = 0
    """Files that are there no more: what they said was only here."""
    sent: int = 0
    """Ids of what was sent."""
    is_readable: bool = True


def set_aside(path: Path) -> Path:
    """Give a damaged index another name and return it."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    for suffix in _FILES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def discard(path: Path) -> None:
    """Remove an index that nobody needs, if there is one."""
    for suffix in _FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def salvage(damaged: Path, connection: sqlite3.Connection) -> Salvaged:
    """Carry over what no transcript tells any more: deleted files, telemetry, the ledger. Unreadable rows are lost."""
    with closing(sqlite3.connect(damaged, isolation_level=None)) as source:
        try:
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.DatabaseError:
            return Salvaged(is_readable=False)
        return _carry_over(source, connection)


def _carry_over(source: sqlite3.Connection, connection: sqlite3.Connection) -> Salvaged:
    with transaction(connection):
        for table, key in _BOOKS:
            _copy(connection, table, _rows(source, table, key))
        sent = _copy(connection, "sent", _rows(source, "sent", "target, key"))
        gone = [row for row in _rows(source, "files", "id") if not os.path.lexists(cell_path(row["path"]))]
        _copy(connection, "files", gone)
        for file in gone:
            _copy_words(connection, source, file)
        _copy(connection, "native_records", _rows(source, "native_records", "session_id, key"))
        _copy(connection, "native_points", _rows(source, "native_points", "session_id, series, key"))
        for table in ("native_records", "native_points"):
            connection.execute(f"INSERT OR IGNORE INTO unsettled SELECT DISTINCT session_id FROM {table}")
    return Salvaged(len(gone), sent)


def _copy_words(connection: sqlite3.Connection, source: sqlite3.Connection, file: sqlite3.Row) -> None:
    """Carry over what a file said and what search finds of it, with a bare row of its session: others fill it."""
    of_file = f"WHERE file = {int(file['id'])}"
    _copy(connection, "chunks", _rows(source, "chunks", "number", of_file))
    session_id = file["session_id"]
    if row_id(connection, session_id) is None:
        users = _rows(source, "sessions", "id", "WHERE session_id = ?", session_id)
        user_name = next((row["user_name"] for row in users), None)
        insert_sessions(connection, [session_rows(Session(session_id, (), 0, 0), user_name=user_name)])
    session = row_id(connection, session_id)
    assert session is not None
    known = {row["id"]: row for row in _rows(source, "texts", "id", of_file)}
    texts = [IndexedText(row["kind"], row["at_ns"], row["ref"], row["text"]) for row in known.values()]
    add_texts(connection, session, file["id"], texts)


def _rows(source: sqlite3.Connection, table: str, key: str, condition: str = "", *values: str) -> Iterator[sqlite3.Row]:
    """Yield the rows from the front, and past a place that cannot be read those from the back: some may come twice."""
    backwards = ", ".join(f"{column} DESC" for column in key.split(", "))
    for order in (key, backwards):
        try:
            cursor = source.execute(f"SELECT * FROM {table} {condition} ORDER BY {order}", values)
            cursor.row_factory = sqlite3.Row
            yield from cursor
        except sqlite3.DatabaseError:
            continue
        return


def _copy(connection: sqlite3.Connection, table: str, rows: Iterable[sqlite3.Row]) -> int:
    copied = 0
    for row in rows:
        columns, marks = ", ".join(row.keys()), ", ".join("?" * len(row))
        copied += connection.execute(
            f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})",
            tuple(row),
        ).rowcount
    return copied
