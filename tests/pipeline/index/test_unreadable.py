"""Stored extracts that cannot be unpacked: damaged ones, and those of another version."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from tests.pipeline.index.world import World, all_rows, append, rows_of_fresh_index, sessions_of
from tests.transcripts import OTHER, SID, agent_file, prompt, response, session_file

Damage = Callable[[bytes], bytes]


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def foreign(data: bytes) -> bytes:
    return b"\xff" + data[1:]


def other_words(data: bytes) -> bytes:
    return data[:1] + zlib.compress(b"\xc1")


DAMAGES = pytest.mark.parametrize("damage", [flipped, foreign, other_words])


def spoil(world: World, damage: Damage, session_id: str = SID) -> None:
    """Damage what is stored of the main file of a session."""
    ((number, data),) = world.connection.execute(
        "SELECT chunks.rowid, data FROM chunks JOIN files ON files.id = chunks.file"
        " WHERE session_id = ? AND agent_id IS NULL",
        (session_id,),
    ).fetchall()
    world.connection.execute("UPDATE chunks SET data = ? WHERE rowid = ?", (damage(data), number))


@DAMAGES
def test_a_file_that_grows_is_read_anew(world: World, damage: Damage) -> None:
    """All of it, and afterwards the index is the one that would be made of the files at once."""
    path = session_file(world.root, SID, prompt(), response(at=1))
    agent_file(world.root, SID, "a1", prompt(at=2), response("msg_a", at=3))
    world.update()
    spoil(world, damage)
    append(path, prompt("More", at=5), response("msg_2", at=6))
    report = world.update()
    assert (report.files_read, report.lines_read) == (1, 4)
    assert all_rows(world.connection) == rows_of_fresh_index(world.projects, world.now)


@DAMAGES
def test_another_file_of_the_session_that_grows_is_read_on(world: World, damage: Damage) -> None:
    """The rows stay as they were till the session can be told again."""
    session_file(world.root, SID, prompt(), response(at=1))
    agent = agent_file(world.root, SID, "a1", prompt(at=2), response("msg_a", at=3))
    world.update()
    spoil(world, damage)
    append(agent, response("msg_b", at=5))
    assert (world.update().lines_read, world.one("SELECT count(*) FROM model_calls")) == (1, 2)


@DAMAGES
def test_a_library_passes_over_what_it_cannot_tell(world: World, damage: Damage) -> None:
    """It gives all others and says which it left out; who asks for that one is told."""
    session_file(world.root, SID, prompt(), response(at=1))
    session_file(world.root, OTHER, prompt(), response("msg_2", at=1))
    world.update()
    spoil(world, damage)
    library = world.library()
    assert (list(sessions_of(library)), library.passed_over) == ([OTHER], {SID})
    with pytest.raises(ForeignFormatError):
        library[SID]


def test_what_a_part_of_a_library_passes_over_the_whole_knows(world: World) -> None:
    """Who opened the whole one tells of it."""
    session_file(world.root, SID, prompt(), response(at=1))
    world.update()
    spoil(world, foreign)
    library: StoredLibrary = world.library()
    assert list(library.of_projects(lambda _: True)) == []
    assert library.passed_over == {SID}
