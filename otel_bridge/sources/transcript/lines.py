"""A transcript file as records: reading, skipping, decoding and accounting for every line (I/O)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from otel_bridge.model import Problem
from otel_bridge.sources.transcript.decode import decode_record, repair_line
from otel_bridge.sources.transcript.kinds import IGNORED_KINDS, USED_KINDS, ignored_kind
from otel_bridge.sources.transcript.reader import MAX_LINE_BYTES, RawLine, read_lines
from otel_bridge.sources.transcript.records import Record

MAX_PROBLEMS_PER_FILE = 100
"""Problems kept with their place; further ones are only counted."""


class LineAccount(msgspec.Struct):
    """Where every line of a file went; the counters add up to ``lines``."""

    lines: int = 0
    used: int = 0
    ignored: Counter[str] = msgspec.field(default_factory=Counter)
    """Known record types that carry nothing we use, by type."""
    unknown: Counter[str] = msgspec.field(default_factory=Counter)
    """Types we do not know, by type: kept as counted."""
    blank: int = 0
    lost: int = 0
    """Lines that gave no record at all; each is a problem."""
    unfinished: int = 0
    """A last line without newline that does not parse: still being written, left for later."""
    problems: list[Problem] = msgspec.field(default_factory=list)
    problem_count: int = 0

    def add(self, other: LineAccount) -> None:
        """Add another file's account to this one."""
        self.lines += other.lines
        self.used += other.used
        self.ignored.update(other.ignored)
        self.unknown.update(other.unknown)
        self.blank += other.blank
        self.lost += other.lost
        self.unfinished += other.unfinished
        self.problems.extend(other.problems)
        self.problem_count += other.problem_count


def read_records(
    path: Path, account: LineAccount, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[tuple[RawLine, Record]]:
    """Yield the useful records of a file in order; fill ``account`` on the way.

    Raises:
        OSError: the file cannot be opened or read.
    """
    decode = decode_record
    for line in read_lines(path, max_line_bytes):
        account.lines += 1
        skipped = ignored_kind(line.data)
        if skipped is not None:
            account.ignored[skipped] += 1
            continue
        try:
            record = decode(line.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield from _damaged(path, line, account, max_line_bytes)
            continue
        if _is_used(record, account):
            account.used += 1
            yield line, record


def _is_used(record: Record, account: LineAccount) -> bool:
    kind = record.type
    if kind in USED_KINDS:
        return True
    counter = account.ignored if kind in IGNORED_KINDS else account.unknown
    counter[kind or "(none)"] += 1
    return False


def _damaged(
    path: Path, line: RawLine, account: LineAccount, max_line_bytes: int
) -> Iterator[tuple[RawLine, Record]]:
    if line.is_too_long:
        account.lost += 1
        _report(path, line, account, "line_too_long", f"over {max_line_bytes} bytes")
        return
    if not line.data.strip():
        account.blank += 1
        return
    repaired = repair_line(line.data)
    if not line.is_terminated and not repaired.records:
        account.unfinished += 1
        return
    for reason, detail in repaired.flaws:
        _report(path, line, account, reason, detail)
    used = [record for record in repaired.records if record.type in USED_KINDS]
    if used:
        account.used += 1
    elif repaired.records:
        _is_used(repaired.records[0], account)
    else:
        account.lost += 1
    for record in used:
        yield line, record


def _report(path: Path, line: RawLine, account: LineAccount, reason: str, detail: str) -> None:
    account.problem_count += 1
    if len(account.problems) < MAX_PROBLEMS_PER_FILE:
        account.problems.append(Problem(str(path), line.number, line.offset_bytes, reason, detail))
