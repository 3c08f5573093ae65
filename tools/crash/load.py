"""The clients: a thread that writes to transcripts, a little further with each life of the watch."""

from __future__ import annotations

from pathlib import Path
from random import Random
from threading import Condition, Thread
from time import sleep

from tools.crash.plan import Append

NO_PAUSE_SHARE = 0.5
MEAN_PAUSE_S = 0.1


class Load:
    """Writes planned appends with random pauses, never further than it is let."""

    def __init__(self, appends: list[Append], folder: Path, rng: Random) -> None:
        self._appends = appends
        self._folder = folder
        self._rng = rng
        self._allowed = 0
        self.written = 0
        """Appends so far."""
        self._turn = Condition()
        self._thread = Thread(target=self._write_all, name="load", daemon=True)
        self._thread.start()

    def allow(self, share: float) -> None:
        """Let it go on to a share of all appends."""
        with self._turn:
            self._allowed = round(len(self._appends) * share)
            self._turn.notify()

    def finish(self) -> None:
        """Let it write the rest; return when all is written."""
        self.allow(1)
        self._thread.join()

    def _write_all(self) -> None:
        for number, append in enumerate(self._appends):
            with self._turn:
                while number >= self._allowed:
                    self._turn.wait()
            write(append, self._folder)
            self.written += 1
            if self._rng.random() >= NO_PAUSE_SHARE:
                sleep(self._rng.expovariate(1 / MEAN_PAUSE_S))


def write(append: Append, folder: Path) -> None:
    """Write to the end of a file, one that is not there yet too; or put a whole one in its place."""
    path = folder / append.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if append.is_whole:
        new = path.with_suffix(".tmp")
        new.write_bytes(append.data)
        new.replace(path)
        return
    with path.open("ab", buffering=0) as file:
        file.write(append.data)
