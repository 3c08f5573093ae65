"""Lines of a transcript file, with their place in it (I/O)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAX_LINE_BYTES = 64 << 20
"""Longer lines are reported and passed over; 50 MB lines have been seen (base64 images)."""

_BUFFER_BYTES = 1 << 18


class RawLine(NamedTuple):
    """One line without its newline."""

    number: int
    """1-based."""
    offset_bytes: int
    data: bytes
    is_terminated: bool
    """False for a last line without newline: it may still be being written."""
    is_too_long: bool


def read_lines(path: Path, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[RawLine]:
    """Yield the lines of a file in order, in constant memory.

    Raises:
        OSError: the file cannot be opened or read.
    """
    number, offset = 0, 0
    with path.open("rb", buffering=_BUFFER_BYTES) as file:
        while data := file.readline(max_line_bytes + 1):
            number += 1
            size = len(data)
            if data.endswith(b"\n"):
                yield RawLine(number, offset, data[:-1], True, False)
            elif size <= max_line_bytes:
                yield RawLine(number, offset, data, False, False)
            else:
                rest, terminated = _skip_rest(file)
                yield RawLine(number, offset, data[:64], terminated, True)
                size += rest
            offset += size


def _skip_rest(file: BinaryIO) -> tuple[int, bool]:
    skipped = 0
    while part := file.readline(_BUFFER_BYTES):
        skipped += len(part)
        if part.endswith(b"\n"):
            return skipped, True
    return skipped, False
