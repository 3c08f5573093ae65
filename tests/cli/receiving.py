"""`receive` as a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.commands import environment_of

DEADLINE_S = 30


class Receiving:
    """A running `receive`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        self.process = process
        self.said = ""
        while "Ctrl-C ends it" not in self.said:
            line = process.stderr.readline()
            assert line, self.said
            self.said += line
        found = re.search(r"gRPC at (127\.0\.0\.1:\d+) and over HTTP at (http://127\.0\.0\.1:\d+)", self.said)
        assert found, self.said
        self.grpc, self.http = found.groups()

    def end(self) -> str:
        """Ask it to end; what it said last. The exit code must be 0."""
        self.process.send_signal(signal.SIGTERM)
        last = self.process.communicate(timeout=DEADLINE_S)[1]
        assert self.process.returncode == 0, last
        return last


@contextmanager
def receive(tmp_path: Path, *options: str | Path, **env: str) -> Iterator[Receiving]:
    """Start it on any free ports, with a data folder that nobody else has."""
    ports = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    command = [sys.executable, "-m", "otel_bridge", "receive", *ports, *map(str, options)]
    process = subprocess.Popen(
        command,
        env=environment_of(None, tmp_path) | env,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield Receiving(process)
    finally:
        process.kill()
        process.communicate()
