"""Opening the index for a run: alone to write, beside others to read, anew where its file is damaged (I/O)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from otel_bridge.errors import BusyError, StoreError
from otel_bridge.model import Session
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError, unpack_all
from otel_bridge.sources.transcript.calls import fingerprint
from otel_bridge.store import kinship
from otel_bridge.store.database import open_reader, open_writer, transaction
from otel_bridge.store.files import all_files, read_chunks
from otel_bridge.store.lock import WriterLock
from otel_bridge.store.rows import session_rows
from otel_bridge.store.salvage import salvage, set_aside
from otel_bridge.store.tables import insert_sessions

_LOOK_EVERY_S = 0.05


@contextmanager
def writing(
    path: Path, *, holder: str, wait_s: float = 0, notify: Callable[[str], None] = lambda _: None
) -> Iterator[IndexPlace]:
    """Open the index as its one writer; a damaged one is set aside and what can be read of it is kept.

    ``holder`` is what others are told who want to write meanwhile; ``notify`` is told of damage.

    Raises:
        BusyError: another process is writing and does not end in time.
        StoreError: nothing can be written there.
    """
    with WriterLock(path) as lock:
        deadline = time.monotonic() + wait_s
        while not lock.acquire(holder):
            if time.monotonic() >= deadline:
                raise BusyError(f"the index {path} is being written by {lock.holder()}; it keeps it up to date")
            time.sleep(_LOOK_EVERY_S)
        with closing(_open_or_recover(path, notify)) as connection:
            yield IndexPlace(path, connection)


@contextmanager
def reading(path: Path) -> Iterator[IndexPlace]:
    """Open the index to read it, whoever writes it meanwhile.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    try:
        connection = open_reader(path)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the index {path} cannot be read: {error}; `otel-bridge sync` repairs it") from error
    with closing(connection):
        yield IndexPlace(path, connection)


def is_damage(error: sqlite3.Error) -> bool:
    """Tell a damaged file from a full disk, a lock and the like."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def repair(path: Path, damage: str, *, holder: str, notify: Callable[[str], None]) -> None:
    """Recover an index that turned out to be damaged while it was used, unless another process does."""
    with WriterLock(path) as lock:
        if lock.acquire(holder):
            recover(path, damage, notify).close()


def recover(path: Path, damage: str, notify: Callable[[str], None]) -> sqlite3.Connection:
    """Set a damaged index aside and open a new one, with what can be read of the old one and no transcript tells."""
    aside = set_aside(path)
    notify(f"the index {path} is damaged ({damage}): it is kept as {aside.name} and made anew from the transcripts")
    connection = open_writer(path)
    saved = salvage(aside, connection)
    if saved.is_readable:
        _settle_later(connection)
        notify(f"kept from it: {saved.files} transcripts that are there no more, {saved.sent} ids of what was sent")
    else:
        notify("nothing in it can be read: what was sent before is sent again, with the same ids")
    return connection


def _open_or_recover(path: Path, notify: Callable[[str], None]) -> sqlite3.Connection:
    try:
        return open_writer(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise StoreError(f"cannot write the index {path}: {error}") from error
        return recover(path, str(error), notify)


def _settle_later(connection: sqlite3.Connection) -> None:
    """Make bare rows of the sessions whose files were saved: the next pass fills them."""
    with transaction(connection):
        for file in all_files(connection):
            session_id = file.session_id
            if kinship.row_id(connection, session_id) is None:
                insert_sessions(connection, [session_rows(Session(session_id, (), 0, 0))])
            session = kinship.row_id(connection, session_id)
            assert session is not None
            with suppress(ForeignFormatError):
                extract = unpack_all(read_chunks(connection, file.id, with_tail=True))
                kinship.add_calls(connection, session, map(fingerprint, extract.drafts))
            kinship.mark_unsettled(connection, [session_id])
