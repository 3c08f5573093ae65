from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otel_bridge.errors import StoreError
from otel_bridge.store.lock import WriterLock

_HOLD = """
import sys
from pathlib import Path
from otel_bridge.store.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
print(lock.acquire(sys.argv[2]), flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(index: Path, holder: str) -> Iterator[subprocess.Popen[str]]:
    """Let another process have the right."""
    command = [sys.executable, "-c", _HOLD, str(index), holder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Return where an index would lie; there need be none."""
    return tmp_path / "data" / "index.sqlite3"


def test_one_process_at_a_time_has_the_right(index: Path) -> None:
    """Another one is refused, is told who has it, and gets it when that one ends."""
    with WriterLock(index) as lock:
        with held_elsewhere(index, "`otel-bridge watch` (process 7)") as other:
            assert not lock.acquire("me")
            assert lock.holder() == "`otel-bridge watch` (process 7)"
            other.communicate("")
        assert lock.acquire("me")
        assert lock.holder() == "me"


def test_the_right_ends_with_its_process_however_that_ends(index: Path) -> None:
    """A killed writer leaves nothing to clear away."""
    with WriterLock(index) as lock:
        with held_elsewhere(index, "a killed one") as other:
            assert not lock.acquire("me")
            other.send_signal(signal.SIGKILL)
            other.wait()
        assert lock.acquire("me")


def test_the_right_is_given_back(index: Path) -> None:
    """At the end of a block, on request, and a second time without harm."""
    with WriterLock(index) as first:
        assert first.acquire("first")
        with WriterLock(index) as second:
            assert not second.acquire("second")
            first.release()
            first.release()
            assert second.acquire("second")
    with WriterLock(index) as third:
        assert third.acquire("third")


def test_two_indexes_have_two_rights(index: Path) -> None:
    """Samples have an index of their own, in the same folder."""
    with WriterLock(index) as one, WriterLock(index.with_name("samples.sqlite3")) as other:
        assert one.acquire("one")
        assert other.acquire("other")


def test_the_file_is_its_owners_and_says_who_has_the_right(index: Path) -> None:
    """A shorter name leaves nothing of a longer one."""
    path = index.with_name("index.sqlite3.writer")
    for holder in ("somebody with a long name", "Ada"):
        with WriterLock(index) as lock:
            assert lock.acquire(holder)
        assert path.read_text() == holder
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_holder_that_nobody_named_is_another_process(index: Path, content: str | None) -> None:
    """It may have been stopped before it wrote its name."""
    index.parent.mkdir()
    if content is not None:
        index.with_name("index.sqlite3.writer").write_text(content)
    assert WriterLock(index).holder() == "another process"


def test_a_full_disk_does_not_refuse_the_right(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has it may be the one that makes room; only the name is missing."""

    class Full:
        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor

        def fileno(self) -> int:
            return self._descriptor

        def truncate(self, size: int) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            os.close(self._descriptor)

    monkeypatch.setattr("os.fdopen", lambda descriptor, *_, **__: Full(descriptor))
    with WriterLock(index) as lock:
        assert lock.acquire("me")
        assert lock.holder() == "another process"


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    """With the reason, and with how to name another one."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*file/x/index.*: Not a directory.*--data-dir"):
        WriterLock(tmp_path / "file" / "x" / "index.sqlite3").acquire("me")
