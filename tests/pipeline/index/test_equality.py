"""Whatever happens to transcripts: after every pass the index is the one that would be made of them at once."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.index.happenings import HAPPENINGS, Life
from tests.pipeline.index.looks import Looks
from tests.pipeline.index.world import World

SEEDS = st.integers(0, 2**16)
LOOKS = st.sampled_from(["all", "changed", "later"])
"""A pass over everything, one over what changed, or none yet."""


@pytest.mark.slow
@given(SEEDS, st.lists(st.tuples(st.sampled_from(sorted(HAPPENINGS)), SEEDS, LOOKS), min_size=2, max_size=12))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_the_index_says_what_files_say_whatever_happens_to_them(seed: int, story: list[tuple[str, int, str]]) -> None:
    """Rows, whole sessions and the report, to the last digit; what files said that are gone stays as it was."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(World(Path(folder), in_memory=True))
        looks = Looks(life)
        life.begin(random.Random(seed))
        looks.look(at_all=True)
        for name, chance, look in story:
            HAPPENINGS[name](life, random.Random(chance))
            if look != "later":
                looks.look(at_all=look == "all")
        looks.look(at_all=False)


def test_everything_happens_in_a_long_story(tmp_path: Path) -> None:
    """Else the promise above would be smaller than it looks."""
    life, chance = Life(World(tmp_path, in_memory=True)), random.Random(7)
    looks = Looks(life)
    life.begin(chance)
    did = set()
    for _ in range(6):
        looks.look(at_all=True)
        for name, happen in HAPPENINGS.items():
            before, now = state(life), life.world.now
            happen(life, chance)
            did |= {name} if (state(life), life.world.now) != (before, now) else set()
    assert did == HAPPENINGS.keys()


def state(life: Life) -> dict[Path, tuple[int, bytes]]:
    files = [path for path in life.world.projects.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
