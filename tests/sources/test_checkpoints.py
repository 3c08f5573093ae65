"""Token counts of 150 real commits, made by another program (``tools/make_checkpoints.py`` says where from)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.transcripts import SID, count, response, session_file

DATA = Path(__file__).parents[1] / "data" / "checkpoints.jsonl.gz"
CHECKPOINTS: list[dict[str, Any]] = [json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()]
COUNTERS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


@pytest.mark.parametrize(
    "checkpoint", CHECKPOINTS, ids=lambda checkpoint: f"{checkpoint['checkpoint']}-{checkpoint['part']}"
)
def test_the_tokens_of_a_real_commit_equal_what_another_program_counted(
    tmp_path: Path, checkpoint: dict[str, Any]
) -> None:
    lines = [
        response(f"msg_{number}", at=at, usage=dict(zip(COUNTERS, counts, strict=True)))
        for at, (number, *counts) in enumerate(checkpoint["lines"])
    ]
    session_file(tmp_path, SID, *lines)
    totals = count(tmp_path).totals
    counted = [totals.input_tokens, totals.cache_write_tokens, totals.cache_read_tokens, totals.output_tokens]
    assert counted == checkpoint["counted"]


def test_simpler_rules_would_miss_many_of_these_counts() -> None:
    sums = [[sum(column) for column in zip(*c["lines"], strict=True)][1:] or [0] * 4 for c in CHECKPOINTS]
    firsts = [[sum(column) for column in zip(*first_lines(c["lines"]), strict=True)] or [0] * 4 for c in CHECKPOINTS]
    counted = [c["counted"] for c in CHECKPOINTS]
    assert len(CHECKPOINTS) == 150
    assert sum(a != b for a, b in zip(sums, counted, strict=True)) > 100
    assert sum(a != b for a, b in zip(firsts, counted, strict=True)) > 10


def first_lines(lines: list[list[int]]) -> list[list[int]]:
    """Return the counters of each response's first line."""
    return list({number: counts for number, *counts in reversed(lines)}.values())
