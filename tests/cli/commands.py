"""Running commands as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def run(
    *arguments: str | Path, home: Path | None = None, data_dir: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own.

    Without ``home`` there are no transcripts of this machine's user, without ``data_dir`` an index of this run alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [sys.executable, "-m", "otel_bridge", *map(str, arguments)],
            env=environment_of(home, data_dir or Path(folder)) | env,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )


def environment_of(home: Path | None, data_dir: Path) -> dict[str, str]:
    """Return an environment that says nothing of this machine's user but where programs are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CLAUDE_CODE_"))}
    nowhere = {"CLAUDE_CONFIG_DIR": str(home or "/nonexistent"), "TZ": "UTC", "NO_COLOR": "1"}
    return kept | nowhere | {"OTEL_BRIDGE_DATA_DIR": str(data_dir)}


def run_json(*arguments: str | Path, **env: str) -> Any:
    """Return what a command prints with ``--json``; it must succeed."""
    done = run(*arguments, "--json", **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
