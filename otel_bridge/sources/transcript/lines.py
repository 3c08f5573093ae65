"""A transcript file as records: reading, skipping, decoding and accounting for every line (I/O)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from otel_bridge.model import Problem
from otel_bridge.sources.transcript.decode import Decode, RecordT, decode_count, decode_record, repair_line
from otel_bridge.sources.transcript.kinds import IGNORED_KINDS, USED_KINDS, ignored_kind
from otel_bridge.sources.transcript.reader import MAX_LINE_BYTES, LineReader
from otel_bridge.sources.transcript.records import CountRecord, Record

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

    def report(self, place: Place, reason: str, detail: str) -> None:
        """Note a problem at a line; only the first ones of a file keep their place."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS_PER_FILE:
            self.problems.append(Problem(place.path, place.number, place.offset_bytes, reason, detail))

    def pass_over(self, record: CountRecord) -> None:
        """Count a record of a type we take nothing from."""
        kind = record.type or "(none)"
        counter = self.ignored if kind in IGNORED_KINDS else self.unknown
        counter[kind] = counter.get(kind, 0) + 1

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


class Place(NamedTuple):
    """Where a line stands."""

    path: str
    number: int
    offset_bytes: int


def read_records(
    path: str, account: LineAccount, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[tuple[int, Record]]:
    """Return line number and record of the useful lines of a file in order; fill ``account`` on the way.

    A skipped line that has a place in the conversation comes as a bare record of its uuid and time, without being
    decoded.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return _records(path, account, decode_record, max_line_bytes, tick_record)


def count_records(
    path: str, account: LineAccount, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[tuple[int, CountRecord]]:
    """Return what counting needs of the same lines, skipped ones left out.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return _records(path, account, decode_count, max_line_bytes, None)


def _records(
    path: str,
    account: LineAccount,
    decode: Decode[RecordT],
    max_line_bytes: int,
    tick: Callable[[bytes], RecordT] | None,
) -> Iterator[tuple[int, RecordT]]:
    used_kinds, ignored = USED_KINDS, account.ignored
    reader = LineReader(path, max_line_bytes)
    for raw in reader:
        skipped = ignored_kind(raw)
        if skipped is not None:
            ignored[skipped] = ignored.get(skipped, 0) + 1
            if tick is not None and "/" in skipped:
                yield reader.number, tick(raw)
            continue
        try:
            record = decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            place = Place(path, reader.number, reader.offset_bytes)
            for saved in _saved_records(place, raw, account, max_line_bytes):
                yield reader.number, saved  # type: ignore[misc] - a Record has all that any RecordT has
            continue
        if record.type in used_kinds:
            account.used += 1
            yield reader.number, record
        else:
            account.pass_over(record)
    account.lines += reader.number


def _saved_records(place: Place, raw: bytes, account: LineAccount, max_line_bytes: int) -> list[Record]:
    """Return the useful records of a damaged line and account for it as one line."""
    if len(raw) > max_line_bytes:
        account.lost += 1
        account.report(place, "line_too_long", f"over {max_line_bytes} bytes")
        return []
    if not raw.strip():
        account.blank += 1
        return []
    repaired = repair_line(raw)
    if not raw.endswith(b"\n") and not repaired.records:
        account.unfinished += 1
        return []
    for reason, detail in repaired.flaws:
        account.report(place, reason, detail)
    used = [record for record in repaired.records if record.type in USED_KINDS]
    if used:
        account.used += 1
    elif repaired.records:
        account.pass_over(repaired.records[0])
    else:
        account.lost += 1
    return used


def tick_record(raw: bytes) -> Record:
    """Return uuid and time of a line that is not decoded; of nested ones, the last is the line's own (all versions)."""
    uuid, at = _UUID.findall(raw), _TIMESTAMP.findall(raw)
    time = _decode_time(b'"' + at[-1] + b'"') if at else None
    return Record(uuid=uuid[-1].decode() if uuid else None, timestamp=time)
