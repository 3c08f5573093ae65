"""A watch that is killed again and again loses nothing and doubles nothing; `make crash` kills it more often."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stack.conftest import start_stack
from tools.crash.arrivals import note_arrivals
from tools.crash.run import run

pytestmark = pytest.mark.slow

KILLS = 12


def test_what_a_killed_watch_leaves_is_what_an_undisturbed_one_makes(tmp_path: Path) -> None:
    """Its index, all series in Prometheus and all spans in the trace store, while the collector comes and goes."""
    stack = start_stack(tmp_path / "stack")
    arrivals = note_arrivals(stack.servers["collector"], tmp_path)
    with stack:
        outcome = run(stack, tmp_path, kill_count=KILLS, seed=5, arrivals=arrivals)
    assert outcome.differences == []
    assert outcome.lives.kills == KILLS
    assert outcome.lives.ready > 0
    assert outcome.outages > 0
    assert (outcome.verdict.sessions, outcome.verdict.calls) == (60, 690)
