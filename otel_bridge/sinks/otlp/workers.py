"""Threads that never hold up the end of the process, unlike those of ``concurrent.futures`` (I/O)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Workers(Generic[_In, _Out]):
    """Up to ``size`` daemon threads that do one kind of work, started when there is some."""

    def __init__(self, work: Callable[[_In], _Out], size: int) -> None:
        self._work = work
        self._size = size
        self._threads: list[Thread] = []
        self._jobs: SimpleQueue[tuple[_In, Future[_Out]] | None] = SimpleQueue()

    def submit(self, job: _In) -> Future[_Out]:
        """Have the work done on a job; the future holds the result or the exception."""
        future: Future[_Out] = Future()
        self._jobs.put((job, future))
        if len(self._threads) < self._size:
            self._threads.append(Thread(target=self._run, name="otlp-sender", daemon=True))
            self._threads[-1].start()
        return future

    def close(self) -> None:
        """Let each thread end when its work is done, without waiting for it."""
        for _ in self._threads:
            self._jobs.put(None)
        self._threads.clear()

    def _run(self) -> None:
        while job := self._jobs.get():
            argument, future = job
            try:
                future.set_result(self._work(argument))
            except BaseException as error:  # whoever asks for the result gets it
                future.set_exception(error)
