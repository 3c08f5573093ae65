"""Running commands as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(*arguments: str | Path, home: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own; without ``home`` there are no transcripts of this machine's user."""
    nowhere = {"CLAUDE_CONFIG_DIR": str(home or "/nonexistent"), "TZ": "UTC", "NO_COLOR": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-m", "otel_bridge", *map(str, arguments)]
    return subprocess.run(
        command, env=kept | nowhere | env, capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def run_json(*arguments: str | Path, **env: str) -> Any:
    """Return what a command prints with ``--json``; it must succeed."""
    done = run(*arguments, "--json", **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
