"""Commands that keep running, where folders come later."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from otel_bridge.store.database import FILE_NAME, open_reader
from otel_bridge.store.kinship import stored_ids
from tests.cli.commands import environment_of
from tests.transcripts import OTHER, SID, prompt, response, session_file
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

WITHIN_S = 10
"""Far less than the 30 s after which everything is looked at anyway."""


@contextmanager
def watching(data: Path, *homes: Path) -> Iterator[None]:
    """Run ``watch`` on some homes, there or not."""
    env = environment_of(None, data) | {"CLAUDE_CONFIG_DIR": ",".join(map(str, homes))}
    command = [sys.executable, "-m", "otel_bridge", "watch"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stderr is not None
        try:
            assert any("watching" in line for line in process.stderr)
            time.sleep(1)  # it has looked for folders and waits
            yield
        finally:
            process.terminate()
    assert process.returncode == 0


def indexed(data: Path) -> list[str]:
    with closing(open_reader(data / FILE_NAME)) as connection:
        return stored_ids(connection)


def test_the_first_session_of_a_machine_is_noticed(tmp_path: Path) -> None:
    """It makes the folder that ``watch`` waits for."""
    with watching(tmp_path / "data", tmp_path / "home"):
        session_file(tmp_path / "home", SID, prompt(), response())
        assert eventually(lambda: indexed(tmp_path / "data"), bool, WITHIN_S) == [SID]


def test_a_second_folder_is_noticed(tmp_path: Path) -> None:
    """One folder is watched already when the other one comes."""
    session_file(tmp_path / "one", SID, prompt(), response())
    with watching(tmp_path / "data", tmp_path / "one", tmp_path / "other"):
        session_file(tmp_path / "other", OTHER, prompt(), response())
        found = eventually(lambda: set(indexed(tmp_path / "data")), lambda ids: len(ids) > 1, WITHIN_S)
        assert found == {SID, OTHER}
