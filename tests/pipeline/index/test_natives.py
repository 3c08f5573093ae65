"""Transcripts and the client's own telemetry in one index, in whatever order they come."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from otel_bridge.pipeline.index import settling
from otel_bridge.pipeline.index.natives import take_records
from otel_bridge.pipeline.index.opening import recover
from otel_bridge.pipeline.index.passes import IndexOptions, index_files
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.pruning import Choice, choose, prune
from otel_bridge.serving.received import Fate
from otel_bridge.sources.native.records import NativeRecord, NativeSpan
from otel_bridge.store.cells import from_pusd
from otel_bridge.telemetry import Signal
from tests.captures import RUNS, unpack_transcripts
from tests.native import native_records
from tests.pipeline.index.world import World, all_rows, assert_same_rows
from tests.transcripts import at_ns

JOINED = [run for run in RUNS if run.startswith(("2.1.181/", "2.1.329/"))]
"""Runs whose telemetry names requests and tool calls."""

WITH_TOTALS = [run for run in JOINED if run.startswith("2.1.329/")]
"""Runs whose client writes what it thinks a session cost."""

PRICED_AS_ASKED = {"2.1.329/turns": {Decimal("0.050636"), Decimal("0.025318")}}
"""What the client counts too much where another model answered than it asked (``tests/test_captures.py``)."""


def records_of(run: str) -> list[NativeRecord]:
    return [record for records in native_records(run).values() for record in records]


def transcripts_come(run: str, world: World) -> None:
    """All worlds of a test read the same files."""
    world.projects = unpack_transcripts(run, world.root.parents[1])
    world.update()


def take(world: World, records: Sequence[NativeRecord]) -> None:
    take_records(world.place, records)
    world.update()


@pytest.fixture(params=JOINED)
def run(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def joined(run: str, tmp_path: Path) -> World:
    """Return an index that was given the transcripts first and then all telemetry at once."""
    world = World(tmp_path / "joined")
    transcripts_come(run, world)
    take(world, records_of(run))
    return world


def test_telemetry_may_come_first(run: str, joined: World, tmp_path: Path) -> None:
    """And the transcripts days later, from a volume."""
    other = World(tmp_path / "other")
    take(other, records_of(run))
    transcripts_come(run, other)
    assert_same_rows(all_rows(other.connection), all_rows(joined.connection))


def test_telemetry_may_come_in_pieces_and_again(run: str, joined: World, tmp_path: Path) -> None:
    """In any order, some of it twice, with the transcripts in between."""
    other, records = World(tmp_path / "other"), records_of(run)
    random.Random(7).shuffle(records)
    pieces = [records[at::3] for at in range(3)]
    take(other, pieces[0])
    transcripts_come(run, other)
    for piece in (pieces[1], pieces[0], pieces[2], pieces[1]):
        take(other, piece)
    assert_same_rows(all_rows(other.connection), all_rows(joined.connection))


def test_what_was_taken_once_is_no_work_again(run: str, joined: World) -> None:
    """A client sends again what it got no answer for."""
    before = joined.connection.total_changes
    records = records_of(run)
    spans = sum(isinstance(record, NativeSpan) for record in records)
    known = {(Signal.TRACES, Fate.DUPLICATE): spans, (Signal.LOGS, Fate.DUPLICATE): len(records) - spans}
    assert +take_records(joined.place, records) == +Counter(known)
    assert joined.update().rows_written == 0
    assert joined.connection.total_changes == before


@pytest.mark.parametrize("run", WITH_TOTALS, indirect=True)
def test_nothing_is_left_unrecorded(run: str, joined: World) -> None:
    """Recorded by transcript and recorded by telemetry alone are what the client says it cost."""
    rows = joined.connection.execute(
        "SELECT cost_pusd, client_cost_pusd, unrecorded_cost_pusd FROM sessions WHERE client_cost_pusd IS NOT NULL"
    ).fetchall()
    assert rows
    for cost_pusd, client_pusd, unrecorded_pusd in rows:
        assert from_pusd(cost_pusd) + from_pusd(unrecorded_pusd) == from_pusd(client_pusd)
        assert from_pusd(unrecorded_pusd) in {Decimal(0), *PRICED_AS_ASKED.get(run, ())}


@pytest.mark.parametrize("run", RUNS)
def test_telemetry_alone_makes_sessions(run: str, tmp_path: Path) -> None:
    """Each with all calls that telemetry names, and nothing of them is lost when another pass finds no file."""
    world, native = World(tmp_path), native_records(run)
    take(world, records_of(run))
    world.update()
    told = {session.id: len(list(session.calls())) for session in world.library()}
    assert set(told) == set(native)
    assert sum(told.values()) == world.one("SELECT count(*) FROM model_calls") > 0


def test_telemetry_outlives_a_damaged_index(run: str, joined: World) -> None:
    """It was sent once: what is made anew has all of it."""
    wanted = all_rows(joined.connection)
    joined.connection.close()
    connection = recover(joined.path, "damage", lambda _: None)
    again = World(joined.root.parent)
    again.projects, again.place = joined.projects, IndexPlace(joined.path, connection)
    again.update()
    assert_same_rows(all_rows(again.connection), wanted)


def test_telemetry_goes_with_its_session(run: str, joined: World, tmp_path: Path) -> None:
    """Who prunes gets rid of all of it, and what is received again does not bring a part of it back."""
    sessions = choose(joined.place, Choice(before_ns=2**62))
    prune(joined.place, sessions, tmp_path / "archive.jsonl.gz", now_ns=at_ns(joined.now))
    assert joined.one("SELECT count(*) FROM native_records") == 0
    fates = take_records(joined.place, records_of(run))
    assert {fate for (_, fate), count in fates.items() if count} == {Fate.OUTDATED}
    joined.update()
    assert joined.one("SELECT count(*) FROM sessions") == 0


def test_telemetry_stored_while_rows_are_made_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is of sessions whose rows were just made or of those to come."""
    monkeypatch.setattr(settling, "_AT_ONCE", 1)
    sessions = native_records("2.1.329/turns")
    assert len(sessions) > 2
    world, early, late = World(tmp_path), [], []
    for records in sessions.values():
        early += records[: len(records) // 2]
        late += records[len(records) // 2 :]
    take_records(world.place, early)
    pieces = [late]
    index_files(
        world.place,
        [],
        now_ns=at_ns(world.now),
        options=IndexOptions(),
        changed=(),
        between=lambda: pieces and take_records(world.place, pieces.pop()),
    )
    assert not pieces
    assert world.one("SELECT count(*) FROM unsettled") == 1
    world.update()
    at_once = World(tmp_path / "at_once")
    take(at_once, early + late)
    assert_same_rows(all_rows(world.connection), all_rows(at_once.connection))
