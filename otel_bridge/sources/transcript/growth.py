"""Reading a file on from where it was left, and noticing when it is not the file that was read (I/O)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

from msgspec import Struct

from otel_bridge.sources.transcript.assemble.extract import Extractor, FileExtract
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from otel_bridge.sources.transcript.assemble.texts import SearchText, TextNotes
from otel_bridge.sources.transcript.crc import crc32
from otel_bridge.sources.transcript.discover import TranscriptFile
from otel_bridge.sources.transcript.lines import LineAccount, read_records
from otel_bridge.sources.transcript.reader import MAX_LINE_BYTES, Stretch

_BLOCK_BYTES = 1 << 18
_TAIL_BLOCK_BYTES = 1 << 12
"""Looked at from the end: files mostly end with a newline."""


class Checkpoint(Struct, frozen=True, array_like=True):
    """How far a file has been read: always to the end of a line."""

    offset_bytes: int = 0
    lines: int = 0
    crc: int = 0
    """Checksum of everything before the offset."""

    def stretch(self, end_bytes: int) -> Stretch:
        """Return the lines from here to an end."""
        return Stretch(self.offset_bytes, self.lines, self.crc, end_bytes)


START = Checkpoint()


class Growth(Struct):
    """What reading a file on brought."""

    checkpoint: Checkpoint
    extract: FileExtract
    """What the lines since the checkpoint before say; all lines where ``is_rewritten``."""
    account: LineAccount
    """What became of those lines."""
    tail: FileExtract | None
    """What a last line without newline says, if there is one: the checkpoint stands before it."""
    tail_account: LineAccount
    texts: list[SearchText]
    """Texts of the lines read; not of the tail, which is read again."""
    is_rewritten: bool = False
    """The file was read anew: it does not begin any more with what was read of it, or what that said is unreadable."""


def read_growth(
    file: TranscriptFile,
    checkpoint: Checkpoint,
    before: Callable[[], Sequence[FileExtract]],
    *,
    until_bytes: int | None = None,
    with_answers: bool = False,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Growth:
    """Read what a file has beyond a checkpoint; ``before`` gives what the lines up to there said.

    What stands behind ``until_bytes`` is left for the next time.

    A checksum over everything up to the checkpoint tells whether these are still the lines that were read; taking it
    costs a sixth of a millisecond per megabyte (measured).

    Where that cannot be unpacked, the file is read anew.

    Raises:
        OSError: the file cannot be read.
    """
    known = _told(before) if checkpoint.offset_bytes else []
    with open(file.path, "rb") as stream:  # noqa: PTH123 - see TranscriptFile.path
        is_rewritten = known is None or not begins_as_read(stream, checkpoint)
        start = START if is_rewritten else checkpoint
        size_bytes = stream.seek(0, 2) if until_bytes is None else min(stream.seek(0, 2), until_bytes)
        end_bytes = _end_of_lines(stream, start.offset_bytes, size_bytes)
    if known is None or is_rewritten:
        known = []
    texts = TextNotes(with_answers=with_answers)
    extract, account, reached = _read(file, start.stretch(end_bytes), known, texts, max_line_bytes)
    read_to = Checkpoint(end_bytes, start.lines + account.lines, reached)
    tail, tail_account = None, LineAccount()
    if size_bytes > end_bytes:
        stretch = read_to.stretch(size_bytes)
        tail, tail_account, _ = _read(file, stretch, [*known, extract], None, max_line_bytes)
    return Growth(read_to, extract, account, tail, tail_account, texts.texts, is_rewritten)


def checksum(stream: BinaryIO, size_bytes: int) -> int | None:
    """Return the checksum of a file's first bytes, ``None`` if it has not so many."""
    stream.seek(0)
    crc = 0
    while size_bytes:
        block = stream.read(min(size_bytes, _BLOCK_BYTES))
        if not block:
            return None
        crc = crc32(block, crc)
        size_bytes -= len(block)
    return crc


def begins_as_read(stream: BinaryIO, checkpoint: Checkpoint) -> bool:
    """Tell whether a file begins with what was read of it."""
    return checksum(stream, checkpoint.offset_bytes) == checkpoint.crc


def _told(before: Callable[[], Sequence[FileExtract]]) -> list[FileExtract] | None:
    """Return what lines said, ``None`` where that is damaged or only an older version could tell."""
    try:
        return list(before())
    except ForeignFormatError:
        return None


def _end_of_lines(stream: BinaryIO, start_bytes: int, size_bytes: int) -> int:
    """Return where the last line that has a newline ends, ``start_bytes`` if there is none."""
    end = size_bytes
    while end > start_bytes:
        begin = max(start_bytes, end - _TAIL_BLOCK_BYTES)
        stream.seek(begin)
        at = stream.read(end - begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return start_bytes


def _read(
    file: TranscriptFile, stretch: Stretch, before: Sequence[FileExtract], texts: TextNotes | None, max_line_bytes: int
) -> tuple[FileExtract, LineAccount, int]:
    account = LineAccount()
    records = read_records(file, account, max_line_bytes, stretch)
    extractor = Extractor(file.session_id, file.agent_id, records, before=before, texts=texts)
    for record in records:
        extractor.add(record)
    return extractor.extract, account, records.crc
