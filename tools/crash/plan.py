"""What is written while the watch is killed: recorded sessions, byte by byte in the order a client writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from tools.history import PULL_REQUESTS, RUNS, UNLINKED, Copy, last_time, write_copy

SLOWER = 20
"""Recorded sessions last seconds; so many times slower they overlap each other."""
SPREAD = timedelta(minutes=5)
"""When the sessions happened, before the run: none of their open turns is over by the clock before the run is."""
CUT_SHARE = 0.3
"""Of the lines that are written in two parts."""
JOINED_SHARE = 0.4
"""Of the writes that go together with the one before to the same file."""


FINISHED = b',"finished":true'
"""What newer clients add to an agent's meta file when the agent is done."""


@dataclass(frozen=True)
class Append:
    """One write to the end of one file, or of a whole file."""

    path: Path
    """Below the folder of transcripts."""
    data: bytes
    is_whole: bool = False


@dataclass(frozen=True, order=True)
class _Piece:
    at_s: float
    path: Path
    offset_bytes: int
    data: bytes
    is_whole: bool = False


def live_copies(count: int, until: datetime) -> Iterator[Copy]:
    """Yield sessions to be written live, of all recordings, some without a pull request; the last ends at ``until``."""
    for number in range(1_000, 1_000 + count):
        run = RUNS[number % len(RUNS)]
        repository, pull_request, branch = PULL_REQUESTS[number % len(PULL_REQUESTS)] if number % 4 else UNLINKED
        end = until - SPREAD * (1_000 + count - 1 - number) / max(count, 1)
        yield Copy(number, run, end - last_time(run), repository, pull_request, branch)


def plan_appends(originals: Path, copies: int, until: datetime, rng: Random) -> list[Append]:
    """Write whole copies below a folder and return the writes that make the same files, in the order of their times."""
    for copy in live_copies(copies, until):
        write_copy(copy, originals / str(copy.number))
    pieces = [piece for folder in sorted(originals.iterdir()) for piece in _pieces(folder, rng)]
    return _joined(sorted(pieces), rng)


def _pieces(folder: Path, rng: Random) -> Iterator[_Piece]:
    """Yield the lines of a copy with the time they are written, some of them in two parts."""
    files = {path: _timed_lines(path) for path in sorted(folder.rglob("*.jsonl"))}
    start_s = min(lines[0][0] for lines in files.values())
    for path, lines in files.items():
        offset = 0
        name = path.relative_to(folder)
        slow = [(start_s + (at_s - start_s) * SLOWER, line) for at_s, line in lines]
        yield from _meta_pieces(path.with_suffix(".meta.json"), folder, slow[0][0], slow[-1][0])
        for (at_s, line), (next_s, _) in zip(slow, [*slow[1:], slow[-1]], strict=True):
            for part_s, part in _parts(line, at_s, next_s, rng):
                yield _Piece(part_s, name, offset, part)
                offset += len(part)


def _meta_pieces(meta: Path, folder: Path, start_s: float, end_s: float) -> Iterator[_Piece]:
    """Yield an agent's meta file as it is at first and, where the client says so, as it is when the agent is done."""
    if meta.exists():
        data, name = meta.read_bytes(), meta.relative_to(folder)
        yield _Piece(start_s, name, 0, data.replace(FINISHED, b""), is_whole=True)
        if FINISHED in data:
            yield _Piece(end_s, name, 1, data, is_whole=True)


def _timed_lines(path: Path) -> list[tuple[float, bytes]]:
    """Return the lines of a file with the time each was written: not before the line above it.

    So a fork's copy of its origin is written when the fork begins, as clients do. What stands before the first time is
    written with it.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    times = [_seconds(json.loads(line).get("timestamp")) for line in lines]
    known_s = next(at_s for at_s in times if at_s)
    timed = []
    for at_s, line in zip(times, lines, strict=True):
        known_s = max(known_s, at_s)
        timed.append((known_s, line))
    return timed


def _seconds(stamp: str | None) -> float:
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


def _parts(line: bytes, at_s: float, next_s: float, rng: Random) -> list[tuple[float, bytes]]:
    """Cut some lines in two; the second part comes before the next line of the file."""
    if rng.random() >= CUT_SHARE:
        return [(at_s, line)]
    cut = rng.randrange(1, len(line))
    return [(at_s, line[:cut]), ((at_s + next_s) / 2, line[cut:])]


def _joined(pieces: list[_Piece], rng: Random) -> list[Append]:
    appends: list[Append] = []
    for piece in pieces:
        last = appends[-1] if appends else None
        if last is not None and last.path == piece.path and not piece.is_whole and rng.random() < JOINED_SHARE:
            appends[-1] = Append(last.path, last.data + piece.data)
        else:
            appends.append(Append(piece.path, piece.data, piece.is_whole))
    return appends
