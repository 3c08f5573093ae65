"""What both transports do with a request on the event loop: find room for it, and a worker (I/O)."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from otel_bridge.receiving.answers import Refusal, RefusalError
from otel_bridge.receiving.auth import Guard
from otel_bridge.receiving.budget import Budget, Hold
from otel_bridge.receiving.desk import Arrived, Desk
from otel_bridge.receiving.intake import Taken
from otel_bridge.receiving.limits import Limits
from otel_bridge.receiving.other_signals import OtherWire
from otel_bridge.receiving.signals import Wire


class Front:
    """The desk and the way to it."""

    def __init__(self, desk: Desk, guard: Guard, limits: Limits) -> None:
        self.desk = desk
        self.guard = guard
        self.limits = limits
        self.budget = Budget(limits.held_bytes, limits.held_requests)
        self._workers = ThreadPoolExecutor(limits.workers, thread_name_prefix="otlp-receiver")

    def hold(self) -> Hold:
        """Return the hold of a new request. RefusalError where there are too many."""
        hold = self.budget.hold()
        if hold is None:
            raise self.desk.busy()
        return hold

    async def answer(
        self, wire: Wire | OtherWire, body: bytes, hold: Hold, *, encoding: str = "", is_json: bool = False
    ) -> Taken | Refusal:
        """Have a request worked on; its hold ends with that, even where nobody waits for the answer any more."""
        arrived = Arrived(wire, body, hold, time.monotonic(), encoding, is_json)
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._workers, self._work, arrived))

    def refused(self, error: RefusalError) -> Refusal:
        """Count a refusal that never came to the desk, and return it."""
        self.desk.counters.refused(error.refusal.fault)
        return error.refusal

    def close(self) -> None:
        """Wait until the workers are done."""
        self._workers.shutdown()

    def _work(self, arrived: Arrived) -> Taken | Refusal:
        try:
            return self.desk.answer(arrived)
        finally:
            arrived.hold.release()
