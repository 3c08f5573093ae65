"""A transcript file as records: reading, skipping, decoding and accounting for every line (I/O)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Generic, NamedTuple

import msgspec

from otel_bridge.model import Problem
from otel_bridge.sources.transcript.decode import (
    DECODE_ERRORS,
    Decode,
    RecordT,
    decode_count,
    record_decoder,
    repair_line,
)
from otel_bridge.sources.transcript.discover import TranscriptFile, as_text
from otel_bridge.sources.transcript.kinds import (
    IGNORED_KINDS,
    IGNORED_PROGRESS,
    PLAIN_KINDS,
    USED_ATTACHMENTS,
    USED_KINDS,
    ignored_kind,
)
from otel_bridge.sources.transcript.reader import MAX_LINE_BYTES, WHOLE_FILE, LineReader, Stretch
from otel_bridge.sources.transcript.records import CountRecord, Record

MAX_PROBLEMS_PER_FILE = 100
"""Problems kept with their place; further ones are only counted."""

_PEEK_FROM_BYTES = 32 << 10
"""Shorter lines are decoded at once: a peek at all of them takes longer than decoding the few that are not wanted
(measured on 215 real transcripts and on generated ones)."""

_LONGEST_KIND = 64
_LOOK_BACK_BYTES = 1 << 20
_BRANCH = re.compile(rb'"gitBranch":"([^"\\]*)"')

_UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
_TIMESTAMP = re.compile(rb'"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)"')


class LineCounts(msgspec.Struct):
    """Where every line went; used, ignored, unknown, blank, lost and unfinished add up to ``lines``."""

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
    problem_count: int = 0


class LineAccount(LineCounts):
    """Where every line went, and what was wrong with some."""

    problems: list[Problem] = []

    def counts(self) -> LineCounts:
        """Return the counters alone."""
        return LineCounts(*(getattr(self, name) for name in LineCounts.__struct_fields__))

    def report(self, place: Place, reason: str, detail: str) -> None:
        """Note a problem at a line; only the first ones of a file keep their place."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS_PER_FILE:
            self.problems.append(Problem(as_text(place.path), place.number, place.offset_bytes, reason, detail))

    def report_file(self, path: str, reason: str, error: Exception) -> None:
        """Note a problem with a file as a whole."""
        detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self.report(Place(path, 0, 0), reason, detail[:160])

    def ignore(self, kind: str) -> None:
        """Count a line of a known type that carries nothing we use."""
        self.ignored[kind] = self.ignored.get(kind, 0) + 1

    def pass_over(self, record: CountRecord) -> None:
        """Count a record of a type we take nothing from."""
        kind = (record.type or "(none)")[:_LONGEST_KIND]
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


