"""Passes that end in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.pipeline.index import passes
from otel_bridge.pipeline.index.passes import IndexOptions, index_files
from otel_bridge.pipeline.index.place import IndexPlace
from tests.pipeline.index.world import World, all_rows, append, assert_same_rows, touch, write_family
from tests.transcripts import (
    FORK,
    SID,
    at_ns,
    prompt,
    response,
    session_file,
)


class Interrupted(BaseException):
    """The process is told to end."""


class Fragile(sqlite3.Connection):
    """A connection that breaks off at one of its writes."""

    left: int | None = None
    """How many writes go well from now on; ``None`` for all."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().execute(sql, *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().executemany(sql, *values)

    def _count(self, sql: str) -> None:
        if self.left is not None and sql.startswith(("INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT")):
            if self.left == 0:
                self.left = None
                raise Interrupted
            self.left -= 1


def copy_of(connection: sqlite3.Connection) -> Fragile:
    copy = sqlite3.connect(":memory:", isolation_level=None, factory=Fragile)
    connection.backup(copy)
    return copy


def nothing(world: World, paths: list[Path]) -> None:
    """Let nothing have been read before."""


def everything(world: World, paths: list[Path]) -> None:
    """Let all have been read, then change, move, delete and rewrite some of it."""
    world.update()
    append(paths[0], response("msg_9", at=9), b'{"half')
    paths[1].rename(paths[1].with_name("agent-a2.jsonl"))
    paths[3].unlink()
    session_file(world.root, FORK, prompt("Other"), response("msg_g", at=55))
    touch(paths[2])
    session_file(world.root, f"9{SID[1:]}", prompt(at=90), response("msg_1", at=1))


@pytest.mark.slow
@pytest.mark.parametrize("before", [nothing, everything])
def test_a_pass_that_ends_at_any_write_is_completed_by_the_next(
    tmp_path: Path, before: Callable[[World, list[Path]], None]
) -> None:
    """To the rows of a pass that was left alone; none is lost, none is there twice."""
    world = World(tmp_path, in_memory=True)
    before(world, write_family(world))
    start = world.connection
    world.place = IndexPlace(world.path, copy_of(start))
    world.update()
    wanted = all_rows(world.connection)
    ends = 0
    while True:
        with closing(copy_of(start)) as connection:
            world.place = IndexPlace(world.path, connection)
            connection.left = ends
            try:
                world.update()
            except Interrupted:
                ends += 1
            else:
                break
            assert not connection.in_transaction
            world.update()
            assert_same_rows(all_rows(connection), dict(wanted))
    assert ends > 30


def test_what_a_transaction_wrote_before_an_end_is_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted first run goes on from there."""
    write_family(world)
    monkeypatch.setattr(passes, "_BYTES_AT_ONCE", 1)

    def interrupt(done: int, total: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        index_files(world.place, [world.projects], now_ns=at_ns(world.now), options=IndexOptions(), progress=interrupt)
    assert 1 <= world.one("SELECT count(*) FROM files") < 4
    report = world.reopened().update()
    assert 1 <= report.files_read < 4
    world.check()
