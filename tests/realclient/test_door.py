"""What passes a door between network namespaces."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.realclient.obtained import obtained
from tools.realclient.door import way_in
from tools.realclient.isolation import isolated

CHECKOUT = Path(__file__).parents[2]
ASK = """
import socket, sys
from contextlib import suppress
from pathlib import Path
from tools.realclient.door import way_out
from tools.realclient.isolation import settle_in

settle_in()
port = int(sys.argv[1])
with way_out(port, Path(sys.argv[2])), socket.create_connection(("127.0.0.1", port)) as asking:
    heard = b""
    with suppress(OSError):  # nobody listens any more
        asking.sendall(b"y" * 1_000_000)
        asking.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        heard = b"".join(iter(lambda: asking.recv(65536), b""))
print(len(heard), set(heard) <= set(b"Y"))
"""


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of a server that says in capitals what it is told, as soon as it has heard all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=shout_back, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def shout_back(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        heard = b"".join(iter(lambda: connection.recv(65_536), b""))
        connection.sendall(heard.upper())


def ask(port: int, path: Path) -> subprocess.CompletedProcess[str]:
    command = obtained(lambda: isolated([sys.executable, "-c", ASK, str(port), str(path)]))
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False)


def test_a_port_is_reached_from_where_nothing_else_is(port: int) -> None:
    """All bytes come through both ways, and the end of what is said."""
    with way_in(port) as path:
        done = ask(port, path)
    assert done.stdout == "1000000 True\n", done.stderr


def test_a_server_that_is_away_is_heard_at_once() -> None:
    """Who asks gets no byte and the end, instead of waiting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with way_in(free) as path:
        done = ask(free, path)
    assert done.stdout == "0 True\n", done.stderr
