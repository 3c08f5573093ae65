"""The harness that kills watches: what it writes, and that it sees what it is there to see."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tests.stack.watched import Watched
from tools.crash.arrival import left_to_do
from tools.crash.arrivals import spans_in
from tools.crash.load import write
from tools.crash.plan import Append, plan_appends
from tools.crash.rows import difference, differences, rows_of

UNTIL = datetime(2026, 11, 21, 12, tzinfo=UTC)


def planned(folder: Path, seed: int = 1) -> list[Append]:
    return plan_appends(folder, 6, UNTIL, Random(seed))


def test_the_writes_make_the_files_they_were_cut_from(tmp_path: Path) -> None:
    """Half lines and agents' meta files that change are among them, and several files grow at a time."""
    appends = planned(tmp_path / "originals")
    for append in appends:
        write(append, tmp_path / "written")
    originals = {
        str(path.relative_to(copy)): path.read_bytes()
        for copy in (tmp_path / "originals").iterdir()
        for path in copy.rglob("*")
        if path.is_file()
    }
    written = {
        str(path.relative_to(tmp_path / "written")): path.read_bytes()
        for path in (tmp_path / "written").rglob("*")
        if path.is_file()
    }
    assert written == originals
    assert sum(not append.data.endswith(b"\n") for append in appends) > 100
    assert sum(append.is_whole for append in appends) > 10
    changes = sum(before.path != after.path for before, after in pairwise(appends))
    assert changes > 3 * len(written)


def test_a_seed_decides_about_every_write(tmp_path: Path) -> None:
    assert planned(tmp_path / "a") == planned(tmp_path / "b")
    assert planned(tmp_path / "a2", 2) != planned(tmp_path / "b2", 3)


def test_what_is_lost_and_what_is_too_much_is_told() -> None:
    """So is what is there twice."""
    assert difference("spans", ["a", "b"], ["a", "b"]) == []
    assert difference("spans", ["a", "x"], ["a", "b"]) == ["spans: 1 lost, 1 too many, 2 of 2; lacks b; has x"]
    assert difference("spans", ["a", "a"], ["a"]) == ["spans: 0 lost, 0 too many, 2 of 1; "]


@pytest.mark.slow
def test_what_is_left_to_do_is_told(tmp_path: Path) -> None:
    """Before anything is read, while nothing is sent, and not any more."""
    watched = Watched(tmp_path)
    watched.grow(1, 2)
    projects = watched.home / "projects"
    with watched.server:
        assert left_to_do(watched.index, projects)[0].startswith("the index cannot be read: there is no index")
        assert watched.sync().returncode == 0
        assert left_to_do(watched.index, projects) == []
        before = rows_of(watched.index)
        watched.grow(2)
        assert left_to_do(watched.index, projects) == ["1 files are not read to their end"]
        assert watched.sync().returncode == 0
    assert left_to_do(watched.index, projects) == []
    assert [line.split(":")[0] for line in differences(before, rows_of(watched.index))] == [
        "rows of turns",
        "rows of model_calls",
        "rows of changes",
        "rows of sessions",
        "rows of files",
        "rows of call_copies",
        "rows of texts",
    ]


def test_a_line_that_a_kill_cut_off_hides_no_other(tmp_path: Path) -> None:
    line = (
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"t","spanId":"s","name":"chat","attributes":'
        '[{"key":"gen_ai.usage.output_tokens","value":{"intValue":"7"}}]}]}]}]}'
    )
    file = tmp_path / "arrivals.jsonl"
    file.write_text(f"{line}\n{line[:50]}\n{line}\n", encoding="utf-8")
    assert spans_in(file) == {"t s chat gen_ai.usage.output_tokens=7": 2}
    assert spans_in(tmp_path / "none") == {}
