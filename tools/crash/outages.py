"""The collector comes and goes while the watch sends to it."""

from __future__ import annotations

from random import Random
from threading import Event, Thread
from types import TracebackType

from tools.stack.servers import Server

MEAN_UP_S, MEAN_AWAY_S, LONGEST_AWAY_S = 4.0, 1.0, 6.0


class Outages:
    """Kills a server at random times and starts it again, until the block ends: then it runs."""

    def __init__(self, server: Server, rng: Random) -> None:
        self.count = 0
        self._server = server
        self._rng = rng
        self._is_over = Event()
        self._thread = Thread(target=self._come_and_go, name="outages", daemon=True)

    def __enter__(self) -> Outages:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _come_and_go(self) -> None:
        while not self._is_over.wait(self._rng.expovariate(1 / MEAN_UP_S)):
            self._server.kill()
            self.count += 1
            self._is_over.wait(min(self._rng.expovariate(1 / MEAN_AWAY_S), LONGEST_AWAY_S))
            self._server.start()