class FileRecords(Generic[RecordT]):
    """The useful records of a file in order. What became of every line is in the account when they are read.

    While a record is at hand, ``place`` names its line and ``report`` notes a problem with it.
    """

    def __init__(
        self,
        file: TranscriptFile,
        account: LineAccount,
        decode: Decode[RecordT],
        max_line_bytes: int,
        *,
        stretch: Stretch = WHOLE_FILE,
        with_ticks: bool,
    ) -> None:
        self._file = file
        self._account = account
        self._decode = decode
        self._with_ticks = with_ticks
        self._max_line_bytes = max_line_bytes
        self._lines_before = stretch.lines_before
        self._reader = LineReader(file.path, max_line_bytes, stretch)

    @property
    def crc(self) -> int:
        """Checksum of the file up to the line at hand, where the stretch has an end."""
        return self._reader.crc

    @property
    def place(self) -> str:
        """A name for the line that does not depend on where the file lies."""
        return f"{self._file.session_id}/{self._file.agent_id or ''}#{self._reader.number}"

    def report(self, reason: str, detail: str) -> None:
        """Note a problem with the line at hand."""
        self._account.report(self._position(), reason, detail)

    def _position(self) -> Place:
        return Place(self._file.path, self._reader.number, self._reader.offset_bytes)

    def _with_branch(self, raw: bytes) -> Record:
        """Return a link to a pull request whole, with the branch of the last line before it that names one.

        Links are few: looking back for the branch costs less than decoding it on every line.
        """
        record = record_decoder()(raw)
        with open(self._file.path, "rb") as file:  # noqa: PTH123 - see TranscriptFile.path
            offset_bytes = self._reader.offset_bytes
            file.seek(max(offset_bytes - _LOOK_BACK_BYTES, 0))
            branches = _BRANCH.findall(file.read(min(offset_bytes, _LOOK_BACK_BYTES)))
        record.gitBranch = branches[-1].decode("utf-8", "replace") if branches else None
        return record

    def __iter__(self) -> Iterator[RecordT]:
        """Yield the records.

        Raises:
            OSError: the file cannot be opened or read.
        """
        account, decode, reader, used = self._account, self._decode, self._reader, 0
        try:
            for raw in reader:
                if len(raw) > _PEEK_FROM_BYTES and (skipped := ignored_kind(raw)):
                    account.ignore(skipped)
                    if self._with_ticks and "/" in skipped:
                        yield tick_record(raw)  # type: ignore[misc]  # see below
                    continue
                try:
                    record = decode(raw)
                except DECODE_ERRORS:
                    # a Record has all that any RecordT has
                    yield from _saved_records(self._position(), raw, account, self._max_line_bytes)  # type: ignore[misc]
                    continue
                if record.type in PLAIN_KINDS:
                    used += 1
                    yield record
                elif (ignored := _ignored_part(record)) is not None:
                    account.ignore(ignored)
                    if self._with_ticks:
                        yield Record(uuid=record.uuid, timestamp=record.timestamp)  # type: ignore[misc]
                elif record.type == "pr-link":
                    try:
                        link = self._with_branch(raw)
                    except DECODE_ERRORS:
                        yield from _saved_records(self._position(), raw, account, self._max_line_bytes)  # type: ignore[misc]
                        continue
                    used += 1
                    yield link  # type: ignore[misc]
                elif record.type in USED_KINDS:
                    used += 1
                    yield record
                else:
                    account.pass_over(record)
        finally:
            account.lines += reader.number - self._lines_before
            account.used += used


def read_records(
    file: TranscriptFile,
    account: LineAccount,
    max_line_bytes: int = MAX_LINE_BYTES,
    stretch: Stretch = WHOLE_FILE,
) -> FileRecords[Record]:
    """Return the useful records of a file or of a stretch of it.

    A line of an ignored kind that has a place in the conversation comes as a bare record of its uuid and time.
    """
    return FileRecords(file, account, record_decoder(), max_line_bytes, stretch=stretch, with_ticks=True)


def count_records(
    file: TranscriptFile, account: LineAccount, max_line_bytes: int = MAX_LINE_BYTES
) -> FileRecords[CountRecord]:
    """Return what counting needs of the same lines, skipped ones left out."""
    return FileRecords(file, account, decode_count, max_line_bytes, with_ticks=False)


def _ignored_part(record: CountRecord) -> str | None:
    """Return the type of a decoded line that ``ignored_kind`` would have skipped for what is inside it."""
    if record.type == "progress":
        kind = record.data.type if record.data is not None else None
        return f"progress/{kind}" if kind in IGNORED_PROGRESS else None
    if record.type == "attachment":
        kind = record.attachment.type if record.attachment is not None else None
        return f"attachment/{kind[:_LONGEST_KIND]}" if kind and kind not in USED_ATTACHMENTS else None
    return None


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
    time = None
    with suppress(msgspec.ValidationError):  # a 13th month
        time = msgspec.json.decode(b'"' + at[-1] + b'"', type=datetime) if at else None
    return Record(uuid=uuid[-1].decode() if uuid else None, timestamp=time)
