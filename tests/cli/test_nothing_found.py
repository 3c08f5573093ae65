from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from otel_bridge.store.lock import WriterLock
from tests.cli.invoke import Invoke
from tests.transcripts import SID, prompt, response, session_file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home with one session, and an index beside it."""
    session_file(tmp_path / "home", SID, prompt(), response())
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (["stats"], "give a PATH, or set CLAUDE_CONFIG_DIR, or add --or-samples to see how it looks"),
        (["sync"], "give a PATH, or set CLAUDE_CONFIG_DIR, or add --or-samples to see how it looks"),
        (["sessions"], "set CLAUDE_CONFIG_DIR, or add --or-samples to see how it looks"),
        (["report", "sessions-json", "--all-projects"], "give a PATH, or set CLAUDE_CONFIG_DIR"),
    ],
)
def test_the_advice_is_what_the_command_can_take(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], advice: str
) -> None:
    """Where was looked, and no argument or option that would be refused."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "none"))
    done = invoke(*command)
    assert (done.code, done.out) == (3, "")
    assert done.err == f"error: no transcripts under {tmp_path / 'none' / 'projects'}: {advice}\n"


def test_an_index_emptied_by_pruning_says_so(invoke: Invoke, home: Path) -> None:
    """Nobody looks for transcripts that are there."""
    assert invoke("sync").code == 0
    assert invoke("prune", "--max-size", "1").code == 0
    done = invoke("sessions")
    assert (done.code, done.out) == (3, "")
    assert "all of its sessions were pruned (1); they are in the archive" in done.err
    assert "no transcripts" not in done.err


def test_an_index_that_is_being_written_can_be_waited_for(invoke: Invoke, home: Path) -> None:
    """The sentence has the holder and the option."""
    with WriterLock(home / "data" / "index.sqlite3") as lock:
        assert lock.acquire("`otel-bridge watch` (process 7)")
        done = invoke("sync")
    assert (done.code, done.out) == (5, "")
    assert "is being written by `otel-bridge watch` (process 7)" in done.err
    assert "`otel-bridge sync --wait SECONDS` waits" in done.err


def test_an_index_that_cannot_be_read_names_the_next_command(invoke: Invoke, home: Path) -> None:
    """Where it is and what is wrong, too."""
    invoke("sync")
    with closing(sqlite3.connect(home / "data" / "index.sqlite3")) as connection:
        connection.execute("DROP VIEW claude_sessions")
        connection.execute("ALTER TABLE sessions RENAME TO lost")
    done = invoke("sessions", "--no-sync")
    assert (done.code, done.out) == (5, "")
    assert f"the index {home / 'data' / 'index.sqlite3'} cannot be read: no such table: sessions" in done.err
    assert "`otel-bridge db check` tells more" in done.err
