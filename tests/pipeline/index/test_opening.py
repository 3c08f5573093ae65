from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from otel_bridge.errors import BusyError, StoreError
from otel_bridge.pipeline.index.opening import (
    is_damage,
    open_or_recover,
    reading,
    repair,
    writing,
    writing_when_possible,
)
from otel_bridge.store.database import FILE_NAME, open_writer
from otel_bridge.store.lock import WriterLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / FILE_NAME


def damage(path: Path) -> None:
    """Make an index and spoil it, so that it is no database any more."""
    open_writer(path).close()
    path.write_bytes(b"\xff" * path.stat().st_size)


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_and_told_who_is_first(path: Path) -> None:
    """Until the first one is done."""
    with writing(path, holder="`otel-bridge watch` (process 7)") as place:
        assert place.path == path
        with pytest.raises(BusyError, match=r"is being written by `otel-bridge watch` \(process 7\)"):  # noqa: SIM117
            with writing(path, holder="another"):
                pass
    with writing(path, holder="another"):
        assert WriterLock(path).holder() == "another"


def test_a_writer_can_wait_for_the_one_before_it(path: Path) -> None:
    """As long as it wants to."""
    first = WriterLock(path)
    assert first.acquire("first")
    threading.Timer(0.15, first.release).start()
    began = time.monotonic()
    with writing(path, holder="second", wait_s=5):
        assert 0.1 < time.monotonic() - began < 2


def test_the_right_is_given_back_whatever_happens(path: Path) -> None:
    """And the connection is closed."""
    with pytest.raises(RuntimeError), writing(path, holder="first") as place:
        raise RuntimeError
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        place.connection.execute("SELECT 1")
    with writing(path, holder="second"):
        pass


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC])
def test_who_keeps_an_index_waits_for_its_disk(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Read-only or full: with a sentence, and as often as it takes."""
    said: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", raiser(OSError(code, os.strerror(code))))
        waits = iter([lambda: None, patched.undo])
        keep = writing_when_possible(path, holder="me", notify=said.append, sleep=lambda _: next(waits)())
        with keep as place:
            assert place.connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    assert len(said) == 2
    assert os.strerror(code) in said[0]


def test_who_may_not_write_an_index_does_not_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would come to change that."""
    monkeypatch.setattr(os, "open", raiser(PermissionError(errno.EACCES, "Permission denied")))
    keep = writing_when_possible(path, holder="me", notify=pytest.fail, sleep=pytest.fail)
    with pytest.raises(StoreError, match="Permission denied"), keep:
        pass


def raiser(error: Exception) -> Callable[..., int]:
    """Return what raises an error, whatever it is called with."""

    def fail(*_: object, **__: object) -> int:
        raise error

    return fail


def test_a_damaged_index_is_kept_aside_and_made_anew(path: Path) -> None:
    """With sentences about it; and the next time nothing is said."""
    damage(path)
    said: list[str] = []
    for _ in range(2):
        with writing(path, holder="me", notify=said.append) as place:
            assert place.connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    assert len(said) == 2
    assert "was damaged (file is not a database): it is kept as index.damaged-1.sqlite3" in said[0]
    assert "what was sent before is sent again, with the same ids" in said[1]
    assert path.with_name("index.damaged-1.sqlite3").exists()


def test_what_is_no_damage_is_an_error_of_the_store(tmp_path: Path) -> None:
    """A folder where the file should be, say; nothing is set aside for it."""
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match="is a folder"):
        open_or_recover(tmp_path / FILE_NAME, lambda _: pytest.fail("is no damage"))


# --- reading ---------------------------------------------------------------------------------------------------------


def test_an_index_can_be_read_while_it_is_written(path: Path) -> None:
    """Many may."""
    with writing(path, holder="me"), reading(path) as one, reading(path) as other:
        for place in (one, other):
            assert place.connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_a_reader_of_a_damaged_index_is_told_what_repairs_it(path: Path) -> None:
    """Readers repair nothing."""
    damage(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"cannot be read: file is not a database; `otel-bridge .*` "):  # noqa: SIM117
        with reading(path):
            pass
    assert path.read_bytes() == before


def test_the_readers_connection_is_closed(path: Path) -> None:
    """However the block ends."""
    open_writer(path).close()
    with pytest.raises(RuntimeError), reading(path) as place:
        raise RuntimeError
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        place.connection.execute("SELECT 1")


# --- damage ----------------------------------------------------------------------------------------------------------


def test_damage_is_told_from_what_passes(path: Path) -> None:
    """A full disk, a lock, a read-only file: the index is as good as it was."""
    open_writer(path).close()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.execute("DELETE FROM sessions")
        assert not is_damage(raised.value)
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.executemany("INSERT INTO unsettled VALUES (?)", [(f"{n:0999}",) for n in range(99)])
        assert not is_damage(raised.value)
    assert not is_damage(sqlite3.OperationalError("no code"))
    path.write_bytes(b"x" * 5000)
    with pytest.raises(sqlite3.DatabaseError) as broken:
        open_writer(path)
    assert is_damage(broken.value)


def test_a_repair_is_left_to_the_process_that_writes(path: Path) -> None:
    """It finds the damage itself."""
    damage(path)
    with WriterLock(path) as lock:
        assert lock.acquire("watch")
        repair(path, "damage", holder="me", notify=lambda _: pytest.fail("is not ours to repair"))
    said: list[str] = []
    repair(path, "found it so", holder="me", notify=said.append)
    assert "(found it so)" in said[0]
    with reading(path) as place:
        assert place.connection.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
