"""A running receiver: both listeners on one event loop in a thread of its own, work in threads beside it (I/O).

receiver = Receiver(config, intake)
receiver.start()                # listens; receiver.grpc_address and receiver.http_address say where
...
receiver.stop(grace_s=10)       # takes nothing new, answers what it has
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any

from msgspec import Struct, structs

from otel_bridge.receiving.auth import Guard
from otel_bridge.receiving.counters import Counters
from otel_bridge.receiving.desk import Desk
from otel_bridge.receiving.front import Front
from otel_bridge.receiving.intake import Intake
from otel_bridge.receiving.limits import Limits
from otel_bridge.receiving.listening import GRPC, HTTP, take_port
from otel_bridge.receiving.tls import Tls
from otel_bridge.serving.address import Address

_POLL_S = 0.01
_NO_LIMIT_S = 3600


class ReceiverConfig(Struct, frozen=True):
    """Where to listen, and for whom."""

    grpc: Address | None = None
    http: Address | None = None
    token: str = ""
    """Empty = everybody may send."""
    tls: Tls | None = None
    limits: Limits = Limits()


class Receiver:
    """Listens until it is stopped."""

    def __init__(self, config: ReceiverConfig, intake: Intake, counters: Counters | None = None) -> None:
        self.counters = counters or Counters()
        """What was taken and refused so far."""
        self.grpc_address: Address | None = None
        """With the port that it got; ``None`` where it does not listen."""
        self.http_address: Address | None = None
        self._config = config
        desk = Desk(intake, config.limits, self.counters, time.monotonic)
        self._front = Front(desk, Guard(config.token), config.limits)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="otlp-listeners", daemon=True)
        self._grpc: Any = None
        self._http: Any = None
        self._http_task: asyncio.Task[None] | None = None

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
        self._thread.start()
        self._call(self._start(http)).result()

    def stop(self, grace_s: float) -> None:
        """Take nothing new and answer what is under way, for so many seconds at most; then cut it off."""
        self._call(self._stop(grace_s)).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._front.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _start(self, http: socket.socket | None) -> None:
        if http is not None and self._config.http is not None:
            self.http_address = structs.replace(self._config.http, port=http.getsockname()[1])
            await self._start_http(http)
        if self._config.grpc is not None:
            await self._start_grpc(self._config.grpc)

    async def _start_grpc(self, address: Address) -> None:
        from otel_bridge.receiving.grpc import open_grpc_server, server_credentials  # noqa: PLC0415 - takes 0.1 s

        _silence("grpc")
        self._grpc = open_grpc_server(self._front)
        if self._config.tls is None:
            port = self._grpc.add_insecure_port(str(address))
        else:
            port = self._grpc.add_secure_port(str(address), server_credentials(self._config.tls))
        await self._grpc.start()
        self.grpc_address = structs.replace(address, port=port)

    async def _start_http(self, listening: socket.socket) -> None:
        import uvicorn  # noqa: PLC0415 - takes 0.2 s

        from otel_bridge.receiving.http import HttpFront, timely_protocol  # noqa: PLC0415

        certificate, key, client_ca = self._config.tls.files if self._config.tls else (None, None, None)
        config = uvicorn.Config(
            HttpFront(self._front),
            http=timely_protocol(self._config.limits.head_within_s),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=self._config.limits.connections,
            timeout_graceful_shutdown=_NO_LIMIT_S,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            ssl_ca_certs=client_ca,
            ssl_cert_reqs=2 if client_ca else 0,
        )
        _silence("uvicorn")
        self._http = uvicorn.Server(config)
        self._http_task = self._loop.create_task(self._http.serve(sockets=[listening]))
        while not self._http.started:
            if self._http_task.done():
                self._http_task.result()
                return
            await asyncio.sleep(_POLL_S)

    async def _stop(self, grace_s: float) -> None:
        endings = []
        if self._grpc is not None:
            endings.append(self._grpc.stop(grace_s))
        if self._http is not None and self._http_task is not None:
            self._http.config.timeout_graceful_shutdown = max(round(grace_s), 1)
            self._http.should_exit = True
            endings.append(self._http_task)
        await asyncio.gather(*endings, return_exceptions=True)


def _silence(library: str) -> None:
    """Keep a library from the terminal, which belongs to the command: clients that leave early are nothing to tell."""
    logger = logging.getLogger(library)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
