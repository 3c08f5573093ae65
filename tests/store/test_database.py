from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.errors import StoreError
from otel_bridge.store import database
from otel_bridge.store.database import FILE_NAME, filling, migrations, open_reader, open_writer, transaction
from tests.forking import in_child


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where an index lies, in a folder that is not there yet."""
    return tmp_path / "data" / FILE_NAME


def sessions_of(connection: sqlite3.Connection) -> list[str]:
    return [session_id for (session_id,) in connection.execute("SELECT session_id FROM unsettled ORDER BY 1")]


def note(connection: sqlite3.Connection, *session_ids: str) -> None:
    connection.executemany("INSERT INTO unsettled VALUES (?)", [(session_id,) for session_id in session_ids])


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


# --- opening ---------------------------------------------------------------------------------------------------------


def test_a_new_index_is_its_owners_alone(path: Path) -> None:
    """It has prompts in it: folder and file are closed to others, whatever the process allows otherwise."""
    before = os.umask(0)
    try:
        open_writer(path).close()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (path.parent, path)] == [0o700, 0o600]


def test_what_one_process_wrote_another_finds(path: Path) -> None:
    """To write on, and to read."""
    with closing(open_writer(path)) as connection:
        note(connection, "a")
    with closing(open_writer(path)) as connection:
        note(connection, "b")
    with closing(open_reader(path)) as connection:
        assert sessions_of(connection) == ["a", "b"]


def test_a_reader_cannot_write(path: Path) -> None:
    """Whatever a report does, the index stays as it is."""
    open_writer(path).close()
    with closing(open_reader(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        note(connection, "a")


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    """A question mark and a per cent sign mean something in the addresses of SQLite."""
    path = tmp_path / "100% ?mode=rw#ünder" / FILE_NAME
    open_writer(path).close()
    with closing(open_reader(path)) as connection:
        assert sessions_of(connection) == []


def test_an_index_that_is_not_there_is_not_made_by_reading(path: Path) -> None:
    """The sentence says what makes one."""
    with pytest.raises(StoreError, match=r"no index at .*`otel-bridge sync` makes one"):
        open_reader(path)
    assert not path.parent.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the reason, and with how to name another one."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write the index .*file/x/index.*Not a directory.*--data-dir"):
        open_writer(tmp_path / "file" / "x" / FILE_NAME)


def test_a_file_that_is_no_index_is_damage(path: Path) -> None:
    """Which is another error than one of the user's: it can be repaired."""
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        open_writer(path)
    assert raised.value.sqlite_errorcode == sqlite3.SQLITE_NOTADB
    with pytest.raises(sqlite3.DatabaseError):
        open_reader(path)


# --- reading beside a writer -----------------------------------------------------------------------------------------


def test_a_reader_reads_what_was_committed_while_a_writer_writes(path: Path) -> None:
    """It neither waits nor sees halves."""
    with closing(open_writer(path)) as writer, closing(open_reader(path)) as reader:
        note(writer, "a")
        with transaction(writer):
            note(writer, "b")
            assert sessions_of(reader) == ["a"]
        assert sessions_of(reader) == ["a", "b"]


def test_an_index_on_read_only_media_can_be_read() -> None:
    """Where no file can be made beside it, it is taken for one that nobody changes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        with closing(open_writer(path)) as connection:
            note(connection, "a", "b")
        path.chmod(0o444)
        path.parent.chmod(0o555)
        assert in_a_process_that_may_only_read(lambda: sessions_of(open_reader(path))) == "['a', 'b']"


def in_a_process_that_may_only_read(function: Callable[[], object]) -> str:
    """Return what a function returns, in words; root may write everywhere, so it is somebody else who calls it."""
    return in_child(function, user_id=65534 if os.geteuid() == 0 else None)


# --- transactions ----------------------------------------------------------------------------------------------------


def test_a_transaction_that_fails_leaves_nothing(path: Path) -> None:
    """And the next one works."""
    with closing(open_writer(path)) as connection:
        with suppress(KeyboardInterrupt), transaction(connection):
            note(connection, "a")
            raise KeyboardInterrupt
        with transaction(connection):
            note(connection, "b")
        assert sessions_of(connection) == ["b"]


class Uncommitting(sqlite3.Connection):
    """A connection that cannot commit."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)


def test_a_transaction_that_cannot_be_committed_leaves_nothing(path: Path) -> None:
    """A long-running process begins the next one on the same connection."""
    open_writer(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, factory=Uncommitting)) as connection:
        for session_id in ("a", "b"):
            with pytest.raises(sqlite3.OperationalError, match="disk I/O"), transaction(connection):
                note(connection, session_id)
            assert not connection.in_transaction
        assert sessions_of(connection) == []


def test_a_full_disk_ends_a_transaction_and_is_told_as_it_is(path: Path) -> None:
    """SQLite has rolled back by then; a second roll-back must not hide the reason."""
    with closing(open_writer(path)) as connection:
        note(connection, "a")
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0] + 2}")
        with pytest.raises(sqlite3.OperationalError) as raised, transaction(connection):
            note(connection, *(f"{number:01000}" for number in range(100)))
        assert raised.value.sqlite_errorcode == sqlite3.SQLITE_FULL
        assert sessions_of(connection) == ["a"]


