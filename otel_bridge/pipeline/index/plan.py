"""Which files have to be read, and from where on: what is on disk beside what was read (I/O).

Files are looked at; only new sessions are opened, to see whether some begin alike.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct, field

from otel_bridge.sources.transcript.discover import SessionFiles, TranscriptFile, first_uuid
from otel_bridge.sources.transcript.growth import START, Checkpoint
from otel_bridge.store.files import StoredFile

DATA_VERSION = 1
"""Raised when reading a file gives something else than before: then files are read anew, as far as they are there."""


class FileJob(Struct):
    """One file to read."""

    file: TranscriptFile
    meta_mtime_ns: int
    """0 without a meta file."""
    stored: StoredFile | None = None
    """What is stored of it, or of one that may have been it: whether it was, its content tells."""

    @property
    def checkpoint(self) -> Checkpoint:
        """How far it has been read by this version under this session."""
        stored = self.stored
        if stored is None or stored.data_version != DATA_VERSION or stored.session_id != self.file.session_id:
            return START
        return Checkpoint(stored.offset_bytes, stored.lines, stored.crc)

    @property
    def has_moved(self) -> bool:
        """True where what is stored stood under another path."""
        return self.stored is not None and self.stored.path != self.file.path


class SessionJob(Struct):
    """The files of one session that have to be read."""

    session_id: str
    files: list[FileJob]
    is_new: bool
    """Nothing is stored of the session."""
    has_twin: bool = False
    """Another new session begins with the same record: one is a copy of the other as far as it goes."""

    @property
    def stands_alone(self) -> bool:
        """True where the session can be put together from these files alone, as far as is known before reading them."""
        return self.is_new and not self.has_twin

    @property
    def size_bytes(self) -> int:
        """Bytes to read, at least."""
        return sum(max(job.file.size_bytes - job.checkpoint.offset_bytes, 0) for job in self.files)


class Plan(Struct):
    """What a pass has to do."""

    jobs: list[SessionJob] = field(default_factory=list)
    gone: list[StoredFile] = field(default_factory=list)
    """Stored files that are there no more, and were till now."""


def make_plan(sessions: Sequence[SessionFiles], stored: Iterable[StoredFile], pruned: Mapping[str, int]) -> Plan:
    """Compare what is on disk with what is stored; a file that looks as it did needs not be opened.

    ``pruned`` has the bytes that sessions had when they were removed: such a session comes back when it has grown.
    """
    by_path = {file.path: file for file in stored}
    found = {file.path for session in sessions for file in session.files}
    elsewhere = [file for file in by_path.values() if file.path not in found]
    missing = [file for file in elsewhere if not os.path.lexists(file.path)]
    movable = _Movable(elsewhere, missing)
    known_sessions = {file.session_id for file in by_path.values()}
    plan = Plan()
    for session in sessions:
        if session.size_bytes <= pruned.get(session.session_id, -1):
            continue
        jobs = [job for file in session.files if (job := _job(file, by_path.get(file.path), movable)) is not None]
        if jobs:
            plan.jobs.append(SessionJob(session.session_id, jobs, session.session_id not in known_sessions))
    plan.gone = [file for file in missing if file.is_present]
    new = [job for job in plan.jobs if job.is_new]
    if len(new) > 1:
        _find_twins(new)
    return plan


def _find_twins(new: list[SessionJob]) -> None:
    """Mark the sessions that wait for each other; those that are not found out here are put together twice."""
    beginnings = [first_uuid(job.files[0].file) for job in new]
    sessions = Counter(beginnings)
    for job, beginning in zip(new, beginnings, strict=True):
        job.has_twin = beginning is not None and sessions[beginning] > 1


def _job(file: TranscriptFile, stored: StoredFile | None, movable: _Movable) -> FileJob | None:
    meta_mtime_ns = _meta_mtime_ns(file)
    if stored is None:
        return FileJob(file, meta_mtime_ns, movable.take(file))
    looks = (stored.size_bytes, stored.mtime_ns, (stored.device, stored.inode), stored.meta_mtime_ns)
    looks_the_same = looks == (file.size_bytes, file.mtime_ns, file.identity, meta_mtime_ns)
    is_usable = stored.is_present and stored.is_readable and stored.data_version == DATA_VERSION
    is_known = looks_the_same and is_usable and stored.session_id == file.session_id
    return None if is_known else FileJob(file, meta_mtime_ns, stored)


def _meta_mtime_ns(file: TranscriptFile) -> int:
    if file.agent_id is not None:
        with suppress(OSError):
            return os.stat(file.meta_path).st_mtime_ns or 1  # noqa: PTH116 - see TranscriptFile.path; archives say 0
    return 0


class _Movable:
    """Stored files that may be found again under other names."""

    def __init__(self, elsewhere: Iterable[StoredFile], missing: Iterable[StoredFile]) -> None:
        self.taken: set[int] = set()
        self._by_identity = {(file.device, file.inode): file for file in elsewhere}
        self._by_name = {(file.session_id, file.agent_id): file for file in missing}

    def take(self, file: TranscriptFile) -> StoredFile | None:
        """Return the stored file of the same inode, whatever its path; else a missing one of that session and agent."""
        candidate = self._by_identity.get(file.identity) or self._by_name.get((file.session_id, file.agent_id))
        if candidate is None or candidate.id in self.taken:
            return None
        self.taken.add(candidate.id)
        return candidate
