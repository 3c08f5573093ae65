"""However sessions grow: in the end a target has of them what an export sends, each item once."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.telemetry import Distribution
from tests.pipeline.index.happenings import HAPPENINGS, Life
from tests.pipeline.index.receiver import (
    LOST,
    TAKEN,
    Receiver,
    by_id,
    exported,
    ids,
    newest,
    ship,
)
from tests.pipeline.index.world import World
from tests.transcripts import (
    FAR_FUTURE_S,
)

GROWING = ("begin", "fork", "grow", "grow_half", "start_agent", "wait")
"""What clients do: nothing that was written changes, and nothing is found long after it was written."""
SEEDS = st.integers(0, 2**16)
STEPS = st.tuples(st.sampled_from(GROWING), SEEDS, st.sampled_from(["ship", "lose a part", "index", "nothing"]))


@pytest.mark.slow
@given(SEEDS, st.lists(STEPS, min_size=2, max_size=12))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_however_sessions_grow_a_target_has_each_item_once_in_the_end(
    seed: int, story: list[tuple[str, int, str]]
) -> None:
    """And what an export of everything sends, though it was away now and then."""
    with tempfile.TemporaryDirectory() as folder:
        world, receiver = World(Path(folder), in_memory=True), Receiver()
        life = Life(world)
        life.client = seed % 6
        life.begin(random.Random(seed))
        for name, chance, then in story:
            HAPPENINGS[name](life, random.Random(chance))
            if then != "nothing":
                world.update()
            if then in ("ship", "lose a part"):
                losing = random.Random(chance)
                receiver.fate = lambda _, losing=losing, then=then: (
                    LOST if then == "lose a part" and losing.random() < 0.5 else TAKEN
                )
                ship(world, receiver)
        receiver.fate, world.now = lambda _: TAKEN, FAR_FUTURE_S
        world.update()
        ship(world, receiver)
        wanted = exported(world)
        assert max(ids(receiver.spans).values(), default=1) == 1
        assert max(ids(receiver.events).values(), default=1) == 1
        assert by_id(receiver.spans).keys() == by_id(wanted.spans).keys()
        assert by_id(receiver.events).keys() == by_id(wanted.events).keys()
        assert counted(receiver) == counted(wanted)


def counted(receiver: Receiver) -> dict[str, object]:
    """Return what a store says in the end, without the series that never counted anything."""
    values = newest(receiver.points).items()
    return {series: value for series, value in values if (value.count if isinstance(value, Distribution) else value)}
