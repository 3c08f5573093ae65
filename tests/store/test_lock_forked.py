from __future__ import annotations

import os
from pathlib import Path

from otel_bridge.store.lock import WriterLock


def test_a_process_that_outlives_the_writer_it_was_forked_from_does_not_hold_the_right(tmp_path: Path) -> None:
    """A worker may be in the middle of its work when the writer is killed."""
    index = tmp_path / "index.sqlite3"
    told, may_end = os.pipe(), os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(may_end[1])
        with WriterLock(index) as lock:
            lock.acquire("the writer")
            if os.fork() == 0:
                os.write(told[1], b"!")
                os.read(may_end[0], 1)
            os._exit(0)
    os.waitpid(writer, 0)
    assert os.read(told[0], 1) == b"!"
    with WriterLock(index) as lock:
        is_free = lock.acquire("the next one")
    for pipe in (*told, *may_end):
        os.close(pipe)
    assert is_free


def test_a_forked_process_leaves_the_right_to_its_parent(tmp_path: Path) -> None:
    """That it does not hold it does not mean that it gives it back."""
    index = tmp_path / "index.sqlite3"
    with WriterLock(index) as lock, WriterLock(index) as other:
        assert lock.acquire("the parent")
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert not other.acquire("somebody else")
