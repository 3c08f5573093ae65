"""What goes wrong while an index is kept, and is put right by whoever keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.convert import ConvertOptions
from otel_bridge.errors import StoreError
from otel_bridge.pipeline.index.dispatch import Target
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.pipeline.index.ledger import Item
from otel_bridge.pipeline.index.opening import open_or_recover, recover
from otel_bridge.pipeline.index.passes import IndexOptions
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.shipping import ShipOptions
from otel_bridge.sinks import Delivery
from otel_bridge.store.database import open_writer
from otel_bridge.store.salvage import set_aside
from otel_bridge.telemetry import Batch, Signal, Span
from tests.memory_sink import MemorySink
from tests.pipeline.index.world import World, all_rows, rows_of_fresh_index
from tests.transcripts import OTHER, SID, at_ns, prompt, response, session_file

PLACES = {Signal.TRACES: "traces to a test", Signal.METRICS: "metrics to a test"}
PAGE_BYTES = 4096
CALLS = 300
SPANS = 2 * (CALLS + 1)
"""Of both sessions: a turn is one too."""


class TakingSink(MemorySink):
    """Takes everything, and says so in the end."""

    def __init__(self, on_settled: Callable[[Signal, Sequence[Item]], None]) -> None:
        super().__init__()
        self._on_settled = on_settled

    def close(self) -> Delivery:
        for batch in self.batches:
            self._on_settled(batch.signal, batch.items)
        return super().close()


class Kept:
    """A keeper with a target that takes everything, and what was said and sent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: list[str] = []
        self.sinks: list[TakingSink] = []
        self.now_s = world.now
        self.keeper = Keeper(
            world.place,
            lambda: [world.projects],
            options=IndexOptions(),
            find_target=self._target,
            clock=lambda: at_ns(self.now_s),
            notify=self.said.append,
        )

    def rounds(self, count: int = 3) -> Kept:
        """Make some rounds, each after the longest pause."""
        for _ in range(count):
            self.now_s += 30
            self.keeper.round(None)
        return self

    @property
    def connection(self) -> sqlite3.Connection:
        return self.keeper.place.connection

    def batches(self) -> Iterator[Batch]:
        return (batch for sink in self.sinks for batch in sink.batches)

    def spans(self) -> list[str]:
        """Return the ids of all spans sent, in order; doubles show."""
        items = (item for batch in self.batches() for item in batch.items)
        return [item.span_id.hex() for item in items if isinstance(item, Span)]

    def points(self) -> int:
        return sum(len(batch.items) for batch in self.batches() if batch.signal is Signal.METRICS)

    def _target(self) -> Target:
        return Target(PLACES, self._open, ShipOptions(ConvertOptions(), tuple(PLACES)))

    def _open(self, on_settled: Callable[[Signal, Sequence[Item]], None]) -> TakingSink:
        self.sinks.append(TakingSink(on_settled))
        return self.sinks[-1]


@pytest.fixture
def kept(world: World) -> Iterator[Kept]:
    """Return a keeper of two sessions, each of a turn with many calls, of which nothing was read or sent."""
    for session_id in (SID, OTHER):
        calls = [response(f"msg_{session_id}_{number}", at=number + 1, stop=None) for number in range(CALLS - 1)]
        session_file(world.projects, session_id, prompt(), *calls, response(f"msg_{session_id}", at=CALLS))
    made = Kept(world)
    yield made
    made.connection.close()


def fill_disk(connection: sqlite3.Connection) -> None:
    """Let the index not grow any more, as on a full disk."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def make_room(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000")


def assert_equals_files(kept: Kept) -> None:
    assert all_rows(kept.connection) == rows_of_fresh_index(kept.world.projects, kept.now_s)


def test_answers_that_cannot_be_written_down_are_not_forgotten(kept: Kept) -> None:
    """While the disk is full nothing is sent a second time, and with room again it is known what was sent."""
    kept.keeper.look(lambda _, __: None)
    fill_disk(kept.connection)
    kept.rounds(5)
    sent, points = kept.spans(), kept.points()
    assert len(sent) == len(set(sent)) == SPANS
    (complaint,) = kept.said
    assert complaint.startswith(f"cannot write the index {kept.world.path}: database or disk is full;")
    make_room(kept.connection)
    kept.rounds()
    assert kept.said[1:] == ["the index is written again"]
    assert (kept.spans(), kept.points()) == (sent, points)
    assert kept.keeper.dispatcher.pending == 0
    again = Kept(kept.world).rounds()
    assert again.spans() == []


def test_an_index_that_cannot_grow_takes_up_all_when_it_can(kept: Kept) -> None:
    """What came meanwhile waits in the transcripts."""
    kept.rounds(1)
    fill_disk(kept.connection)
    session_file(kept.world.projects, "b" * 8 + SID[8:], *(prompt("word " * 500, at=n) for n in range(200)))
    kept.rounds()
    assert kept.connection.execute("SELECT count(*) FROM sessions").fetchone() == (2,)
    make_room(kept.connection)
    kept.rounds()
    assert_equals_files(kept)
    assert [line.partition(" ")[0] for line in kept.said] == ["cannot", "the"]


def test_an_index_that_was_removed_is_made_anew(kept: Kept) -> None:
    """And so is one in whose place another file stands."""
    kept.rounds()
    kept.world.path.unlink()
    kept.rounds()
    assert_equals_files(kept)
    other = kept.world.path.with_name("other")
    other.write_bytes(b"no index" * PAGE_BYTES)
    other.replace(kept.world.path)
    kept.rounds()
    assert_equals_files(kept)
    with closing(open_writer(kept.world.path)) as stored:
        assert stored.execute("SELECT count(*) FROM sessions").fetchone() == (2,)


def damage(connection: sqlite3.Connection, path: Path) -> None:
    """Spoil every page but the first, and let nobody remember what was in them."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(b"\xff" * (path.stat().st_size - PAGE_BYTES))
    connection.execute("PRAGMA shrink_memory")


