"""Lines of a transcript file (I/O)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import IO

from msgspec import Struct

from otel_bridge.sources.transcript.crc import crc32

MAX_LINE_BYTES = 64 << 20
"""Longer lines are reported and passed over; 50 MB lines have been seen (base64 images)."""

_BUFFER_BYTES = 1 << 19


class Stretch(Struct, frozen=True):
    """Lines of a file that follow each other."""

    offset_bytes: int = 0
    """Where the first one begins."""
    lines_before: int = 0
    crc_before: int = 0
    """Checksum of what is before."""
    end_bytes: int | None = None
    """Where the last one ends; ``None`` for the end of the file."""


WHOLE_FILE = Stretch()


class LineReader:
    """Iterates over a file's lines, newline included, in memory bounded by the longest line allowed.

    A line over the limit is given as its first ``max_line_bytes + 1`` bytes. A last line without newline may still be
    being written. ``number`` (1-based) and ``offset_bytes`` tell where the line just given stands.
    """

    def __init__(self, path: str, max_line_bytes: int = MAX_LINE_BYTES, stretch: Stretch = WHOLE_FILE) -> None:
        self.number = stretch.lines_before
        self.crc = stretch.crc_before
        """Checksum of the file up to the line just given, where the stretch has an end."""
        self._path = path
        self._stretch = stretch
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
        limit, stretch = self._limit, self._stretch
        left_bytes = None if stretch.end_bytes is None else stretch.end_bytes - stretch.offset_bytes
        if left_bytes == 0:
            return
        with open(self._path, "rb", buffering=_BUFFER_BYTES) as file:  # noqa: PTH123 - see TranscriptFile.path
            self._file = file
            if stretch.offset_bytes:
                file.seek(stretch.offset_bytes)
            # a file within the limit has no line over it, and iterating is faster than asking for bounded lines
            is_small = os.fstat(file.fileno()).st_size < limit
            lines = file if is_small else iter(partial(file.readline, limit), b"")
            for number, line in enumerate(lines, stretch.lines_before + 1):
                self.number, self._line = number, line
                if left_bytes is not None:
                    self.crc = crc32(line, self.crc)
                if not is_small:
                    is_cut = len(line) == limit and not line.endswith(b"\n")
                    self._skipped_bytes = self._skip_line(file) if is_cut else 0
                yield line
                if left_bytes is not None:
                    left_bytes -= len(line) + self._skipped_bytes
                    if left_bytes <= 0:
                        break
            self._file = None

    def _skip_line(self, file: IO[bytes]) -> int:
        skipped = 0
        while part := file.readline(_BUFFER_BYTES):
            skipped += len(part)
            self.crc = crc32(part, self.crc)
            if part.endswith(b"\n"):
                break
        return skipped
