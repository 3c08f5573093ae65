"""The program under test: commands in processes of their own, and a watch to be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

READY = "watching "
READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 60.0
_POLL_S = 0.005


def environment(home: Path, data: Path, service: str) -> dict[str, str]:
    """Return an environment that says where transcripts and index are and nothing else of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    own = {"CLAUDE_CONFIG_DIR": str(home), "OTEL_BRIDGE_DATA_DIR": str(data), "OTEL_SERVICE_NAME": service}
    return kept | own | {"TZ": "UTC", "NO_COLOR": "1"}


def command(*arguments: str | Path) -> list[str]:
    """Return a command line of otel-bridge."""
    return [sys.executable, "-m", "otel_bridge", *map(str, arguments)]


def run(*arguments: str | Path, env: Mapping[str, str]) -> str:
    """Return what a command prints; it must succeed."""
    done = subprocess.run(command(*arguments), env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def run_json(*arguments: str | Path, env: Mapping[str, str]) -> Any:
    """Return what a command prints as JSON; it must succeed."""
    return json.loads(run(*arguments, env=env))


class Watch:
    """One life of `otel-bridge watch`, with an endpoint or without; its messages are written to a log."""

    def __init__(self, endpoint: str | None, env: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._said_before_bytes = log.stat().st_size if log.exists() else 0
        log.parent.mkdir(parents=True, exist_ok=True)
        line = command("watch", *(("--endpoint", endpoint) if endpoint else ()))
        with log.open("ab") as messages:
            self._process = subprocess.Popen(line, env=env, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages)

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Say whether its first look is over."""
        return READY in self.said()

    @property
    def has_ended(self) -> bool:
        """Say whether it ended by itself."""
        return self._process.poll() is not None

    def wait_until_ready(self) -> bool:
        """Wait until it watches; say whether it does. It may have ended, or take very long."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.is_ready:
            if self.has_ended or time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def said(self) -> str:
        """Return what this life wrote."""
        return self._log.read_bytes()[self._said_before_bytes :].decode(errors="replace")

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def end(self) -> int | None:
        """Ask it to end; return its exit code, ``None`` where it had to be killed."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
