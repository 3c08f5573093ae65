"""Listening: a server that answers in threads of its own (I/O).

server = serve("127.0.0.1:9465", state, points)
...                                  # answers at server.url until
server.close()
"""

from __future__ import annotations

import errno
import socket
import sys
from functools import partial
from socketserver import TCPServer, ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import Any, Self

from otel_bridge.errors import UsageError
from otel_bridge.serving.address import OPTION, Address, parse_address
from otel_bridge.serving.answers import Answers, Points, State
from otel_bridge.serving.handler import Handler

MOST_CONNECTIONS = 32
"""So many at a time; each lasts for seconds at most."""

_POLL_S = 0.2


def serve(address: str, state: State, points: Points | None = None, *, allow_remote: bool = False) -> Server:
    """Start to answer at an address (``HOST:PORT``, port 0 for any that is free) and return at once.

    ``state`` is called by several threads, ``points`` by one at a time. Without ``points`` only the bridge's own
    metrics are shown.

    Raises:
        UsageError: the address is none, cannot be had, or can be reached from elsewhere without ``allow_remote``.
    """
    where = parse_address(address, allow_remote=allow_remote)
    try:
        return Server(_Http(where, Answers(state, points)))
    except OSError as error:
        raise _cannot_listen(where, error) from None


def _cannot_listen(address: Address, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"{OPTION} {address}: port {address.port} is in use. Is another otel-bridge running? "
            f"Stop what listens there, or give another port, {OPTION} {Address(address.host, 0)} for any"
        )
    return UsageError(f"{OPTION} {address}: nothing can listen there ({error.strerror or error}). Give another address")


class Server:
    """A running server; it ends when it is closed, and with the program."""

    def __init__(self, http: _Http) -> None:
        self._http = http
        self._thread = Thread(target=http.serve_forever, args=(_POLL_S,), name="otel-bridge http", daemon=True)
        self._thread.start()
        self.url = f"http://{http.address}"
        """Where it answers, with the port that it got."""

    def close(self) -> None:
        """Stop listening. A second call does nothing."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()


class _Http(ThreadingMixIn, TCPServer):
    """One thread and one request per connection, and only so many connections."""

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would let another program take the port
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: Address, answers: Answers) -> None:
        self._free = BoundedSemaphore(MOST_CONNECTIONS)
        self.address_family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        super().__init__(
            (address.host, address.port), partial(Handler, answers=answers, only_loopback=address.is_loopback)
        )
        self.address = Address(address.host, self.socket.getsockname()[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread; close it at once where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the terminal belongs to the command."""
