"""Files that turn out to be another session's than was thought."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipeline.index.world import World, all_rows, append, rows_of_fresh_index, sessions_of
from tests.transcripts import SID, Line, prompt, response, write

NAME = "notes"
"""Of a main transcript that has no session id in its name."""


def agent_before_its_session(world: World, *lines: Line) -> Path:
    """Index a sub-agent's file whose main transcript is not there yet: its lines name the session."""
    path = world.projects / "p" / NAME / "subagents" / "agent-a1.jsonl"
    write(path, *({**line, "sessionId": SID, "agentId": "a1", "isSidechain": True} for line in lines))
    world.update()
    assert world.one("SELECT session_id FROM sessions") == SID
    return path


def main_file(world: World, *lines: Line) -> Path:
    return write(world.projects / "p" / f"{NAME}.jsonl", *({**line, "sessionId": NAME} for line in lines))


def check(world: World) -> None:
    assert all_rows(world.connection) == rows_of_fresh_index(world.projects, world.now)


def test_a_session_without_files_left_is_none(world: World) -> None:
    """The sub-agent's file goes to the session beside it, and nothing is left of the one it was thought to be."""
    agent_before_its_session(world, prompt(at=1), response("msg_a", at=2))
    main_file(world, prompt(), response("msg_1", at=1))
    world.update()
    assert list(sessions_of(world.library())) == [NAME]
    check(world)
    assert world.update().rows_written == 0


def test_a_session_with_files_left_is_told_from_these(world: World) -> None:
    """Its rows and calls are those of the files it has."""
    write(world.projects / "q" / f"{SID}.jsonl", *({**line, "sessionId": SID} for line in (prompt(), response(at=1))))
    path = world.projects / "p" / NAME / "subagents" / "agent-a1.jsonl"
    write(path, {**response("msg_a", at=2), "sessionId": SID, "agentId": "a1", "isSidechain": True})
    world.update()
    assert world.one("SELECT calls FROM sessions") == 2
    main_file(world, prompt(at=3))
    world.update()
    assert dict(world.connection.execute("SELECT session_id, calls FROM sessions")) == {SID: 1, NAME: 1}
    check(world)


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_session_that_comes_back_is_there_again(world: World, rounds: int) -> None:
    """However often its file changes sides."""
    agent = agent_before_its_session(world, prompt(at=1), response("msg_a", at=2))
    for number in range(rounds):
        main = main_file(world, prompt(), response("msg_1", at=1))
        world.update()
        check(world)
        main.unlink()
        world.update()
        append(agent, json.loads(json.dumps({**prompt(at=20 + number), "sessionId": SID, "agentId": "a1"})))
        world.update()
        assert world.one("SELECT count(*) FROM unsettled") == 0
        assert set(sessions_of(world.library())) >= {NAME}
