"""Turns that are not over, on their way to a target."""

from __future__ import annotations

from pathlib import Path

from otel_bridge.convert import ConvertOptions
from tests.pipeline.index.receiver import (
    Receiver,
    by_id,
    exported,
    ids,
    ship,
)
from tests.pipeline.index.world import World, append
from tests.transcripts import (
    SID,
    ask,
    prompt,
    response,
    session_file,
    tool_result,
    tool_use,
)


def open_session(world: World) -> Path:
    """Write a turn that waits for its tool, eleven seconds old."""
    path = session_file(world.root, SID, prompt(at=0), ask("msg_1", tool_use("toolu_1"), at=10))
    world.now = 11
    world.update()
    return path


def names(receiver: Receiver) -> list[str]:
    return [span.name.split()[0] for span in receiver.spans]


def test_spans_of_an_open_turn_are_held_back_until_it_is_over(world: World) -> None:
    """Its numbers are in the metrics already; then they come, once."""
    path, receiver = open_session(world), Receiver()
    summary = ship(world, receiver)
    assert (receiver.spans, summary.open_turns) == ([], 1)
    assert receiver.points
    ship(world, receiver)
    append(path, tool_result("toolu_1", at=20), response("msg_2", at=21))
    world.now = 22
    world.update([path])
    ship(world, receiver)
    assert sorted(names(receiver)) == ["chat", "chat", "execute_tool", "invoke_agent"]
    assert by_id(receiver.spans) == by_id(exported(world).spans)


def test_an_open_turn_is_sent_after_an_idle_time_and_what_follows_without_its_root(world: World) -> None:
    """A person may not answer for hours; nothing is sent twice for it."""
    path, receiver = open_session(world), Receiver()
    ship(world, receiver, idle_s=300)
    assert receiver.spans == []
    world.now = 10 + 300
    ship(world, receiver, idle_s=300)
    assert names(receiver) == ["invoke_agent", "chat"]
    for later in (310, 320):
        world.now = later
        ship(world, receiver, idle_s=300)
    assert len(receiver.spans) == 2
    append(path, tool_result("toolu_1", at=400), response("msg_2", at=401))
    world.now = 402
    world.update([path])
    ship(world, receiver, idle_s=300)
    assert sorted(names(receiver)) == ["chat", "chat", "execute_tool", "invoke_agent"]
    assert ids(receiver.spans) == ids(exported(world).spans)
    assert len({span.trace_id for span in receiver.spans}) == 1


def test_a_turn_that_time_ends_is_sent_without_a_new_line(world: World) -> None:
    """Half an hour after its last one."""
    open_session(world)
    receiver = Receiver()
    ship(world, receiver)
    world.now = 11 + 1800
    world.update()
    ship(world, receiver)
    assert ids(receiver.spans) == ids(exported(world).spans)


def test_open_turns_are_sent_on_request(world: World) -> None:
    """``--include-open`` asks for a preview."""
    open_session(world)
    receiver = Receiver()
    ship(world, receiver, convert=ConvertOptions(include_open=True))
    assert names(receiver) == ["invoke_agent", "chat"]
