"""Work shared out to forked processes (I/O: starts them).

The standard library's pools would do, but the interpreter needs 25 ms to import them, their helper threads cost the
parent 0.3 s of processor time on 500 small results, and from Python 3.14 on their processes import everything again
(measured on two cores, where counting 1 GiB takes a second).
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn, TypeVar

if sys.platform == "linux":
    import fcntl

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_NUMBER_BYTES = 8
_PIPE_BYTES = 1 << 20
_ORDER: Final = "little"


def map_unordered(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], workers: int
) -> Iterator[tuple[ItemT, ResultT]]:
    """Yield each item with its result as they are finished; results must be picklable.

    Call it before other threads are started: a child has the locks they hold, and nobody to open them.

    An item whose process died (it was killed, say, for want of memory) is done again here, and so is one on which
    ``function`` raised: the exception is raised here. Where the system has no ``fork`` all is done here.
    """
    left = set(range(len(items)))
    if hasattr(os, "fork"):
        for index, result in _from_processes(function, items, workers):
            left.discard(index)
            yield items[index], result
    for index in sorted(left):
        yield items[index], function(items[index])


def _from_processes(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], workers: int
) -> Iterator[tuple[int, ResultT]]:
    counter = _SharedCounter()
    process_ids: list[int] = []
    pipes: list[int] = []
    try:
        for _ in range(min(workers, len(items))):
            receiver, sender = _wide_pipe()
            pipes.append(receiver)
            process_id = os.fork()
            if process_id == 0:
                for pipe in pipes:  # who writes to a pipe that nobody reads is told so: no child outlives us for long
                    os.close(pipe)
                _work(function, items, counter, sender)
            process_ids.append(process_id)
            os.close(sender)
        yield from _receive(pipes)
    finally:
        for process_id in process_ids:
            os.kill(process_id, signal.SIGTERM)
        for process_id in process_ids:
            os.waitpid(process_id, 0)
        for pipe in pipes:
            os.close(pipe)
        counter.close()


def _wide_pipe() -> tuple[int, int]:
    """Return a pipe that takes several results: a child goes on while its parent is busy with one."""
    receiver, sender = os.pipe()
    if sys.platform == "linux":
        with suppress(OSError):  # of all pipes together a user may have made only so much wider
            fcntl.fcntl(sender, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return receiver, sender


class _SharedCounter:
    """0, 1, 2 … over all processes: the next number lies in a pipe, and who takes it puts the one after it back."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._put(0)

    def take(self) -> int:
        number = int.from_bytes(os.read(self._reader, _NUMBER_BYTES), _ORDER)
        self._put(number + 1)
        return number

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def _put(self, number: int) -> None:
        os.write(self._writer, number.to_bytes(_NUMBER_BYTES, _ORDER))


def _work(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], counter: _SharedCounter, sender: int
) -> NoReturn:
    """Be a child process: do items until none is left. Whatever fails here, the parent finds out by doing it again."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # how the parent ends us, whatever it does on that signal itself
        gc.disable()  # the work makes millions of short-lived objects and no cycles
        with open(sender, "wb") as pipe:
            while (index := counter.take()) < len(items):
                result = pickle.dumps((index, function(items[index])), pickle.HIGHEST_PROTOCOL)
                pipe.write(len(result).to_bytes(_NUMBER_BYTES, _ORDER))
                pipe.write(result)
                pipe.flush()
    finally:
        os._exit(0)  # the parent's open files and exit handlers are not ours to close and call


def _receive(pipes: list[int]) -> Iterator[tuple[int, Any]]:
    """Yield what the children send until all have gone."""
    waiting = set(pipes)
    while waiting:
        for pipe in select.select(waiting, [], [])[0]:
            size = int.from_bytes(_read(pipe, _NUMBER_BYTES), _ORDER)
            result = _read(pipe, size)
            if size and len(result) == size:
                yield pickle.loads(result)  # noqa: S301 - our own child wrote it
            else:
                waiting.discard(pipe)


def _read(pipe: int, size: int) -> bytes:
    """Return ``size`` bytes, fewer if the child ended before it wrote them."""
    parts = bytearray()
    while len(parts) < size and (part := os.read(pipe, size - len(parts))):
        parts += part
    return bytes(parts)


@contextmanager
def collector_off() -> Iterator[None]:
    """Stop the garbage collector: reading transcripts makes millions of short-lived objects and no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
