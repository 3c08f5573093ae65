"""The programs of the stack, or why a test cannot have them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools.stack.programs import ProgramMissingError, program

TEMPO = os.environ.get("OTEL_BRIDGE_TEMPO") or None
"""A Tempo binary; with it the tests of traces run against Tempo instead of Jaeger."""


def built(name: str) -> Path:
    """Return the path of a program; without it the test fails in CI and is skipped elsewhere."""
    try:
        return program(name)
    except ProgramMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


def run(name: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing in its environment and return what it printed, both outputs joined in ``stdout``."""
    return subprocess.run(
        [str(built(name)), *arguments],
        cwd=cwd,
        env={"HOME": "/nonexistent"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
