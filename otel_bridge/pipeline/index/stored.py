"""Sessions as the index has them: put together from stored extracts, related by stored facts (I/O: asks the index)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from sqlite3 import Connection
from typing import TYPE_CHECKING, TypeVar

import msgspec

from otel_bridge.pipeline.index.reading import decode_account
from otel_bridge.pipeline.sessions import Library
from otel_bridge.sources.transcript.assemble.lanes import LaneSorter
from otel_bridge.sources.transcript.assemble.packing import unpack_all
from otel_bridge.sources.transcript.census import SessionCensus
from otel_bridge.sources.transcript.discover import TranscriptFile, group_files
from otel_bridge.sources.transcript.lines import LineAccount
from otel_bridge.sources.transcript.load import SessionParts, read_agent_meta
from otel_bridge.sources.transcript.ownership import Ownership, resolve_ownership
from otel_bridge.sources.transcript.relations import Relations, in_time_order
from otel_bridge.store.files import StoredFile, files_of_session, read_chunks
from otel_bridge.store.kinship import family_of, links_of_project, stored_ids
from otel_bridge.store.native import has_native, native_points, native_records
from otel_bridge.vcs import BranchLink

if TYPE_CHECKING:
    from otel_bridge.sources.native.metrics.records import NativePoint
    from otel_bridge.sources.native.records import NativeRecord

_Kind = TypeVar("_Kind")

_REMEMBERED = 4
"""Sessions whose parts are kept at a time: a session, its origin, and others of a small family. Parts may be large."""


class StoredRelations(Relations):
    """What the index knows of the relations of its sessions, at one moment: make a new one after it was written to."""

    def __init__(self, connection: Connection, parts_of: Callable[[str], SessionParts | None]) -> None:
        self._connection = connection
        self._parts_of = parts_of
        self._ownerships: dict[str, Ownership] = {}
        self._census_of = lru_cache(_REMEMBERED)(lambda session_id: self.sorter(session_id).census())

    def ownership(self, session_id: str) -> Ownership:
        """Return who owns the calls of the session's family."""
        known = self._ownerships.get(session_id)
        if known is None:
            family = family_of(self._connection, session_id)
            known = resolve_ownership(map(self.census, family)) if len(family) > 1 else Ownership()
            self._ownerships.clear()  # families are looked at one after the other
            self._ownerships.update(dict.fromkeys(family, known))
        return known

    def branch_links(self, session_id: str) -> tuple[BranchLink, ...]:
        """Return what other sessions of the same project linked."""
        project = self.sorter(session_id).project
        return in_time_order(links_of_project(self._connection, project, session_id)) if project else ()

    def has_client_total(self, session_id: str) -> bool:
        """Tell whether the client wrote a total of the session."""
        return bool(self.sorter(session_id).asides().cost_states)

    def census(self, session_id: str) -> SessionCensus:
        """Return the census of a stored session."""
        return self._census_of(session_id)

    def sorter(self, session_id: str) -> LaneSorter:
        """Return what all files of a stored session say."""
        parts = self._parts_of(session_id)
        assert parts is not None, f"session {session_id} is not stored"
        return parts.sorter


class StoredLibrary(Library):
    """The sessions of the index, those of deleted files among them."""

    def __init__(self, connection: Connection, *, now_ns: int, session_ids: Iterable[str] | None = None) -> None:
        ids = stored_ids(connection) if session_ids is None else session_ids
        self._connection = connection
        parts_of = lru_cache(_REMEMBERED)(partial(read_stored, connection))
        super().__init__(ids, parts_of, now_ns=now_ns, keep_content=False)
        self._relations = StoredRelations(connection, parts_of)

    @property
    def relations(self) -> StoredRelations:
        """What the sessions have to do with each other."""
        return self._relations

    def native_records(self, session_id: str) -> Sequence[NativeRecord]:
        """Return what was received of a session."""
        stored = native_records(self._connection, session_id)
        if not stored:
            return ()
        from otel_bridge.sources.native.records import unpack  # noqa: PLC0415 - 10 ms, seldom wanted

        return _unpacked(unpack, stored)

    def native_points(self, session_id: str) -> Sequence[NativePoint]:
        """Return what the client counted of a session."""
        stored = native_points(self._connection, session_id)
        if not stored:
            return ()
        from otel_bridge.sources.native.metrics.records import unpack_point  # noqa: PLC0415 - as above

        return _unpacked(unpack_point, stored)

    def of_projects(self, is_wanted: Callable[[str | None], bool]) -> StoredLibrary:
        """Return the sessions of some projects: of those whose folder is wanted. What they pass over, this does too."""
        rows = self._connection.execute("SELECT session_id, project FROM sessions")
        wanted = [session_id for session_id, project in rows if is_wanted(project)]
        library = StoredLibrary(self._connection, now_ns=self._now_ns, session_ids=wanted)
        library.passed_over = self.passed_over
        return library


def _unpacked(unpack_one: Callable[[bytes], _Kind], stored: Iterable[bytes]) -> list[_Kind]:
    """Return what was stored, but for what only another version can read."""
    found = []
    for data in stored:
        with suppress(msgspec.MsgspecError):
            found.append(unpack_one(data))
    return found


def read_stored(connection: Connection, session_id: str) -> SessionParts | None:
    """Return what all files of a session said, nothing for one known by telemetry alone; ``None`` if it is not stored.

    Raises:
        ForeignFormatError: an older version stored it in a way that cannot be read any more.
    """
    stored = {file.path: file for file in files_of_session(connection, session_id)}
    sorter, total = LaneSorter(session_id), LineAccount()
    if not stored:
        return SessionParts(sorter, total, ()) if has_native(connection, session_id) else None
    (session,) = group_files(_transcript_file(file) for file in stored.values())
    for file in session.files:
        row = stored[file.path]
        account = decode_account(row.account)
        account.add(decode_account(row.tail_account))
        meta = None if row.meta is None else read_agent_meta(row.meta, file, account)
        sorter.add(unpack_all(read_chunks(connection, row.id, with_tail=True)), file.agent_id, meta)
        total.add(account)
    return SessionParts(sorter, total, tuple(sorted(stored)))


def total_account(connection: Connection) -> LineAccount:
    """Return what became of all lines of all files, with the problems of all sessions."""
    total = LineAccount()
    for row in connection.execute("SELECT account, tail_account FROM files"):
        for account in map(decode_account, row):
            total.add(account)
    return total


def _transcript_file(row: StoredFile) -> TranscriptFile:
    return TranscriptFile(row.path, row.session_id, row.agent_id, row.size_bytes)