def test_a_recovery_that_fails_is_tried_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The damaged index stays where it is until another one can take its place."""
    kept.rounds()
    damage(kept.connection, kept.world.path)
    with monkeypatch.context() as patch:
        patch.setattr("otel_bridge.pipeline.index.opening.salvage", raiser(sqlite3.OperationalError("no room")))
        session_file(kept.world.projects, "b" * 8 + SID[8:], prompt())
        kept.rounds()
    assert kept.world.path.exists()
    assert not list(kept.world.path.parent.glob("*damaged*"))
    kept.rounds()
    assert_equals_files(kept)
    assert len(list(kept.world.path.parent.glob("*damaged*.sqlite3"))) == 1


def recovered(world: World) -> IndexPlace:
    """Make the closed index anew as if it were damaged."""
    return IndexPlace(world.path, recover(world.path, "a test says so", lambda _: None))


def raiser(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def preserved(world: World) -> World:
    """Return a world whose index alone has a session: its transcript is deleted; the target was sent everything."""
    path = session_file(world.projects, SID, prompt("Find the needle"), response())
    session_file(world.projects, OTHER, prompt(), response("msg_2"))
    Kept(world).rounds()
    path.unlink()
    Kept(world).rounds()
    return world


def found(connection: sqlite3.Connection, word: str) -> int:
    query = "SELECT count(*) FROM texts JOIN texts_fts ON texts.id = texts_fts.rowid WHERE texts_fts MATCH ?"
    (count,) = connection.execute(query, (word,)).fetchone()
    return int(count)


def test_what_a_damaged_index_alone_has_is_kept(world: World) -> None:
    """Calls, texts and the ledger of a session without transcript; nothing is sent again."""
    before = all_rows(preserved(world).connection)
    world.connection.close()
    world.place = recovered(world)
    kept = Kept(world).rounds()
    assert all_rows(kept.connection) == before
    assert found(kept.connection, "needle") == 1
    assert kept.spans() == []
    assert kept.points() == 0


@pytest.mark.parametrize("step", ["salvage", "_settle_later", "set_aside"])
def test_an_interrupted_recovery_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whenever it stops, the next start begins anew from what the damaged index has."""
    before = all_rows(preserved(world).connection)
    world.connection.close()
    with monkeypatch.context() as patch:
        patch.setattr(f"otel_bridge.pipeline.index.opening.{step}", raiser(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            recovered(world)
    world.place = recovered(world)
    kept = Kept(world).rounds()
    assert all_rows(kept.connection) == before
    assert kept.spans() == []


def test_a_recovery_interrupted_before_its_last_step_is_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The damaged index has been set aside, and nothing is in its place yet."""
    before = all_rows(preserved(world).connection)
    world.connection.close()

    def aside_and_out(path: Path) -> Path:
        set_aside(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("otel_bridge.pipeline.index.opening.set_aside", aside_and_out)
        with pytest.raises(KeyboardInterrupt):
            recovered(world)
    assert not world.path.exists()
    world.place = IndexPlace(world.path, open_or_recover(world.path, lambda _: None))
    kept = Kept(world).rounds()
    assert all_rows(kept.connection) == before
    assert kept.spans() == []


def test_an_index_that_cannot_be_put_in_place_is_an_error_of_the_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.connection.close()
    monkeypatch.setattr(
        "otel_bridge.pipeline.index.opening.set_aside", raiser(PermissionError(13, "Permission denied"))
    )
    with pytest.raises(StoreError, match=r"cannot make the damaged index .* anew: Permission denied"):
        recovered(world)


def test_a_session_that_grew_while_its_index_was_damaged_is_sent_on(world: World) -> None:
    """Its revision in the new index is none that was sent before."""
    path = session_file(world.projects, SID, prompt(), response())
    assert len(Kept(world).rounds().spans()) == 2
    world.connection.close()
    with path.open("a", encoding="utf-8") as file:
        file.write(session_file(world.root / "aside", SID, prompt("More", at=9), response("msg_2", at=10)).read_text())
    world.place = recovered(world)
    assert len(Kept(world).rounds().spans()) == 2


def test_notes_that_make_no_sense_are_no_reason_to_stop(kept: Kept) -> None:
    """SQLite does not notice what is written over a cell. Points of unknown series go out again, at their times."""
    kept.rounds()
    spans, points = kept.spans(), kept.points()
    kept.connection.execute("UPDATE shipped SET series = x'c1', revision = 0")
    kept.connection.execute("UPDATE files SET account = x'c1', tail_account = x'c1'")
    session_file(kept.world.projects, SID, prompt(), response("msg_new"))
    kept.rounds()
    assert kept.keeper.dispatcher.pending == 0
    assert len(kept.spans()) == len(spans) + 1
    assert kept.points() > points
