"""Commands whose standard streams are closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import environment_of, run
from tests.transcripts import SID, prompt, response, session_file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One session."""
    session_file(tmp_path / "home", SID, prompt(), response("msg_1", at=1))
    return tmp_path / "home"


def closed(redirections: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with streams redirected as a shell does it; the index lies beside the home."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "otel_bridge", *arguments],
        env=environment_of(home, home.parent / "data"),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("sessions", "--json"),
        ("sessions", "--csv"),
        ("stats",),
        ("search", "build"),
        ("db", "check"),
        ("export", "--to-file", "-"),
        ("prices",),
        ("--help",),
    ],
)
def test_an_output_that_is_closed_cannot_be_written(home: Path, arguments: tuple[str, ...]) -> None:
    """A sentence and an exit code, as on a full disk: a script must not take silence for nothing found."""
    assert closed("", home, "sync").returncode == 0
    done = closed(">&-", home, *arguments)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert "Bad file descriptor" in done.stderr
    assert "Traceback" not in done.stderr
    assert "1 cannot be written" not in done.stderr


def test_what_prints_nothing_needs_no_output(home: Path) -> None:
    """A pass over what is new."""
    assert closed(">&-", home, "sync").returncode == 0


def test_nobody_has_to_listen(home: Path) -> None:
    """What is said of a command is not its result."""
    done = closed("2>&-", home, "stats", "--json")
    assert (done.returncode, '"calls":1' in done.stdout) == (0, True)


def test_nothing_that_is_said_ends_up_in_a_file(home: Path) -> None:
    """With all streams closed the files that are opened do not take their places."""
    transcript = next(home.rglob("*.jsonl"))
    before = transcript.read_bytes()
    assert closed("<&- >&- 2>&-", home, "stats").returncode == 1
    assert transcript.read_bytes() == before
    assert run("db", "check", home=home, data_dir=home.parent / "data").returncode == 0
    holder = (home.parent / "data" / "index.sqlite3.writer").read_text()
    assert holder.startswith("`otel-bridge sync`")
    assert "error" not in holder
