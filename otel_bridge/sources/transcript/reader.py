"""Lines of a transcript file (I/O)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import IO

MAX_LINE_BYTES = 64 << 20
"""Longer lines are reported and passed over; 50 MB lines have been seen (base64 images)."""

_BUFFER_BYTES = 1 << 19


class LineReader:
    """Iterates over a file's lines, newline included, in memory bounded by the longest line allowed.

    A line over the limit is given as its first ``max_line_bytes + 1`` bytes. A last line without newline may still be
    being written. ``number`` (1-based) and ``offset_bytes`` tell where the line just given stands.
    """

    def __init__(self, path: str, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.number = 0
        self._path = path
        self._limit = max_line_bytes + 1
        self._file: IO[bytes] | None = None
        self._line = b""
        self._skipped_bytes = 0

    @property
    def offset_bytes(self) -> int:
        """Where the line just given begins; 0 before the first one."""
        return self._file.tell() - self._skipped_bytes - len(self._line) if self._file else 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines.

        Raises:
            OSError: the file cannot be opened or read.
        """
        limit = self._limit
        with open(self._path, "rb", buffering=_BUFFER_BYTES) as file:  # noqa: PTH123 - see TranscriptFile.path
            self._file = file
            # a file within the limit has no line over it, and iterating is faster than asking for bounded lines
            is_small = os.fstat(file.fileno()).st_size < limit
            lines = file if is_small else iter(partial(file.readline, limit), b"")
            for self.number, self._line in enumerate(lines, 1):
                if not is_small:
                    is_cut = len(self._line) == limit and not self._line.endswith(b"\n")
                    self._skipped_bytes = _skip_line(file) if is_cut else 0
                yield self._line
            self._file = None


def _skip_line(file: IO[bytes]) -> int:
    skipped = 0
    while part := file.readline(_BUFFER_BYTES):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped
