"""A session that grows while history loads: what Prometheus answers is right after every export."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.stack.exports import Reader, export, money, stats
from tools.history import TEAMS, TIME, Copy, last_time, write_copy, write_history
from tools.stack.stack import Stack

pytestmark = pytest.mark.slow

RUN = "2.1.329/basic"
COST = "coding_agent_cost_USD_total"
LISTED = {"coding_agent_call_source": '!="unrecorded"'}
STEPS = 14

Line = tuple[Path, str]


def recorded_lines(folder: Path, number: int) -> list[Line]:
    """Return the lines of a recording that ends now, with the file each belongs to, in the files' order."""
    copy = Copy(number, RUN, datetime.now(UTC) - last_time(RUN), "acme/widgets", 7, "feat/live")
    write_copy(copy, folder)
    paths = sorted(folder.rglob("*.jsonl"), key=lambda path: ("subagents" in path.parts, path))
    return [(path, line) for path in paths for line in path.read_text(encoding="utf-8").splitlines(keepends=True)]


def by_time(lines: list[Line]) -> list[Line]:
    """Return the lines as the client writes them: all files at once; what has no time follows what it stands behind."""
    last = ""
    dated = []
    for path, line in lines:
        times = TIME.findall(line)
        last = times[-1] if times else last
        dated.append((last, path, line))
    return [(path, line) for _, path, line in sorted(dated, key=lambda entry: entry[0])]


def by_file(lines: list[Line]) -> list[Line]:
    """Return the lines as a slow disk may bring them: the main conversation first, then what sub-agents did before."""
    return lines


def growing(lines: list[Line], original: Path, target: Path) -> Iterator[int]:
    """Write the lines in some steps; yield after each."""
    for step in range(1, STEPS + 1):
        for path, line in lines[len(lines) * (step - 1) // STEPS : len(lines) * step // STEPS]:
            place = target / path.relative_to(original)
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("a", encoding="utf-8") as file:
                file.write(line)
        yield step


def copy_meta(original: Path, target: Path) -> None:
    for path in original.rglob("*.meta.json"):
        place = target / path.relative_to(original)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())


@pytest.mark.parametrize(("number", "order"), [(1, by_time), (2, by_file)])
def test_totals_are_right_at_every_step(
    stack: Stack, tmp_path: Path, number: int, order: Callable[[list[Line]], list[Line]]
) -> None:
    service = f"live {number}"
    write_history(tmp_path / "old", until=datetime.now(UTC) - timedelta(days=1), copies=12)
    lines = order(recorded_lines(tmp_path / "original", number))
    live = tmp_path / "live"
    copy_meta(tmp_path / "original", live)
    reader = Reader(stack, service, time.time() + 600)
    loaded, calls = Decimal(0), 0
    with ThreadPoolExecutor() as threads:
        teams = iter(TEAMS)
        for _ in growing(lines, tmp_path / "original", live):
            team = next(teams, None)
            old = threads.submit(export, stack, tmp_path / "old" / team, service=service) if team else None
            new = export(stack, live, service=service)
            assert (new["exit_code"], new["delivery"]["counts"]["metrics"]["rejected"]) == (0, 0), new["stderr"]
            if team and old:
                assert old.result()["exit_code"] == 0
                totals = stats(tmp_path / "old" / team)["totals"]
                loaded, calls = loaded + Decimal(totals["cost_usd"]), calls + totals["calls"]
            told = stats(live)["totals"]
            cost_usd = loaded + Decimal(told["cost_usd"])
            assert money(reader.total(reader.last(COST, **LISTED))) == cost_usd
            assert money(reader.total(reader.last("coding_agent_change_cost_USD"))) == cost_usd
            counted = reader.count("gen_ai_client_inference_duration_seconds")
            assert counted == {"": str(calls + told["calls"])}
    assert Decimal(told["cost_usd"]) > Decimal("0.5")
