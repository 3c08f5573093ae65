"""A running receiver: both listeners in a thread of its own, work in threads beside it (I/O).

receiver = Receiver(config, intake)
receiver.start()                # listens; receiver.grpc_address and receiver.http_address say where
...
receiver.stop(grace_s=10)       # takes nothing new, answers what it has
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine
from threading import Thread
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from otel_bridge.errors import UsageError
from otel_bridge.receiving.auth import Guard
from otel_bridge.receiving.counters import Counters
from otel_bridge.receiving.desk import Desk
from otel_bridge.receiving.front import Front
from otel_bridge.receiving.intake import Intake, OtherIntake
from otel_bridge.receiving.limits import Limits
from otel_bridge.receiving.listening import GRPC, HTTP, take_port
from otel_bridge.receiving.tls import Tls
from otel_bridge.serving.address import Address

if TYPE_CHECKING:
    from otel_bridge.receiving.listeners import GrpcListener, HttpListener


_BEYOND_S = 2.0
"""How long a listener may take to cut off what was not answered in time."""


class ReceiverConfig(Struct, frozen=True):
    """Where to listen, and for whom."""

    grpc: Address | None = None
    http: Address | None = None
    token: str = ""
    """Empty = everybody may send."""
    tls: Tls | None = None
    limits: Limits = Limits()


class Receiver:
    """Listens from ``start`` to ``stop``, once."""

    def __init__(
        self,
        config: ReceiverConfig,
        intake: Intake,
        *,
        others: OtherIntake | None = None,
    ) -> None:
        """``others`` takes signals that are not known here; without it they are answered with 404."""
        self.counters = Counters()
        """What was taken and refused so far."""
        self.grpc_address: Address | None = None
        """With the port that it got; ``None`` where it does not listen."""
        self.http_address: Address | None = None
        self._config = config
        desk = Desk(intake, config.limits, self.counters, time.monotonic, others)
        self._front = Front(desk, Guard(config.token), config.limits)
        self._listeners: list[GrpcListener | HttpListener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            UsageError: a port cannot be had.
        """
        http = take_port(HTTP, self._config.http) if self._config.http else None
        try:
            if self._config.grpc:
                take_port(GRPC, self._config.grpc).close()  # the library only says that it did not work
        except BaseException:
            if http:
                http.close()
            raise
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="otlp-listeners", daemon=True)
        self._thread.start()
        try:
            self._await(self._start(http))
        except RuntimeError as error:  # another program was quicker
            self.stop(0)
            raise UsageError(f"{GRPC} {self._config.grpc}: nothing can listen there ({error})") from None

    def stop(self, grace_s: float) -> None:
        """Take nothing new and answer what is under way, for so many seconds at most. A second call does nothing.

        Waits for the intake, even where that takes longer: nobody hears then what it says.
        """
        if self._loop is None or self._thread is None:
            return
        self._await(self._stop(grace_s))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = None
        self._front.close()

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self, http: socket.socket | None) -> None:
        from otel_bridge.receiving.listeners import GrpcListener, HttpListener  # noqa: PLC0415 - takes 0.3 s

        config = self._config
        if http is not None and config.http is not None:
            self.http_address = structs.replace(config.http, port=http.getsockname()[1])
            self._listeners.append(HttpListener(self._front, http, config.tls))
        if config.grpc is not None:
            listener = GrpcListener(self._front, config.grpc, config.tls)
            self.grpc_address = structs.replace(config.grpc, port=listener.port)
            self._listeners.append(listener)
        for opened in self._listeners:
            await opened.start()

    async def _stop(self, grace_s: float) -> None:
        endings = (asyncio.wait_for(listener.stop(grace_s), grace_s + _BEYOND_S) for listener in self._listeners)
        await asyncio.gather(*endings, return_exceptions=True)
