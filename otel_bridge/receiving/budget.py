"""How much a receiver holds at the moment, and whether more fits (pure)."""

from __future__ import annotations

from threading import Lock


class Budget:
    """Bytes and requests that have no answer yet. Callable from any thread; nobody waits."""

    def __init__(self, most_bytes: int, most_requests: int) -> None:
        self._lock = Lock()
        self._left_bytes = most_bytes
        self._left_requests = most_requests

    @property
    def left_bytes(self) -> int:
        """Return how many more bytes fit."""
        return self._left_bytes

    def hold(self) -> Hold | None:
        """Return the hold of a request that holds nothing yet; ``None`` where there are too many."""
        with self._lock:
            if self._left_requests <= 0:
                return None
            self._left_requests -= 1
        return Hold(self)

    def change(self, of_bytes: int, requests: int = 0) -> bool:
        """Take bytes out, or put negative ones back; False, and nothing happens, where there are too few."""
        with self._lock:
            if of_bytes > self._left_bytes:
                return False
            self._left_bytes -= of_bytes
            self._left_requests += requests
            return True


class Hold:
    """What one request holds, until it is released."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bytes = 0
        self._is_open = True

    def grow(self, by_bytes: int) -> bool:
        """Hold more; False where it does not fit."""
        fits = self._budget.change(by_bytes)
        if fits:
            self._bytes += by_bytes
        return fits

    def release(self) -> None:
        """Give everything back. A second call does nothing."""
        if self._is_open:
            self._is_open = False
            self._budget.change(-self._bytes, requests=1)
