"""What can be read of a damaged index, carried over to a new one (I/O)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from otel_bridge.store.database import transaction

_COMPANIONS = ("", "-wal", "-shm")


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
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).rename(aside.with_name(aside.name + companion))
    return aside


def salvage(damaged: Path, connection: sqlite3.Connection) -> Salvaged:
    """Carry over what no transcript tells any more: deleted files and the ledger. Rows that cannot be read are lost."""
    try:
        source = sqlite3.connect(damaged, isolation_level=None)
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError:
        return Salvaged(is_readable=False)
    with closing(source), transaction(connection):
        for table, key in (("targets", "id"), ("shipped", "target, session_id"), ("pruned", "session_id")):
            _copy(connection, table, _rows(source, table, key))
        sent = _copy(connection, "sent", _rows(source, "sent", "target, key"))
        gone = [row for row in _rows(source, "files", "id") if not os.path.lexists(row["path"])]
        _copy(connection, "files", gone)
        for file in gone:
            _copy(connection, "chunks", _rows(source, "chunks", "number", f"WHERE file = {int(file['id'])}"))
    return Salvaged(len(gone), sent)


def _rows(source: sqlite3.Connection, table: str, key: str, condition: str = "") -> Iterator[sqlite3.Row]:
    """Yield the rows from the front, and past a place that cannot be read those from the back: some may come twice."""
    backwards = ", ".join(f"{column} DESC" for column in key.split(", "))
    for order in (key, backwards):
        try:
            cursor = source.execute(f"SELECT * FROM {table} {condition} ORDER BY {order}")
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
