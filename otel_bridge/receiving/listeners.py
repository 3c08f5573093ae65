"""Both listeners on one event loop: what uvicorn and grpc are asked to do (I/O). The libraries are loaded here."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl

import uvicorn
from grpc import aio

from otel_bridge.receiving.front import Front
from otel_bridge.receiving.grpc import open_grpc_server, server_credentials
from otel_bridge.receiving.http import HttpFront, timely_protocol
from otel_bridge.receiving.tls import Tls
from otel_bridge.serving.address import Address

_POLL_S = 0.01
_AS_LONG_AS_IT_TAKES_S = 3600


class HttpListener:
    """OTLP over HTTP on a socket that listens already."""

    def __init__(self, front: Front, listening: socket.socket, tls: Tls | None) -> None:
        _silence("uvicorn")
        certificate, key, client_ca = tls.files if tls else (None, None, None)
        self._socket = listening
        self._server = uvicorn.Server(
            uvicorn.Config(
                HttpFront(front),
                http=timely_protocol(front.limits.head_within_s),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=front.limits.idle_s,
                limit_concurrency=front.limits.connections,
                timeout_graceful_shutdown=_AS_LONG_AS_IT_TAKES_S,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                ssl_ca_certs=client_ca,
                ssl_cert_reqs=ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Answer from now on."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not (self._server.started or self._task.done()):
            await asyncio.sleep(_POLL_S)
        if self._task.done():
            self._task.result()

    async def stop(self, grace_s: float) -> None:
        """Take nothing new; answer what is under way, and cut it off when the time is over."""
        self._server.config.timeout_graceful_shutdown = max(round(grace_s), 1)
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class GrpcListener:
    """OTLP over gRPC."""

    def __init__(self, front: Front, address: Address, tls: Tls | None) -> None:
        """Take the port, which must be free. Must be called on the event loop."""
        _silence("grpc")
        self._server: aio.Server = open_grpc_server(front)
        if tls is None:
            self.port: int = self._server.add_insecure_port(str(address))
        else:
            self.port = self._server.add_secure_port(str(address), server_credentials(tls))

    async def start(self) -> None:
        """Answer from now on."""
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take nothing new; answer what is under way, and cut it off when the time is over."""
        await self._server.stop(grace_s)


def _silence(library: str) -> None:
    """Keep a library from the terminal, which belongs to the command: clients that leave early are nothing to tell."""
    logger = logging.getLogger(library)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
