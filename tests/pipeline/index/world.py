"""Transcripts that change, an index kept of them, and all that it holds in a form two of them can be compared in."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from otel_bridge.model import Session
from otel_bridge.pipeline.index.passes import IndexOptions, PassReport, index_files
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.reading import decode_account
from otel_bridge.pipeline.index.stored import StoredLibrary, total_account
from otel_bridge.pipeline.sessions import Library
from otel_bridge.pipeline.stats import Stats
from otel_bridge.pipeline.stored_stats import stored_changes, stored_stats
from otel_bridge.sources.transcript.assemble.packing import unpack_all
from otel_bridge.store.database import migrate, open_writer
from otel_bridge.store.files import read_chunks
from otel_bridge.store.schema import SESSION_FACTS, TABLES
from tests.transcripts import (
    FAR_FUTURE_S,
    FORK,
    OTHER,
    SID,
    Line,
    agent_file,
    ask,
    at_ns,
    dump,
    fork_2_1_181,
    pr_link,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)

BRANCH = {"gitBranch": "feat/gears"}

READERS = ("otel_bridge.sources.transcript.growth", "otel_bridge.sources.transcript.reader")
"""Modules that open transcripts."""

_ticks = count(1)


class World:
    """A folder as the client has it, ``root``, and the index of it."""

    def __init__(self, folder: Path, *, in_memory: bool = False, now: float = FAR_FUTURE_S) -> None:
        self.root = folder / "home"
        self.projects = self.root / "projects"
        self.projects.mkdir(parents=True, exist_ok=True)
        self.path = folder / "index.sqlite3"
        self.place = IndexPlace(self.path, memory_index() if in_memory else open_writer(self.path))
        self.now = now
        """Seconds after ``tests.transcripts.T0``."""

    @property
    def connection(self) -> sqlite3.Connection:
        return self.place.connection

    def update(self, changed: Collection[str | Path] | None = None, *, workers: int = 1, **options: Any) -> PassReport:
        """Make one pass; without ``changed`` over everything."""
        return index_files(
            self.place,
            [self.projects],
            now_ns=at_ns(self.now),
            options=IndexOptions(workers, **options),
            changed=None if changed is None else {str(path) for path in changed},
        )

    def library(self) -> StoredLibrary:
        return StoredLibrary(self.connection, now_ns=at_ns(self.now))

    def stats(self) -> Stats:
        """Return what ``stats --changes`` says, days in UTC."""
        stats = stored_stats(self.connection, zone=UTC, account=total_account(self.connection))
        stats.by_change = stored_changes(self.connection)
        return stats

    def one(self, query: str, *values: object) -> Any:
        """Return the one cell a query finds."""
        ((cell,),) = self.connection.execute(query, values).fetchall()
        return cell

    def check(self) -> None:
        """Compare all rows with those of an index that is made of the same files at once."""
        assert_same_rows(all_rows(self.connection), rows_of_fresh_index(self.projects, self.now))

    def reopened(self) -> World:
        """Return the same index as a later process has it."""
        self.connection.close()
        self.place = IndexPlace(self.path, open_writer(self.path))
        return self


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return an empty index, on disk, of an empty folder."""
    made = World(tmp_path)
    yield made
    made.connection.close()


def memory_index() -> sqlite3.Connection:
    """Return an empty index that nobody else can open."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    return connection


def rows_of_fresh_index(projects: Path, now: float) -> dict[str, list[Any]]:
    """Return the rows of an index that is made of a folder at once."""
    with closing(memory_index()) as connection:
        place = IndexPlace(projects, connection)
        index_files(place, [projects], now_ns=at_ns(now), options=IndexOptions())
        return all_rows(connection)


def write_family(world: World) -> list[Path]:
    """Write a session with a sub-agent and a link, a fork of it, and another session on the linked branch."""
    history = [prompt("Go", **BRANCH), ask("msg_1", tool_use(command="ls"), at=1, **BRANCH), tool_result(at=2)]
    return [
        session_file(world.root, SID, queue_operation(at=0), *history, pr_link(7, at=3)),
        agent_file(world.root, SID, "a1", prompt(at=1), response("msg_a", at=2), about={"agentType": "Explore"}),
        session_file(world.root, FORK, *fork_2_1_181(history), queue_operation(at=50), response("msg_f", at=51)),
        session_file(world.root, OTHER, prompt(at=60, **BRANCH), response("msg_o", at=61, **BRANCH)),
    ]


# --- what happens to files -------------------------------------------------------------------------------------------


def append(path: Path, *lines: Line | bytes) -> Path:
    """Add lines (raw bytes as they are) to a file, as its writer does; its time moves on."""
    with path.open("ab") as stream:
        stream.write(b"".join(line if isinstance(line, bytes) else dump(line) for line in lines))
    return touch(path)


def touch(path: Path) -> Path:
    """Give a file a time it never had: the kernel's clock may stand still between two writes of a test."""
    at = at_ns(next(_ticks))
    os.utime(path, ns=(at, at))
    return path