def test_a_first_filling_goes_to_the_file_itself_and_later_writing_to_the_log(path: Path) -> None:
    """What lies in the log would be written twice."""
    log = path.with_name(f"{FILE_NAME}-wal")
    with closing(open_writer(path)) as connection:
        with filling(connection), transaction(connection):
            note(connection, "a")
        assert not log.exists() or log.stat().st_size == 0
        note(connection, "b")
        assert log.stat().st_size > 0
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
        assert sessions_of(connection) == ["a", "b"]


def test_indexes_are_made_when_a_first_filling_is_over_or_was_stopped(path: Path, tmp_path: Path) -> None:
    """By who filled it, else by who opens it next: a killed process makes none."""
    with closing(open_writer(tmp_path / "new" / FILE_NAME)) as connection:
        wanted = schema_of(connection)
    with closing(open_writer(path)) as connection:
        with suppress(KeyboardInterrupt), filling(connection):
            assert schema_of(connection) != wanted
            raise KeyboardInterrupt
        assert schema_of(connection) == wanted
        connection.execute("DROP INDEX tool_calls_by_name")
    with closing(open_writer(path)) as connection:
        assert schema_of(connection) == wanted


def test_a_reader_does_not_stop_a_first_filling(path: Path) -> None:
    """A report may be open on an index that is still empty: it is filled through the log then."""
    with closing(open_writer(path)) as connection, closing(open_reader(path)) as reader:
        assert sessions_of(reader) == []
        with filling(connection), transaction(connection):
            note(connection, "a")
        assert sessions_of(reader) == ["a"]


def test_a_reader_that_came_during_a_first_filling_does_not_stop_the_log(path: Path) -> None:
    """Writing goes back to the log when the reader is done."""
    is_reading = threading.Event()

    def read_for_a_moment() -> None:
        with closing(open_reader(path)) as reader:
            reader.execute("BEGIN")
            assert sessions_of(reader) == ["a"]
            is_reading.set()
            time.sleep(0.1)

    with closing(open_writer(path)) as connection:
        with filling(connection):
            note(connection, "a")
            thread = threading.Thread(target=read_for_a_moment)
            thread.start()
            assert is_reading.wait(5)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        thread.join()


# --- migrations ------------------------------------------------------------------------------------------------------


def at_version(path: Path, version: int) -> sqlite3.Connection:
    """Make an index as the first steps alone make it."""
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    for step in migrations()[:version]:
        connection.executescript(step)
    connection.execute(f"PRAGMA user_version = {version}")
    return connection


def test_every_step_works_on_an_empty_index_of_the_step_before(path: Path, tmp_path: Path) -> None:
    """And ends with the schema that all steps together make."""
    with closing(open_writer(tmp_path / "new" / FILE_NAME)) as connection:
        wanted = schema_of(connection)
    for version in range(len(migrations()) + 1):
        path.unlink(missing_ok=True)
        at_version(path, version).close()
        with closing(open_writer(path)) as connection:
            assert schema_of(connection) == wanted
            assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)


@pytest.mark.parametrize("version", range(1, len(migrations())))
def test_every_step_keeps_the_rows_of_the_step_before(path: Path, version: int) -> None:
    """One row in each table that step has, any value in any column."""
    with closing(at_version(path, version)) as connection:
        rows = {table: fill(connection, table) for table in tables_of(connection)}
    assert rows
    with closing(open_writer(path)) as connection:
        for table, row in rows.items():
            assert connection.execute(f"SELECT {', '.join(row)} FROM {table}").fetchall() == [tuple(row.values())]


def tables_of(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%fts%'"
    return [name for (name,) in connection.execute(query)]


def fill(connection: sqlite3.Connection, table: str) -> dict[str, object]:
    values: dict[str, object] = {"INTEGER": 1, "TEXT": "x", "BLOB": b"y"}
    columns = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
    row = {name: values[kind] for name, kind in columns}
    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    return row


def test_a_step_that_fails_leaves_the_index_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version of the program may do it."""
    open_writer(path).close()
    steps = [*migrations(), "CREATE TABLE extra (x); CREATE TABLE extra (x)"]
    monkeypatch.setattr(database, "migrations", lambda: steps)
    with pytest.raises(sqlite3.OperationalError):
        open_writer(path)
    monkeypatch.undo()
    with closing(open_writer(path)) as connection:
        assert "extra" not in tables_of(connection)


def test_an_index_of_a_newer_program_is_left_alone(path: Path) -> None:
    """Writing and reading are refused with a sentence that says what to do."""
    newer = len(migrations()) + 1
    with closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(StoreError, match=rf"made by a newer otel-bridge \(schema {newer}, .*Update otel-bridge"):
        open_writer(path)
    with pytest.raises(StoreError, match=rf"made by a newer otel-bridge \(schema {newer}, .*Update otel-bridge"):
        open_reader(path)


def test_an_index_of_an_older_program_is_brought_up_to_date_by_writing(path: Path) -> None:
    """Who may only read is told so."""
    at_version(path, 1).close()
    with pytest.raises(StoreError, match="run `otel-bridge sync`"):
        open_reader(path)
    open_writer(path).close()
    open_reader(path).close()
