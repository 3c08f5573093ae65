from __future__ import annotations

import sqlite3
from pathlib import Path

from otel_bridge.pipeline.index.place import IndexPlace
from tests.forking import in_child
from tests.pipeline.index.world import World, memory_index
from tests.transcripts import SID, prompt, response, session_file


def test_a_forked_process_reads_through_a_connection_of_its_own(world: World) -> None:
    """One that lives through a fork is nobody's; the parent goes on with the one it has."""
    session_file(world.root, SID, prompt(), response(at=1))
    world.update()
    place, before = world.place, world.connection

    def ask() -> tuple[bool, int]:
        found = place.connection
        assert place.connection is found
        return found is before, found.execute("SELECT calls FROM sessions").fetchone()[0]

    assert in_child(ask) == "(False, 1)"
    assert in_child(lambda: place.connection.execute("DELETE FROM sessions")).startswith("OperationalError")
    assert place.connection is before
    assert world.one("SELECT calls FROM sessions") == 1


def test_what_lines_said_comes_stretch_by_stretch(world: World) -> None:
    """Without the line that has no newline: it is read again."""
    path = session_file(world.root, SID, prompt(), response("msg_1", at=1))
    world.update()
    with path.open("ab") as stream:
        stream.write(b'{"type":"user"}\n{"half')
    world.update()
    stretches = world.place.stretches(world.one("SELECT id FROM files"))
    assert [list(stretch.drafts) for stretch in stretches] == [["msg_1"], []]


def test_an_index_that_was_removed_or_replaced_is_gone(world: World) -> None:
    """Whoever writes to it writes to nothing."""
    assert not world.place.is_gone
    moved = world.path.with_name("moved")
    world.path.rename(moved)
    assert world.place.is_gone
    world.path.write_bytes(b"")
    assert world.place.is_gone
    moved.replace(world.path)
    assert not world.place.is_gone


def test_an_index_in_memory_is_never_gone(tmp_path: Path) -> None:
    """It lies nowhere."""
    connection: sqlite3.Connection = memory_index()
    assert not IndexPlace(tmp_path / "nowhere", connection).is_gone
    connection.close()
