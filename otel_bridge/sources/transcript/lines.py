"""A transcript file as records: reading, skipping, decoding and accounting for every line (I/O)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from otel_bridge.model import Problem
from otel_bridge.sources.transcript.decode import decode_record, repair_line
from otel_bridge.sources.transcript.kinds import IGNORED_KINDS, USED_KINDS, ignored_kind
from otel_bridge.sources.transcript.reader import MAX_LINE_BYTES, RawLine, read_lines
from otel_bridge.sources.transcript.records import Record

MAX_PROBLEMS_PER_FILE = 100
"""Problems kept with their place; further ones are only counted."""


_UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
_TIMESTAMP = re.compile(rb'"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)"')
_decode_time = msgspec.json.Decoder(datetime).decode


class LineAccount(msgspec.Struct):
    """Where every line of a file went; the counters add up to ``lines``."""

    lines: int = 0
    used: int = 0
    ignored: dict[str, int] = {}
    """Known record types that carry nothing we use, by type."""
    unknown: dict[str, int] = {}
    """Types we do not know, by type: kept as counted."""
    blank: int = 0
    lost: int = 0
    """Lines that gave no record at all; each is a problem."""
    unfinished: int = 0
    """A last line without newline that does not parse: still being written, left for later."""
    problems: list[Problem] = []
    problem_count: int = 0

    def report(self, path: Path, line: RawLine, reason: str, detail: str) -> None:
        """Note a problem at a line; only the first ones of a file keep their place."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS_PER_FILE:
            self.problems.append(Problem(str(path), line.number, line.offset_bytes, reason, detail))

    def add(self, other: LineAccount) -> None:
        """Add another file's account to this one."""
        self.lines += other.lines
        self.used += other.used
        for mine, theirs in ((self.ignored, other.ignored), (self.unknown, other.unknown)):
            for kind, count in theirs.items():
                mine[kind] = mine.get(kind, 0) + count
        self.blank += other.blank
        self.lost += other.lost
        self.unfinished += other.unfinished
        self.problems.extend(other.problems)
        self.problem_count += other.problem_count


def read_records(
    path: Path, account: LineAccount, *, with_ticks: bool = False, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[tuple[RawLine, Record]]:
    """Yield the useful records of a file in order; fill ``account`` on the way.

    With ``with_ticks``, a skipped line that has a place in the conversation comes as a bare record of its uuid and
    time, without being decoded.

    Raises:
        OSError: the file cannot be opened or read.
    """
    decode = decode_record
    for line in read_lines(path, max_line_bytes):
        account.lines += 1
        skipped = ignored_kind(line.data)
        if skipped is not None:
            account.ignored[skipped] = account.ignored.get(skipped, 0) + 1
            if with_ticks and "/" in skipped:
                yield line, tick_record(line.data)
            continue
        try:
            record = decode(line.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield from _damaged(path, line, account, max_line_bytes)
            continue
        if _is_used(record, account):
            account.used += 1
            yield line, record


def tick_record(raw: bytes) -> Record:
    """Return uuid and time of a line that is not decoded; of nested ones, the last is the line's own (all versions)."""
    uuid, at = _UUID.findall(raw), _TIMESTAMP.findall(raw)
    time = _decode_time(b'"' + at[-1] + b'"') if at else None
    return Record(uuid=uuid[-1].decode() if uuid else None, timestamp=time)


def _is_used(record: Record, account: LineAccount) -> bool:
    if record.type in USED_KINDS:
        return True
    kind = record.type or "(none)"
    counter = account.ignored if kind in IGNORED_KINDS else account.unknown
    counter[kind] = counter.get(kind, 0) + 1
    return False


def _damaged(
    path: Path, line: RawLine, account: LineAccount, max_line_bytes: int
) -> Iterator[tuple[RawLine, Record]]:
    if line.is_too_long:
        account.lost += 1
        account.report(path, line, "line_too_long", f"over {max_line_bytes} bytes")
        return
    if not line.data.strip():
        account.blank += 1
        return
    repaired = repair_line(line.data)
    if not line.is_terminated and not repaired.records:
        account.unfinished += 1
        return
    for reason, detail in repaired.flaws:
        account.report(path, line, reason, detail)
    used = [record for record in repaired.records if record.type in USED_KINDS]
    if used:
        account.used += 1
    elif repaired.records:
        _is_used(repaired.records[0], account)
    else:
        account.lost += 1
    for record in used:
        yield line, record
