"""Run one program of the stack on loopback, from a configuration with its addresses replaced, and end it by process id.

server = Server("prometheus", [str(program("prometheus")), ...], folder=..., ready_url="http://127.0.0.1:…/-/ready")
server.start()          # returns when it answers
server.kill()           # as a crash would; start() again keeps ports and data
server.stop()
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 40.0
POLL_S = 0.05
LAST_LINES = 20
PORTS = range(15_000, 30_000)
"""Below what Linux gives to outgoing connections: nobody takes the port of a server between two starts."""

_taken: set[int] = set()
_random = random.SystemRandom()  # not the seeded one: two workers would choose the same ports


class ServerError(Exception):
    """A server ended or did not answer in time; the sentence has the end of its log."""


def free_port() -> int:
    """Return a loopback port that nothing listens on and that this process has not been given before."""
    while True:
        port = _random.choice(PORTS)
        if port in _taken:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _taken.add(port)
            return port


def with_addresses(text: str, addresses: Mapping[str, str]) -> str:
    """Return a configuration with its addresses replaced; raise ``ValueError`` for one that it does not have."""
    for old, new in addresses.items():
        if old not in text:
            raise ValueError(f"the configuration has no address {old}")
        text = text.replace(old, new)
    return text


@dataclass
class Server:
    """A program that listens until it is stopped."""

    name: str
    command: list[str]
    folder: Path
    """Its working folder; the log is ``NAME.log`` there."""
    ready_url: str
    """Answers 200 as soon as the server does its work."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """All it gets of one, beside a PATH."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Return the file of its output."""
        return self.folder / f"{self.name}.log"

    @property
    def is_running(self) -> bool:
        """Say whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self, ready_within_s: float = READY_WITHIN_S) -> None:
        """Start it and return when it is ready; raise ``ServerError`` where it ends or takes too long."""
        assert not self.is_running
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), **self.environment}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, cwd=self.folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + ready_within_s
        while not _answers(self.ready_url):
            if not self.is_running:
                raise ServerError(f"{self.name} ended at once:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"{self.name} was not ready within {ready_within_s} s:\n{self.last_lines()}")
            time.sleep(POLL_S)

    def kill(self) -> None:
        """End it as a crash would: at once, nothing written."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, within_s: float = STOPPED_WITHIN_S) -> None:
        """Ask it to end, wait, and kill it where it takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        """Stop and start it on the same ports and data."""
        self.stop()
        self.start()

    def last_lines(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LAST_LINES:])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
