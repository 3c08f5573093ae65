"""Clients write while a pass looks and reads; what it takes in must have been there at one time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from otel_bridge.sources.transcript.discover import TranscriptFile
from otel_bridge.sources.transcript.growth import Growth, read_growth
from tests.pipeline.index.world import World, append
from tests.transcripts import SID, agent_file, old_agent_file, prompt, response, session_file


def meanwhile(monkeypatch: pytest.MonkeyPatch, place: str, act: Callable[[], object]) -> None:
    """Let something happen just before a step of the pass."""
    module, _, name = place.rpartition(".")
    step = getattr(__import__(module, fromlist=[name]), name)

    def first_that(*arguments: Any, **options: Any) -> Any:
        act()
        return step(*arguments, **options)

    monkeypatch.setattr(place, first_that)


def sizes(world: World) -> dict[str, int]:
    return dict(world.connection.execute("SELECT path, offset_bytes FROM files"))


def test_a_main_transcript_is_read_as_it_was_when_it_was_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written between looking and reading may be about a sub-agent that was looked at before."""
    path = session_file(world.root, SID, prompt())
    looked_at_bytes = path.stat().st_size
    with monkeypatch.context() as patch:
        meanwhile(patch, "otel_bridge.pipeline.index.passes.make_plan", lambda: append(path, response(at=1)))
        world.update()
    assert sizes(world) == {str(path): looked_at_bytes}
    world.update()
    assert sizes(world) == {str(path): path.stat().st_size}


def test_a_sub_agents_transcript_is_read_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may know more than the main transcript, never less."""
    session_file(world.root, SID, prompt())
    path = agent_file(world.root, SID, "a1", prompt())
    with monkeypatch.context() as patch:
        meanwhile(patch, "otel_bridge.pipeline.index.passes.make_plan", lambda: append(path, response(at=1)))
        world.update()
    assert sizes(world)[str(path)] == path.stat().st_size


@pytest.mark.parametrize("is_known", [False, True])
def test_a_transcript_that_changed_brings_the_sub_agents_beneath_it(world: World, is_known: bool) -> None:
    """The news of theirs may still be on its way, or get lost where their folder is new."""
    main = session_file(world.root, SID, prompt())
    if is_known:
        agent_file(world.root, SID, "a1", prompt())
    world.update()
    agent = agent_file(world.root, SID, "a1", prompt(), response(at=1))
    append(main, response("msg_2", at=2))
    world.update([main])
    assert sizes(world) == {str(path): path.stat().st_size for path in (main, agent)}


def test_a_transcript_that_changed_brings_the_sub_agents_beside_it(world: World) -> None:
    """Clients of 2.0.x put them there."""
    main = session_file(world.root, SID, prompt())
    agent = old_agent_file(world.root, SID, "a1", prompt())
    world.update()
    append(agent, response(at=1, sessionId=SID))
    append(main, response("msg_2", at=2))
    world.update([main])
    assert sizes(world) == {str(path): path.stat().st_size for path in (main, agent)}


def test_an_agent_that_is_said_to_be_done_was_read_after_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its meta file says so when its last line is written."""
    session_file(world.root, SID, prompt())
    path = agent_file(world.root, SID, "a1", prompt())
    meta = path.with_suffix(".meta.json")
    meta.write_text(json.dumps({"agentType": "Explore"}), encoding="utf-8")

    def read_and_finish(file: TranscriptFile, *arguments: Any, **options: Any) -> Growth:
        if file.path == str(path):
            meta.write_text(json.dumps({"agentType": "Explore", "finished": True}), encoding="utf-8")
        return read_growth(file, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("otel_bridge.pipeline.index.reading.read_growth", read_and_finish)
        world.update()
    assert b'"finished":true' not in world.one("SELECT meta FROM files WHERE agent_id = 'a1'")
    world.update()
    assert b'"finished":true' in world.one("SELECT meta FROM files WHERE agent_id = 'a1'")
