"""Old sessions archived, then removed from the index (I/O)."""

from __future__ import annotations

import gzip
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import chain, count
from pathlib import Path

import msgspec
from msgspec import Struct

from otel_bridge.errors import StoreError
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.settling import settle
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.pipeline.plain_json import json_text
from otel_bridge.pipeline.session_json import session_document
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from otel_bridge.store import kinship
from otel_bridge.store.cells import from_pusd
from otel_bridge.store.database import transaction
from otel_bridge.store.pruning import WeighedSession, remove_sessions, used_bytes, weighed_sessions

_SUFFIX = ".jsonl.gz"


class Choice(Struct, frozen=True):
    """What is to be kept."""

    before_ns: int | None = None
    """Sessions that ended before this go."""
    max_bytes: int | None = None
    """The oldest sessions go until the index is no larger."""


class Pruned(Struct):
    """What was removed, or would be."""

    sessions: int
    calls: int
    cost_usd: Decimal
    index_bytes: int
    """What that frees in the index, about."""
    archive: str | None = None
    """The file they are in now; ``None`` where nothing was done."""
    is_smaller: bool = True
    """False where there was no room to make the index file smaller: the place is free inside it."""


def choose(place: IndexPlace, choice: Choice) -> list[WeighedSession]:
    """Return the sessions to remove, the oldest first.

    A session with an open turn stays, and so does one that shares calls with a session that stays: whose calls they are
    could not be told any more.
    """
    connection = place.connection
    sessions = weighed_sessions(connection)
    left_bytes = used_bytes(connection)
    wanted: dict[str, WeighedSession] = {}
    for session in sessions:
        is_old = choice.before_ns is not None and session.ended_ns < choice.before_ns
        is_too_much = choice.max_bytes is not None and left_bytes > choice.max_bytes
        if (is_old or is_too_much) and not session.open_until_ns:
            wanted[session.session_id] = session
            left_bytes -= session.index_bytes
    related = set(kinship.sharing_sessions(connection))
    kept = {
        session_id
        for session_id in related & wanted.keys()
        if any(member not in wanted for member in kinship.family_of(connection, session_id))
    }
    return [session for session_id, session in wanted.items() if session_id not in kept]


def summary(sessions: Sequence[WeighedSession], archive: Path | None = None) -> Pruned:
    """Add up what goes."""
    return Pruned(
        len(sessions),
        sum(session.calls for session in sessions),
        from_pusd(sum(session.cost_pusd for session in sessions)),
        sum(session.index_bytes for session in sessions),
        str(archive) if archive else None,
    )


def prune(
    place: IndexPlace,
    sessions: Sequence[WeighedSession],
    archive: Path,
    *,
    now_ns: int,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> Pruned:
    """Write sessions to a compressed file, make sure that it is on the disk and whole, remove them from the index.

    Raises:
        StoreError: the archive cannot be written; nothing is removed then.
    """
    archive = _free_name(archive)
    library = StoredLibrary(place.connection, now_ns=now_ns, session_ids=[session.session_id for session in sessions])
    try:
        written = _archive(library, archive, progress)
    except OSError as error:
        with suppress(OSError):
            _partial(archive).unlink()
        raise StoreError(f"cannot write {archive}: {error.strerror or error}; nothing was removed") from error
    gone = [session for session in sessions if session.session_id in written]
    with transaction(place.connection):
        remove_sessions(place.connection, gone, archive=archive.name, now_ns=now_ns)
    settle(place, now_ns=now_ns)
    pruned = summary(gone, archive)
    try:
        place.connection.execute("VACUUM")
    except sqlite3.OperationalError:  # a copy of the index needs room, which who prunes may not have
        pruned.is_smaller = False
    return pruned


def _free_name(archive: Path) -> Path:
    """Return a name of no file yet: two prunes in one second are two archives."""
    stem = archive.name.removesuffix(_SUFFIX)
    names = chain([archive.name], (f"{stem}-{number}{_SUFFIX}" for number in count(2)))
    return next(path for name in names if not (path := archive.with_name(name)).exists())


def _archive(library: StoredLibrary, archive: Path, progress: Callable[[int, int], None]) -> set[str]:
    """Write every session as a line of JSON, read the file back and return the ids in it."""
    archive.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = _partial(archive)
    partial.touch(mode=0o600)
    with partial.open("wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:
            for number, session_id in enumerate(library.session_ids, 1):
                try:
                    packed.write(json_text(session_document(library[session_id])).encode() + b"\n")
                except ForeignFormatError:  # only its rows are left: it stays
                    continue
                progress(number, len(library.session_ids))
        raw.flush()
        os.fsync(raw.fileno())
    with gzip.open(partial) as lines:
        written = {msgspec.json.decode(line, type=_Archived).id for line in lines}
    partial.replace(archive)
    return written


def _partial(archive: Path) -> Path:
    return archive.with_name(f".{archive.name}.partial")


class _Archived(Struct):
    id: str
