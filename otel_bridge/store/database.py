"""Opening the index: one SQLite file, its schema brought up to date (I/O)."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from otel_bridge.errors import StoreError
from otel_bridge.store.refusals import refusal

FILE_NAME = "index.sqlite3"

_BUSY_S = 30.0
_LOOK_EVERY_S = 0.02
_WRITER_PRAGMAS = (
    "page_size = 8192",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = OFF",
    "cache_size = -8000",
)

_LATE_INDEXES = {
    "call_copies_by_session": "call_copies (session)",
    "texts_by_file": "texts (file)",
    "tool_calls_by_name": "tool_calls (name)",
    "tool_calls_by_start": "tool_calls (started_ns)",
}
"""Indexes that nobody needs while an empty index is filled: made over all rows at once they cost a tenth."""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the index to write to it, made or migrated if need be; readable by its owner alone.

    Raises:
        StoreError: the file cannot be made or opened, or a newer version of the program made it.
        sqlite3.DatabaseError: the file is damaged.
    """
    _refuse_what_is_no_file(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            # never opened if it is there: to close it again would drop the locks SQLite has on it in this process
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"cannot write the index {path}: {error.strerror}. Name another folder with --data-dir or"
            " OTEL_BRIDGE_DATA_DIR"
        ) from error
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _WRITER_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        if _version(connection) > len(migrations()):
            raise _of_another_version(path, _version(connection))
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the index to read it alone, also where nothing may be written beside it.

    Raises:
        StoreError: there is none, or not of this version.
        sqlite3.DatabaseError: the file is damaged.
    """
    if not path.exists():
        raise StoreError(f"there is no index at {path}; `otel-bridge sync` makes one")
    _refuse_what_is_no_file(path)
    connection = _connect(path, "mode=ro")
    try:
        version = _version(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise StoreError(f"the index {path} cannot be read: {refusal(error)}") from error
        # the folder is read-only, so the write-ahead log cannot be shared
        connection = _connect(path, "mode=ro&immutable=1")
        version = _version(connection)
    if version != len(migrations()):
        connection.close()
        raise _of_another_version(path, version)
    return connection


def is_blank(path: Path) -> bool:
    """Tell whether there is no index, or one that nothing was ever written to: its disk was full, say."""
    if not path.exists():
        return True
    with suppress(sqlite3.Error), closing(_connect(path, "mode=ro")) as connection:
        return _version(connection) == 0
    return False


@contextmanager
def filling(connection: sqlite3.Connection) -> Iterator[None]:
    """Write much into an index that is empty: once to the file and not first to a log, unless somebody is reading it.

    A process may be killed meanwhile, and the next one finds what was committed. Others cannot read until it is done.
    Only a power failure may damage the file, which the next run finds and repairs.
    """
    if not _set_journal(connection, "TRUNCATE"):
        yield
        return
    connection.execute("PRAGMA synchronous = OFF")
    for name in _LATE_INDEXES:
        connection.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        with suppress(sqlite3.DatabaseError):  # a full disk: then they are made when the index is next opened
            _make_late_indexes(connection)
        deadline = time.monotonic() + _BUSY_S
        while not _set_journal(connection, "WAL") and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)  # for whoever has waited to read
        # only now: what was written goes to the disk with the log, and not first for the change of journals
        connection.execute("PRAGMA synchronous = NORMAL")


def _make_late_indexes(connection: sqlite3.Connection) -> None:
    for name, columns in _LATE_INDEXES.items():
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")


def _set_journal(connection: sqlite3.Connection, mode: str) -> bool:
    """Change how the index is written, and say whether nobody stood in the way; SQLite does not wait for that."""
    try:
        return bool(connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode.lower(),))
    except sqlite3.OperationalError:
        return False


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of a block or, where it fails, nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back when the disk is full
            connection.execute("ROLLBACK")
        raise


@cache
def migrations() -> tuple[str, ...]:
    """Return the scripts that make the schema, each a step from one version to the next."""
    folder = files("otel_bridge.store") / "migrations"
    scripts = sorted(folder.iterdir(), key=lambda script: script.name)
    return tuple(script.read_text(encoding="utf-8") for script in scripts)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema of an open index, which may be empty, up to this version."""
    steps = migrations()
    for number in range(_version(connection), len(steps)):
        connection.executescript(f"BEGIN IMMEDIATE; {steps[number]}; PRAGMA user_version = {number + 1}; COMMIT")
    _make_late_indexes(connection)


def _refuse_what_is_no_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise StoreError(
            f"{path} is {what}, and the index is a file of that name: move it away, or name another folder with"
            " --data-dir or OTEL_BRIDGE_DATA_DIR"
        )


def _of_another_version(path: Path, version: int) -> StoreError:
    known = len(migrations())
    if version > known:
        return StoreError(
            f"the index {path} was made by a newer otel-bridge (schema {version}, this one knows {known}). Update"
            " otel-bridge, or name another folder with --data-dir"
        )
    if version == 0:
        return StoreError(f"nothing was written to the index {path} yet; run `otel-bridge sync`")
    return StoreError(f"the index {path} has schema {version}, not {known}; run `otel-bridge sync`")


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?{parameters}"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
