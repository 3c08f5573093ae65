"""What workers do: read what is new in the files of a session and return what is to be stored of it (I/O)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field, structs

from otel_bridge.model import Session
from otel_bridge.pipeline.index.owners import user_of
from otel_bridge.pipeline.index.plan import FileJob, SessionJob
from otel_bridge.pipeline.index.secrets import redact_extract, redacted_meta
from otel_bridge.prices import price_call
from otel_bridge.redact import redact
from otel_bridge.sources.transcript.assemble.extract import FileExtract
from otel_bridge.sources.transcript.assemble.lanes import LaneSorter
from otel_bridge.sources.transcript.assemble.packing import pack
from otel_bridge.sources.transcript.calls import fingerprint
from otel_bridge.sources.transcript.growth import START, Checkpoint, read_growth
from otel_bridge.sources.transcript.lines import LineAccount
from otel_bridge.sources.transcript.load import SessionParts, load_session, read_agent_meta
from otel_bridge.sources.transcript.relations import Alone
from otel_bridge.store.rows import SessionRows, file_paths, session_rows
from otel_bridge.store.texts import IndexedText
from otel_bridge.vcs import BranchLink

StretchesOf = Callable[[int], Sequence[FileExtract]]
"""Id of a stored file → what its lines said so far."""

encode_account = msgspec.msgpack.Encoder().encode
_decode_account = msgspec.msgpack.Decoder(LineAccount).decode


def decode_account(data: bytes) -> LineAccount:
    """Return a stored account, an empty one where it is damaged: it says what became of lines and adds to no cost."""
    try:
        return _decode_account(data)
    except msgspec.MsgspecError:
        return LineAccount()


class FileReading(Struct):
    """What one file brought."""

    job: FileJob
    checkpoint: Checkpoint = START
    account: LineAccount = field(default_factory=LineAccount)
    """What became of the lines read."""
    tail_account: LineAccount = field(default_factory=LineAccount)
    chunk: bytes | None = None
    """What these lines say, packed; ``None`` for no lines."""
    tail: bytes | None = None
    keys: list[int] = field(default_factory=list)
    """Fingerprints of the keys of the calls in them."""
    texts: list[IndexedText] = field(default_factory=list)
    meta: bytes | None = None
    meta_mtime_ns: int = 0
    """0 without a meta file and for one that could not be read, so that it is looked at again."""
    is_rewritten: bool = False
    """It was read from the start, and what is stored of it is void."""
    is_readable: bool = True


class SessionReading(Struct):
    """What the files of one session brought."""

    job: SessionJob
    files: list[FileReading]
    user_name: str | None = None
    rows: SessionRows | None = None
    """Of a session that stands alone: what it is as long as it has no relatives."""
    texts: dict[str, str] = field(default_factory=dict)
    """What it can be found by as a whole (``session_texts``)."""
    started_ns: int = 0
    project: str | None = None
    branch_links: list[BranchLink] = field(default_factory=list)


def read_session(job: SessionJob, *, stretches_of: StretchesOf, now_ns: int, with_answers: bool) -> SessionReading:
    """Read the files of a session; put it together if it stands alone. A file that cannot be read is a problem."""
    sorter, total = LaneSorter(job.session_id), LineAccount()
    reading = SessionReading(job, [], user_of(job.files[0].file))
    for file_job in job.files:
        extract = _read_file(file_job, reading, stretches_of, with_answers=with_answers)
        if job.stands_alone:
            read = reading.files[-1]
            meta = None if read.meta is None else read_agent_meta(read.meta, file_job.file, total)
            sorter.add(extract, file_job.file.agent_id, meta)
            total.add(read.account)
            total.add(read.tail_account)
    if job.stands_alone:
        paths = tuple(sorted(file_job.file.path for file_job in job.files))
        _put_together(reading, SessionParts(sorter, total, paths), now_ns)
    return reading


def session_texts(session: Session, rows: SessionRows) -> dict[str, str]:
    """Return what a session can be found by as a whole, by kind: its title, and the files its tools were given."""
    return {"title": session.title or "", "path": "\n".join(file_paths(rows))}


def _put_together(reading: SessionReading, parts: SessionParts, now_ns: int) -> None:
    relations = Alone(parts.sorter)
    session = load_session(
        reading.job.session_id, lambda _: parts, price=price_call, now_ns=now_ns, relations=relations
    )
    started_ns, ended_ns = relations.own_times_ns(session.id)
    session = structs.replace(session, started_ns=started_ns, ended_ns=ended_ns)
    reading.rows = session_rows(session, user_name=reading.user_name)
    reading.texts, reading.started_ns = session_texts(session, reading.rows), started_ns
    reading.project, reading.branch_links = parts.sorter.project, parts.sorter.asides().branch_links


def _read_file(job: FileJob, session: SessionReading, stretches_of: StretchesOf, *, with_answers: bool) -> FileExtract:
    """Read one file, note what is to be stored and return what its new lines say."""
    stored_id = job.stored.id if job.stored is not None else 0
    reading = FileReading(job, job.checkpoint)
    session.files.append(reading)
    if job.meta_mtime_ns:
        _read_meta(job, reading)  # first: that an agent is done is written when all its lines are
    try:
        growth = read_growth(
            job.file,
            job.checkpoint,
            lambda: stretches_of(stored_id),
            until_bytes=_until_bytes(job),
            with_answers=with_answers,
        )
    except OSError as error:
        reading.is_readable = False
        reading.tail_account.report_file(job.file.path, "unreadable", error)
        return FileExtract()
    reading.checkpoint, reading.account = growth.checkpoint, growth.account
    reading.tail_account.add(growth.tail_account)
    reading.is_rewritten = growth.is_rewritten or job.checkpoint == START
    redact_extract(growth.extract)
    reading.chunk = pack(growth.extract, is_fresh=True) if growth.account.lines else None
    reading.keys = [fingerprint(key) for key in growth.extract.drafts]
    reading.texts = [IndexedText(text.kind, text.at_ns, text.ref, redact(text.text)) for text in growth.texts]
    if growth.tail is not None:
        redact_extract(growth.tail)
        reading.tail = pack(growth.tail, is_fresh=True)
        reading.keys += [fingerprint(key) for key in growth.tail.drafts]
        growth.extract.extend(growth.tail)
    return growth.extract


def _until_bytes(job: FileJob) -> int | None:
    """Return how far to read: a main transcript to where it ended when it was looked at, before its sub-agents were.

    Read further it could say that a sub-agent is done whose last lines were not there yet.
    """
    return job.file.size_bytes if job.file.agent_id is None else None


def _read_meta(job: FileJob, reading: FileReading) -> None:
    try:
        reading.meta = redacted_meta(Path(job.file.meta_path).read_bytes())
        reading.meta_mtime_ns = job.meta_mtime_ns
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            reading.tail_account.report_file(job.file.meta_path, "bad_meta", error)
