"""Opening the index for a run: alone to write, beside others to read, anew where its file is damaged (I/O)."""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from otel_bridge.errors import StoreError
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError, unpack_all
from otel_bridge.sources.transcript.calls import fingerprint
from otel_bridge.store import kinship
from otel_bridge.store.database import open_reader, open_writer, transaction
from otel_bridge.store.files import StoredFile, all_files, read_chunks
from otel_bridge.store.lock import WriterLock
from otel_bridge.store.refusals import refusal
from otel_bridge.store.salvage import discard, salvage, set_aside
from otel_bridge.store.soundness import mend_words, structural_damage

_TRY_EVERY_S = 1.0


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
        lock.claim(holder, wait_s=wait_s)
        with closing(open_or_recover(path, notify)) as connection:
            yield IndexPlace(path, connection, lock)


@contextmanager
def writing_when_possible(
    path: Path, *, holder: str, notify: Callable[[str], None], sleep: Callable[[float], object] = time.sleep
) -> Iterator[IndexPlace]:
    """Open the index as ``writing`` does, as soon as its disk is neither full nor read-only.

    Raises:
        BusyError: another process is writing.
        StoreError: nothing can be written there, and waiting would not help.
    """
    with ExitStack() as stack:
        while True:
            try:
                place = stack.enter_context(writing(path, holder=holder, notify=notify))
                break
            except StoreError as error:
                if not _may_pass(error):
                    raise
                notify(f"{error}; trying again until it works")
            sleep(_TRY_EVERY_S)
        yield place


def _may_pass(error: StoreError) -> bool:
    """Tell the state of a disk from a place that nobody may write to."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return isinstance(cause, OSError) and cause.errno in (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)


@contextmanager
def reading(path: Path) -> Iterator[IndexPlace]:
    """Open the index to read it as it is at this moment, whoever writes it meanwhile.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    try:
        connection = open_reader(path)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the index {path} cannot be read: {refusal(error)}") from error
    with closing(connection):
        _hold_still(connection)
        yield IndexPlace(path, connection)


def _hold_still(connection: sqlite3.Connection) -> None:
    """Let every question to an index be about the same moment: half a change is none.

    Only with a write-ahead log: an index that is filled for the first time has none, and its writer would have to wait.
    """
    if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()


def is_damage(error: sqlite3.Error) -> bool:
    """Tell a damaged file from a full disk, a lock and the like."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def repair(path: Path, damage: str, *, holder: str, notify: Callable[[str], None]) -> bool:
    """Mend an index that turned out to be damaged, and tell whether that was done here.

    It is looked at again first: another process may be mending it, or have done so. A damaged file is made anew, words
    of the search are made anew in their place, and files whose extracts cannot be unpacked are read again by the next
    pass.

    Raises:
        StoreError: there is none, or nothing can be written there.
    """
    with WriterLock(path) as lock:
        if not lock.acquire(holder):
            return False
        found = _structural_damage(path)
        if found:
            recover(path, damage or found, notify).close()
            return True
        with closing(open_writer(path)) as connection:
            has_mended_words = mend_words(connection)
            to_read = _read_again(connection)
    if has_mended_words:
        notify(f"the words of the search in {path} were not those of its texts: they are made anew")
    if to_read:
        notify(f"what the index {path} has of {to_read} transcripts cannot be read: the next pass reads them again")
    return has_mended_words or bool(to_read)


def unreadable_files(connection: sqlite3.Connection) -> list[StoredFile]:
    """Return the files whose extracts cannot be unpacked: they are damaged, or of another version."""
    return [file for file in all_files(connection) if not _is_readable(connection, file)]


def recover(path: Path, damage: str, notify: Callable[[str], None]) -> sqlite3.Connection:
    """Make an index anew with what can be read of a damaged one and no transcript tells, and set that one aside.

    The new one is made beside the damaged one: whoever is interrupted begins again and has lost nothing.

    Raises:
        StoreError: nothing can be written there.
        sqlite3.DatabaseError: the disk is full, say.
    """
    fresh = _beside(path)
    try:
        discard(fresh)
        with closing(open_writer(fresh)) as connection:
            saved = salvage(path, connection)
            _settle_later(connection)
            connection.execute("PRAGMA journal_mode = DELETE")  # all of it is in the one file that is renamed
        aside = set_aside(path)
        fresh.rename(path)
    except OSError as error:
        raise StoreError(f"cannot make the damaged index {path} anew: {error.strerror}") from error
    notify(f"the index {path} was damaged ({damage}): it is kept as {aside.name} and made anew from the transcripts")
    if saved.is_readable:
        notify(f"kept from it: {saved.files} transcripts that are there no more, {saved.sent} ids of what was sent")
    else:
        notify("nothing in it can be read: what was sent before is sent again, with the same ids")
    return open_writer(path)


def open_or_recover(path: Path, notify: Callable[[str], None]) -> sqlite3.Connection:
    """Open an index to write to it; a damaged one is made anew.

    Raises:
        StoreError: nothing can be written there.
    """
    fresh = _beside(path)
    try:
        if fresh.exists() and not path.exists():  # a recovery was interrupted between its last two steps
            fresh.rename(path)
        try:
            return open_writer(path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return recover(path, str(error), notify)
    except (sqlite3.DatabaseError, OSError) as error:
        raise StoreError(f"cannot write the index {path}: {refusal(error)}") from error


def _structural_damage(path: Path) -> str:
    try:
        with closing(open_reader(path)) as connection:
            return structural_damage(connection)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise StoreError(f"the index {path} cannot be read: {refusal(error)}") from error
        return str(error)


def _read_again(connection: sqlite3.Connection) -> int:
    """Let the next pass read the files anew whose extracts cannot be unpacked; return how many of them are there."""
    present = [(file.id,) for file in unreadable_files(connection) if file.is_present]
    with transaction(connection):
        connection.executemany("UPDATE files SET data_version = 0 WHERE id = ?", present)
    return len(present)


def _is_readable(connection: sqlite3.Connection, file: StoredFile) -> bool:
    try:
        unpack_all(read_chunks(connection, file.id, with_tail=True))
    except ForeignFormatError:
        return False
    return True


def _beside(path: Path) -> Path:
    """Return where an index is made that takes the place of a damaged one."""
    return path.with_name(f"{path.stem}.new{path.suffix}")


def _settle_later(connection: sqlite3.Connection) -> None:
    """Note which calls the sessions have whose files were saved; the next pass fills their rows."""
    with transaction(connection):
        for file in all_files(connection):
            session = kinship.row_id(connection, file.session_id)
            assert session is not None
            with suppress(ForeignFormatError):
                extract = unpack_all(read_chunks(connection, file.id, with_tail=True))
                kinship.add_calls(connection, session, map(fingerprint, extract.drafts))
            kinship.mark_unsettled(connection, [file.session_id])
