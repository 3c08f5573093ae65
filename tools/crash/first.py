"""The first look at a history, killed again and again before it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from otel_bridge.store.database import FILE_NAME
from tools.crash.rows import differences, rows_of
from tools.crash.watching import Watch, environment, run_json

KILLS_PER_INDEX = 4
SOONEST_S, LATEST_S = 0.1, 0.6
_SERVICE = "first"


def interrupted_first_looks(home: Path, folder: Path, kill_count: int, rng: Random) -> list[str]:
    """Kill first looks so often; return what indexes finished by ``sync`` have otherwise than one made in one go."""
    whole = _synced(home, folder / "whole")
    delays = [rng.uniform(SOONEST_S, LATEST_S) for _ in range(kill_count)]
    found = []
    for number, some in enumerate(_groups(delays)):
        data = folder / f"killed {number}"
        for delay_s in some:
            watch = Watch(None, environment(home, data, _SERVICE), folder / "watch.log")
            time.sleep(delay_s)
            watch.kill()
        found += [f"first look {number}: {line}" for line in differences(rows_of(_synced(home, data)), rows_of(whole))]
    return found


def _groups(delays: list[float]) -> Iterator[list[float]]:
    for start in range(0, len(delays), KILLS_PER_INDEX):
        yield delays[start : start + KILLS_PER_INDEX]


def _synced(home: Path, data: Path) -> Path:
    run_json("sync", "--json", env=environment(home, data, _SERVICE))
    return data / FILE_NAME
