"""What a client can reach from where it runs."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

from tests.realclient.obtained import obtained
from tools.realclient.isolation import isolated

CHECKOUT = Path(__file__).parents[2]
REACH = """
import json, socket
from tools.realclient.isolation import settle_in

def reach(host):
    with socket.socket() as client:
        return client.connect_ex((host, server.getsockname()[1]))

settle_in()
server = socket.create_server(("127.0.0.1", 0))
print(json.dumps([reach("127.0.0.1"), reach("192.0.2.1")]))
"""


def test_nothing_but_loopback_can_be_reached() -> None:
    """There is no way to any address outside."""
    command = obtained(lambda: isolated([sys.executable, "-c", REACH]))
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0, errno.ENETUNREACH]


def test_nobody_settles_in_where_the_network_is() -> None:
    """Only a new namespace has a loopback that is down: elsewhere nothing is changed or hidden."""
    twice = "from tools.realclient.isolation import settle_in; settle_in(); settle_in()"
    command = obtained(lambda: isolated([sys.executable, "-c", twice]))
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "ClientError: the client would run outside of a network namespace" in done.stderr
