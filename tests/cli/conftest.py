from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.invoke import Invoke


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Invoke:
    """Return a way to run commands in this process."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "CLAUDE_CODE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "/nonexistent")
    monkeypatch.setenv("OTEL_BRIDGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TZ", "UTC")
    return Invoke(monkeypatch, capsys)
