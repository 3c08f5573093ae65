"""Telemetry that comes in parts, each of them sent on before the next: the series end as if all had come at once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from otel_bridge.telemetry import Distribution
from tests.captures import RUNS, unpack_transcripts
from tests.pipeline.index.receiver import Receiver, newest, ship
from tests.pipeline.index.test_natives import records_of, take
from tests.pipeline.index.world import World


def ends(receiver: Receiver) -> dict[str, object]:
    """Return the last value of every series that does not say 0."""

    def is_something(value: object) -> bool:
        return bool(value.count if isinstance(value, Distribution) else value)

    return {series: value for series, value in newest(receiver.points).items() if is_something(value)}


@pytest.mark.parametrize("with_transcripts", [False, True])
@pytest.mark.parametrize("run", RUNS)
def test_parts_in_any_order_end_as_the_whole(run: str, with_transcripts: bool, tmp_path: Path) -> None:
    """Whatever events and spans were taken for one request when the others had not come yet."""
    projects = unpack_transcripts(run, tmp_path) if with_transcripts else None
    wanted = None
    for seed in range(4):
        world, receiver = World(tmp_path / str(seed), in_memory=True), Receiver()
        records = records_of(run)
        random.Random(seed).shuffle(records)
        cuts = sorted(random.Random(seed).sample(range(len(records)), 3)) if seed else []
        for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
            take(world, records[start:end])
            ship(world, receiver)
        if projects is not None:
            world.projects = projects
            world.update()
            ship(world, receiver)
        wanted = wanted or ends(receiver)
        assert ends(receiver) == wanted != {}
