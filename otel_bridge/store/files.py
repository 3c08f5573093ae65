"""Files that were read, how far, and what they said (I/O). The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import Any

from msgspec import Struct

from otel_bridge.store.cells import cell_path, path_cell

_TAIL = -1
"""Number of the chunk of a last line without newline."""

MERGED_AT_ONCE = 16
"""So many chunks of one level make one of the next: few rows to read, and none is written again too often."""


class StoredFile(Struct):
    """A row of ``files``."""

    path: str
    session_id: str
    agent_id: str | None
    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    found_ns: int
    offset_bytes: int
    lines: int
    crc: int
    account: bytes
    tail_account: bytes
    meta: bytes | None
    meta_mtime_ns: int
    is_present: bool
    is_readable: bool
    data_version: int
    id: int = 0
    """0 for a file that is not stored yet."""


class Chunk(Struct, frozen=True):
    """What a stretch of a file's lines says."""

    number: int
    level: int
    data: bytes


_COLUMNS = tuple(name for name in StoredFile.__struct_fields__ if name != "id")
_SELECT = f"SELECT {', '.join(_COLUMNS)}, id FROM files"
_INSERT = f"INSERT INTO files ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_UPDATE = f"UPDATE files SET {', '.join(f'{name} = ?' for name in _COLUMNS)} WHERE id = ?"


def are_none(connection: Connection) -> bool:
    """Tell whether nothing was ever read into the index."""
    return connection.execute("SELECT 1 FROM files LIMIT 1").fetchone() is None


def all_files(connection: Connection) -> list[StoredFile]:
    """Return every file, present or not, without accounts and meta files."""
    light = ", ".join("NULL" if name in ("account", "tail_account", "meta") else name for name in _COLUMNS)
    return [_stored(row) for row in connection.execute(f"SELECT {light}, id FROM files")]


def files_at(connection: Connection, paths: Iterable[str]) -> list[StoredFile]:
    """Return the files that stand, or stood, under some paths, and all others of their sessions."""
    found: dict[int, StoredFile] = {}
    for path in paths:
        of_its_session = f"{_SELECT} WHERE session_id = (SELECT session_id FROM files WHERE path = ?)"
        rows = connection.execute(of_its_session, (path_cell(path),))
        found.update({row[-1]: _stored(row) for row in rows})
    return list(found.values())


def files_of_session(connection: Connection, session_id: str) -> list[StoredFile]:
    """Return the files of one session."""
    return [_stored(row) for row in connection.execute(f"{_SELECT} WHERE session_id = ?", (session_id,))]


def file_by_id(connection: Connection, file_id: int) -> StoredFile:
    """Return one file."""
    return _stored(connection.execute(f"{_SELECT} WHERE id = ?", (file_id,)).fetchone())


def put_file(connection: Connection, file: StoredFile) -> int:
    """Write a file's row and return its id."""
    cells = [path_cell(file.path), *(getattr(file, name) for name in _COLUMNS[1:])]
    if file.id:
        connection.execute(_UPDATE, (*cells, file.id))
        return file.id
    file.id = connection.execute(_INSERT, cells).lastrowid or 0
    return file.id


def mark_gone(connection: Connection, ids: Iterable[int]) -> None:
    """Note that files are there no more; what they said stays."""
    connection.executemany("UPDATE files SET is_present = 0 WHERE id = ?", [(file_id,) for file_id in ids])


def _stored(row: Sequence[Any]) -> StoredFile:
    return StoredFile(cell_path(row[0]), *row[1:])


def read_chunks(connection: Connection, file_id: int, *, with_tail: bool) -> list[bytes]:
    """Return what a file said, in the order of its lines; the line without newline last, if it is wanted."""
    rows = connection.execute("SELECT number, data FROM chunks WHERE file = ? ORDER BY number", (file_id,)).fetchall()
    chunks = [data for number, data in rows if number != _TAIL]
    return chunks + [data for number, data in rows if number == _TAIL and with_tail]


def forget_chunks(connection: Connection, file_id: int) -> None:
    """Forget what a file said: it is read anew."""
    connection.execute("DELETE FROM chunks WHERE file = ?", (file_id,))


def add_chunk(connection: Connection, file_id: int, data: bytes) -> None:
    """Add what the next lines say."""
    connection.execute(
        # not from a SELECT: such a statement begins with a flush of the word index
        "INSERT INTO chunks (file, number, level, data)"
        " VALUES (?1, (SELECT coalesce(max(number), -1) + 1 FROM chunks WHERE file = ?1), 0, ?2)",
        (file_id, data),
    )


def put_tail(connection: Connection, file_id: int, data: bytes | None) -> None:
    """Replace what the last line without newline says; ``None`` if there is none."""
    connection.execute("DELETE FROM chunks WHERE file = ? AND number = ?", (file_id, _TAIL))
    if data is not None:
        connection.execute("INSERT INTO chunks (file, number, level, data) VALUES (?, ?, 0, ?)", (file_id, _TAIL, data))


def chunks_to_merge(connection: Connection, file_id: int) -> list[Chunk]:
    """Return neighbouring chunks of one level that should become one; none if there are too few."""
    newest = connection.execute(
        "SELECT number, level FROM chunks WHERE file = ? AND number >= 0 ORDER BY number DESC LIMIT ?",
        (file_id, MERGED_AT_ONCE),
    ).fetchall()
    if len(newest) < MERGED_AT_ONCE or len({level for _, level in newest}) > 1:
        return []
    rows = connection.execute(
        "SELECT number, level, data FROM chunks WHERE file = ? AND number >= ? ORDER BY number",
        (file_id, newest[-1][0]),
    )
    return [Chunk(*row) for row in rows]


def merge_chunks(connection: Connection, file_id: int, merged: list[Chunk], data: bytes) -> None:
    """Put one chunk in the place of several."""
    first = merged[0]
    connection.execute(
        "DELETE FROM chunks WHERE file = ? AND number BETWEEN ? AND ?", (file_id, first.number, merged[-1].number)
    )
    connection.execute(
        "INSERT INTO chunks (file, number, level, data) VALUES (?, ?, ?, ?)",
        (file_id, first.number, first.level + 1, data),
    )
