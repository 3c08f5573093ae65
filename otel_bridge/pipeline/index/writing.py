"""What workers read, written to the index, session by session (I/O). The caller owns the transaction."""

from __future__ import annotations

from sqlite3 import Connection

from msgspec import structs

from otel_bridge.model import Session
from otel_bridge.pipeline.index.plan import DATA_VERSION
from otel_bridge.pipeline.index.reading import FileReading, SessionReading, decode_account, encode_account
from otel_bridge.pipeline.index.stored import read_stored
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError, pack, unpack_all
from otel_bridge.sources.transcript.calls import fingerprint
from otel_bridge.sources.transcript.growth import START
from otel_bridge.sources.transcript.lines import MAX_PROBLEMS_PER_FILE, LineAccount
from otel_bridge.store import files, kinship, texts
from otel_bridge.store.cells import storable
from otel_bridge.store.files import StoredFile
from otel_bridge.store.pruning import forget_pruned
from otel_bridge.store.rows import session_rows
from otel_bridge.store.tables import insert_sessions, set_user


def write_reading(connection: Connection, reading: SessionReading, *, now_ns: int) -> None:
    """Write what the files of a session brought. Its rows are made when it is settled, but for a new session's."""
    session_id = reading.job.session_id
    is_reread = any(file.is_rewritten and file.job.stored is not None for file in reading.files)
    kinship.mark_unsettled(connection, kinship.family_of(connection, session_id) if is_reread else [])
    kinship.mark_unsettled(connection, [session_id])
    session = _session_row(connection, reading)
    left = {left_id for file in reading.files if (left_id := _session_left(file)) is not None}
    for left_id in left:
        kinship.mark_unsettled(connection, kinship.family_of(connection, left_id))
    for file in reading.files:
        _write_file(connection, session, file, now_ns)
        kinship.add_calls(connection, session, file.keys)
    for changed_id in sorted(left | {session_id} if is_reread else left):
        _count_calls_anew(connection, changed_id)


def _session_left(reading: FileReading) -> str | None:
    """Return the session a file belonged to until now, ``None`` where that is no other one."""
    stored = reading.job.stored
    if stored is None or reading.job.has_moved or stored.session_id == reading.job.file.session_id:
        return None
    return stored.session_id


def _count_calls_anew(connection: Connection, session_id: str) -> None:
    session = kinship.row_id(connection, session_id)
    if session is None:
        return
    try:
        parts = read_stored(connection, session_id)
    except ForeignFormatError:  # another file of it is gone: what calls it had is known from before alone
        return
    kinship.forget_calls(connection, session)
    kinship.add_calls(connection, session, map(fingerprint, parts.sorter.drafts if parts else ()))


def _session_row(connection: Connection, reading: SessionReading) -> int:
    known = kinship.row_id(connection, reading.job.session_id)
    if known is not None:
        if reading.job.is_new:  # so far known by telemetry alone, which does not say whose machine it was on
            set_user(connection, known, reading.user_name)
        return known
    rows = reading.rows or session_rows(Session(reading.job.session_id, (), 0, 0), user_name=reading.user_name)
    insert_sessions(connection, [rows])
    forget_pruned(connection, reading.job.session_id)
    session = kinship.row_id(connection, reading.job.session_id)
    assert session is not None
    kinship.put_links(connection, session, reading.project, reading.branch_links)
    texts.set_session_texts(connection, session, reading.texts, reading.started_ns)
    return session


def _write_file(connection: Connection, session: int, reading: FileReading, now_ns: int) -> None:
    file_id = files.put_file(connection, _row(connection, reading, now_ns))
    if not reading.is_readable:
        return
    if reading.is_rewritten and reading.job.stored is not None:
        files.forget_chunks(connection, file_id)
        texts.delete_texts_of_file(connection, file_id)
    if reading.chunk is not None:
        files.add_chunk(connection, file_id, reading.chunk)
        _merge_chunks(connection, file_id)
    files.put_tail(connection, file_id, reading.tail)
    texts.add_texts(connection, session, file_id, reading.texts)


def _row(connection: Connection, reading: FileReading, now_ns: int) -> StoredFile:
    """Return the row of a file that was read, or could not be: then it keeps what it had."""
    job, file = reading.job, reading.job.file
    is_other = job.has_moved and (reading.is_rewritten or not reading.is_readable)
    before = files.file_by_id(connection, job.stored.id) if job.stored is not None and not is_other else None
    account = LineAccount() if before is None or reading.is_rewritten else decode_account(before.account)
    account.problems = [structs.replace(problem, path=storable(file.path)) for problem in account.problems]
    account.add(reading.account)
    _keep_first_problems(account, reading.tail_account)
    checkpoint = START if is_other and not reading.is_readable else reading.checkpoint
    return StoredFile(
        path=file.path,
        session_id=file.session_id,
        agent_id=file.agent_id,
        device=file.identity[0],
        inode=file.identity[1],
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        found_ns=before.found_ns if before is not None else now_ns,
        offset_bytes=checkpoint.offset_bytes,
        lines=checkpoint.lines,
        crc=checkpoint.crc,
        account=encode_account(account),
        tail_account=encode_account(reading.tail_account),
        meta=reading.meta if reading.is_readable or before is None else before.meta,
        meta_mtime_ns=reading.meta_mtime_ns if reading.is_readable else job.meta_mtime_ns,
        is_present=True,
        is_readable=reading.is_readable,
        data_version=DATA_VERSION,
        id=before.id if before is not None else 0,
    )


def _keep_first_problems(account: LineAccount, tail_account: LineAccount) -> None:
    """Keep the place of as many problems of a file as reading it at once would."""
    del account.problems[MAX_PROBLEMS_PER_FILE:]
    del tail_account.problems[MAX_PROBLEMS_PER_FILE - len(account.problems) :]


def _merge_chunks(connection: Connection, file_id: int) -> None:
    while merged := files.chunks_to_merge(connection, file_id):
        files.merge_chunks(connection, file_id, merged, pack(unpack_all([chunk.data for chunk in merged])))