@contextmanager
def unreadable(*paths: Path) -> Iterator[None]:
    """Let some files refuse to be opened, also where tests run as root."""
    refused = {str(path) for path in paths}

    def refusing(path: str, *arguments: Any, **options: Any) -> Any:
        if str(path) in refused:
            raise PermissionError(13, "Permission denied", path)
        return open(path, *arguments, **options)  # noqa: PTH123

    with pytest.MonkeyPatch.context() as patch:
        for module in READERS:
            patch.setattr(f"{module}.open", refusing, raising=False)
        yield


# --- what an index holds ---------------------------------------------------------------------------------------------


def all_rows(connection: sqlite3.Connection) -> dict[str, list[Any]]:
    """Return all rows by table, sorted, without the numbers an index gives to sessions and files.

    Of files the texts are in their place; what was read of them is what all their chunks together say.
    """
    connection.execute("INSERT INTO texts_fts (texts_fts, rank) VALUES ('integrity-check', 1)")
    rows = {table.name: _of_sessions(connection, table.name, table.columns) for table in TABLES}
    rows["sessions"] = _sorted(connection, f"SELECT session_id, {', '.join(SESSION_FACTS)} FROM sessions")
    rows["call_copies"] = _of_sessions(connection, "call_copies", ("key",))
    links = ("project", "branch", "repository", "number", "url", "at_ns")
    rows["branch_links"] = _of_sessions(connection, "branch_links", links)
    rows["unsettled"] = _sorted(connection, "SELECT * FROM unsettled")
    rows["texts"] = _sorted(
        connection,
        "SELECT sessions.session_id, files.path, kind, at_ns, ref, text FROM texts"
        " LEFT JOIN sessions ON sessions.id = texts.session LEFT JOIN files ON files.id = texts.file",
    )
    rows["files"] = [_file(connection, *row) for row in connection.execute(_FILES).fetchall()]
    return rows


_FILES = (
    "SELECT id, path, account, tail_account, session_id, agent_id, size_bytes, offset_bytes, lines, crc, meta,"
    " is_readable, data_version FROM files ORDER BY path"
)


def _file(
    connection: sqlite3.Connection, file_id: int, path: str, account: bytes, tail_account: bytes, *cells: Any
) -> tuple[Any, ...]:
    extract = msgspec.to_builtins(unpack_all(read_chunks(connection, file_id, with_tail=True)))
    accounts = [msgspec.to_builtins(decode_account(data)) for data in (account, tail_account)]
    return path, cells, accounts, extract


def _of_sessions(connection: sqlite3.Connection, table: str, columns: Collection[str]) -> list[Any]:
    cells = ", ".join(f"{table}.{column}" for column in columns)
    return _sorted(
        connection, f"SELECT session_id, {cells} FROM {table} LEFT JOIN sessions ON sessions.id = {table}.session"
    )


def _sorted(connection: sqlite3.Connection, query: str) -> list[Any]:
    return sorted(connection.execute(query).fetchall(), key=repr)


def sessions_of(library: Library) -> dict[str, Session]:
    """Return all sessions of a library by id."""
    return {session.id: session for session in library}


def assert_same_rows(found: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> None:
    """Compare table by table, so that a difference is shown small."""
    assert found.keys() == wanted.keys()
    assert set(found.pop("call_copies")) >= set(wanted.pop("call_copies"))  # too many: looked at in vain
    for table, rows in wanted.items():
        assert found[table] == rows, table
