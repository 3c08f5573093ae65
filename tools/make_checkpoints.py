"""Real sessions' token counts, figures alone → ``tests/data/checkpoints.jsonl.gz``.

    python -m tools.make_checkpoints ORACLE.tsv TRANSCRIPTS OUT

A program that keeps transcripts beside commits (entire.io) counted each checkpoint's tokens itself; ORACLE.tsv has its
figures, TRANSCRIPTS the public files. Of each line only which response it is of and its four counters are kept: no
text, no names, no ids. A checkpoint ends where the transcript stood at its commit, the file may go on.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COUNTERS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
COLUMNS = ("input", "cache_creation", "cache_read", "output")
NO_RESPONSE = "<synthetic>"
"""Model of notices the client writes itself."""
UsageLine = list[int]
"""Number of the response within the checkpoint, then the four counters."""


class UnreachedError(ValueError):
    """No part of the transcript from its first line on has the counts that were given."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("oracle", type=Path)
    parser.add_argument("transcripts", type=Path, help="has CHECKPOINT.jsonl, or the row's corpus_file")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with options.oracle.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    lines = [json.dumps(checkpoint(row, options.transcripts), separators=(",", ":")) for row in rows]
    options.out.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode(), mtime=0))
    print(f"{len(lines)} checkpoints, {options.out.stat().st_size} bytes")


def checkpoint(row: dict[str, str], transcripts: Path) -> dict[str, Any]:
    """Return one checkpoint: its name, the counts given and the lines they are made of."""
    counted = [int(row[column]) for column in COLUMNS]
    own = transcripts / f"{row['checkpoint']}.jsonl"
    path = own if own.exists() else transcripts / row["corpus_file"]
    lines = list(usage_lines(path, int(row["from_line"])))
    return {
        "checkpoint": row["checkpoint"],
        "part": int(row["sub"]),
        "counted": counted,
        "lines": lines[: reached_at(lines, counted, row)],
    }


def usage_lines(path: Path, first: int) -> Iterator[UsageLine]:
    """Yield what the response lines from line ``first`` (0-based) on say; damaged lines say nothing."""
    numbers: dict[str, int] = {}
    with path.open("rb") as file:
        for index, raw in enumerate(file):
            if index < first:
                continue
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            message = line.get("message") or {}
            usage = message.get("usage") if line.get("type") == "assistant" else None
            if usage and message.get("model") != NO_RESPONSE:
                yield [numbers.setdefault(message["id"], len(numbers)), *(usage.get(name) or 0 for name in COUNTERS)]


def reached_at(lines: list[UsageLine], counted: list[int], row: dict[str, str]) -> int:
    """Return after how many lines, at most, the largest counts of each response add up to ``counted``."""
    largest: dict[int, list[int]] = {}
    reached = None if any(counted) else 0
    for index, (response, *counts) in enumerate(lines, 1):
        known = largest.setdefault(response, counts)
        largest[response] = [max(pair) for pair in zip(known, counts, strict=True)]
        if [sum(column) for column in zip(*largest.values(), strict=True)] == counted:
            reached = index
    if reached is None:
        raise UnreachedError(
            f"checkpoint {row['checkpoint']}/{row['sub']}: {counted} is nowhere in {row['corpus_file']}"
        )
    return reached


if __name__ == "__main__":
    main()
