"""Telemetry beside transcripts of which only a part is read yet."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.captures import RUNS, unpack_transcripts
from tests.pipeline.index.receiver import Receiver, newest, ship
from tests.pipeline.index.test_natives import records_of, take
from tests.pipeline.index.world import World

ADDED_UP = ("coding_agent.cost", "gen_ai.client.inference.usage")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("run", RUNS)
def test_series_end_as_if_all_had_been_read_at_once(run: str, seed: int, tmp_path: Path) -> None:
    """A call that no line tells of yet is taken for the client's own: what was written of it as such ends at 0."""
    transcripts, receiver = unpack_transcripts(run, tmp_path), Receiver()
    world = World(tmp_path / "halfway")
    take(world, records_of(run))
    for path, text in pieces(transcripts, random.Random(seed)):
        place = world.projects / path.relative_to(transcripts)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab") as file:
            file.write(text)
        world.update()
        ship(world, receiver)
    assert totals(receiver) == totals(at_once(run, transcripts, tmp_path))


def pieces(transcripts: Path, chance: random.Random) -> Iterator[tuple[Path, bytes]]:
    """Yield the files in two pieces each, cut anywhere, in an order in which they may be read."""
    files = [path for path in sorted(transcripts.rglob("*")) if path.is_file()]
    cuts = {path: chance.randrange(path.stat().st_size + 1) for path in files}
    halves = files * 2
    chance.shuffle(halves)
    begun = set()
    for path in halves:
        text = path.read_bytes()
        yield path, text[cuts[path] :] if path in begun else text[: cuts[path]]
        begun.add(path)


def at_once(run: str, transcripts: Path, folder: Path) -> Receiver:
    """Return what is sent when everything was there before."""
    world, receiver = World(folder / "at-once"), Receiver()
    world.projects = transcripts
    world.update()
    take(world, records_of(run))
    ship(world, receiver)
    return receiver


def totals(receiver: Receiver) -> dict[str, object]:
    """Return the newest value of each series of money and tokens but those that are 0."""
    points = [point for point in receiver.points if point.metric.name.startswith(ADDED_UP)]
    return {series: value for series, value in newest(points).items() if value}
