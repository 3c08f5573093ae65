"""Files whose names are no text: bytes that another system, or another century, put there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from otel_bridge.pipeline.plain_json import json_text
from otel_bridge.store.cells import cell_path, path_cell
from tests.pipeline.index.world import World, all_rows, append, rows_of_fresh_index, sessions_of
from tests.transcripts import SID, Line, count, library, prompt, response, session_file, write

pytestmark = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system lets no such name be")


def latin(name: str) -> str:
    """Return a name as a system gives it whose bytes are Latin-1."""
    return os.fsdecode(name.encode("latin-1"))


def of(session_id: str, *lines: Line) -> list[Line]:
    return [{**line, "sessionId": session_id} for line in lines]


@pytest.fixture(params=["café/{}.jsonl", "p/café.jsonl", "café/{}/subagents/agent-é.jsonl"])
def path(request: pytest.FixtureRequest, world: World) -> Path:
    """Return a transcript in a folder of such a name, or of one itself."""
    path = world.projects / latin(request.param.format(SID))
    return write(path, *of(SID, prompt(), response(at=1)), b"garbage\n")


def test_it_is_indexed_like_any_other(world: World, path: Path) -> None:
    """Its sessions are those of its files, and others beside it are read too."""
    session_file(world.root, SID[:-1] + "7", prompt(), response("msg_7", at=1))
    world.update()
    assert sessions_of(world.library()) == sessions_of(library(world.projects))
    assert len(sessions_of(world.library())) == 2
    assert world.stats().lines == count(world.projects).lines
    assert world.update().files_read == 0


def test_it_is_read_on_and_kept_like_any_other(world: World, path: Path) -> None:
    """When it grows, when it was the only change, and when it is gone."""
    world.update()
    append(path, *of(SID, response("msg_2", at=5)))
    assert world.update([path]).lines_read == 1
    append(path, *of(SID, response("msg_3", at=9)))
    assert world.update().lines_read == 1
    assert all_rows(world.connection) == rows_of_fresh_index(world.projects, world.now)
    path.unlink()
    world.update()
    assert (world.one("SELECT is_present FROM files"), world.one("SELECT calls FROM sessions")) == (0, 3)


def test_it_can_be_printed_for_scripts(world: World, path: Path) -> None:
    """JSON has an escape for what is no text."""
    world.update()
    (session,) = sessions_of(world.library()).values()
    assert r"\udce9" in json_text(session)
    assert json_text(session).encode()


@pytest.mark.parametrize("name", ["/p/a.jsonl", "/p/é.jsonl", "p/%41.jsonl", latin("/p/é %.jsonl"), "\udc80"])
def test_a_path_comes_back_from_its_cell(name: str) -> None:
    """Text is itself in there, and nothing else is what UTF-8 cannot hold."""
    assert cell_path(path_cell(name)) == name
    assert path_cell(name).encode()
    assert (path_cell(name) == name) is ("\udc80" not in name and "\udce9" not in name)
