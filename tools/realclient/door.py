"""A door between network namespaces: a port of loopback in one of them leads to the same port in another (I/O).

Sockets in the file system are seen from both: the bytes of each connection go through one of them.

with way_in(port) as path:        # where the server is
    ...                           # with way_out(port, path): where it is to be reached
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK_BYTES = 65_536
_LOOPBACK = "127.0.0.1"


@contextmanager
def way_in(port: int) -> Iterator[Path]:
    """Yield a socket of the file system behind which is a port of this side."""
    with tempfile.TemporaryDirectory() as folder:  # of a short name: a socket's has 107 bytes at most
        path = Path(folder) / "door"
        with _leading(_listening(path), lambda: socket.create_connection((_LOOPBACK, port))):
            yield path


@contextmanager
def way_out(port: int, path: Path) -> Iterator[None]:
    """Lead who connects to a port of this side to a socket of the file system.

    Raises:
        OSError: the port is taken.
    """
    with _leading(socket.create_server((_LOOPBACK, port)), lambda: _connected(path)):
        yield


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


@contextmanager
def _leading(listener: socket.socket, connect: Callable[[], socket.socket]) -> Iterator[None]:
    accepting = threading.Thread(target=_accept, args=(listener, connect))
    accepting.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who accepts
        accepting.join()
        listener.close()


def _accept(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:  # shut down
            return
        try:
            far = connect()
        except OSError:  # nobody is there: who knocks is told by the end of the connection
            near.close()
            continue
        threading.Thread(target=_join, args=(near, far), daemon=True).start()


def _join(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until both sides have ended."""
    with near, far:
        back = threading.Thread(target=_carry, args=(far, near), daemon=True)
        back.start()
        _carry(near, far)
        back.join()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
