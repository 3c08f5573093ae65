"""Work shared out to processes (I/O: starts them).

``multiprocessing.Pool`` would do, but its helper threads cost the parent 0.3 s of processor time on 500 small results
(measured on two cores, where that is a quarter of the whole run); a shared counter and one pipe each cost 0.05 s.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def map_unordered(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], workers: int
) -> Iterator[tuple[ItemT, ResultT]]:
    """Yield each item with its result as they are finished.

    ``function`` must be picklable where processes are not forked, its results always. An item whose process died (it
    was killed, say, for want of memory) is done again here; an exception of ``function`` is raised here.
    """
    left = set(range(len(items)))
    for index, result in _from_processes(function, items, workers):
        left.discard(index)
        yield items[index], result
    for index in sorted(left):
        yield items[index], function(items[index])


def _from_processes(
    function: Callable[[ItemT], ResultT], items: Sequence[ItemT], workers: int
) -> Iterator[tuple[int, ResultT]]:
    context = multiprocessing.get_context()
    taken = context.Value("q", 0)
    processes: list[BaseProcess] = []
    pipes: list[Connection] = []
    try:
        for _ in range(min(workers, len(items))):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(function, items, taken, sender), daemon=True)
            process.start()
            sender.close()
            processes.append(process)
            pipes.append(receiver)
        yield from _receive(pipes)
    finally:
        for started in processes:
            started.terminate()
        for started in processes:
            started.join()


def _receive(pipes: list[Connection]) -> Iterator[tuple[int, Any]]:
    while pipes:
        for pipe in wait(pipes):
            assert isinstance(pipe, Connection)
            try:
                yield pipe.recv()
            except EOFError:
                pipe.close()
                pipes.remove(pipe)


def _work(function: Callable[[ItemT], ResultT], items: Sequence[ItemT], taken: Any, sender: Connection) -> None:
    gc.disable()  # the work makes millions of short-lived objects and no cycles
    with suppress(BrokenPipeError, KeyboardInterrupt):  # the parent has gone or stops us
        while True:
            with taken.get_lock():
                index = taken.value
                taken.value += 1
            if index >= len(items):
                return
            sender.send((index, function(items[index])))
