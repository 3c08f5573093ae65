"""What holds for every test: none reads or writes the index of who runs it, or of another test."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.fixture(autouse=True)
def _own_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("OTEL_BRIDGE_DATA_DIR", str(tmp_path_factory.getbasetemp() / f"data-{uuid4()}"))
