"""One pass over all files: look, read what is new on all cores, write it, settle what it changes (I/O)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from sqlite3 import Connection

from msgspec import Struct

from otel_bridge.parallel import collector_off, map_unordered
from otel_bridge.pipeline.index.faults import Fault, attempt, write_all_or_each
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.plan import SessionJob, make_plan
from otel_bridge.pipeline.index.reading import SessionReading, StretchesOf, read_session
from otel_bridge.pipeline.index.settling import settle
from otel_bridge.pipeline.index.writing import write_reading
from otel_bridge.prices import price_fingerprint
from otel_bridge.sources.transcript.discover import SessionFiles, discover_files, discover_sessions
from otel_bridge.store import files, kinship
from otel_bridge.store.database import filling, transaction
from otel_bridge.store.files import StoredFile
from otel_bridge.store.pruning import pruned_sessions

_PARALLEL_FROM_BYTES = 24 << 20

_BYTES_AT_ONCE = 64 << 20
"""Bytes of transcripts whose reading is one transaction: what an interruption loses of the work."""


class IndexOptions(Struct, frozen=True):
    """Decisions that hold for a whole run."""

    workers: int = 1
    with_answers: bool = False
    """Answers of models can be searched too."""


class PassReport(Struct):
    """What one pass did."""

    files: int = 0
    """Files there are."""
    files_read: int = 0
    lines_read: int = 0
    rows_written: int = 0
    unreadable_files: int = 0
    sessions: list[str] = []
    """Sessions whose rows were made anew."""
    is_unsettled: bool = False
    """Rows of other sessions have to be made anew too."""
    work_ns: dict[str, int] = {}
    """Processor time that putting sessions together took, where they were not new."""
    faults: list[Fault] = []
    """Sessions that we stumbled over: they are tried again in the next pass."""


def index_files(
    place: IndexPlace,
    roots: Iterable[Path],
    *,
    now_ns: int,
    options: IndexOptions,
    changed: Collection[str] | None = None,
    progress: Callable[[int, int], None] = lambda _, __: None,
    held: Collection[str] = (),
    between: Callable[[], object] = lambda: None,
) -> PassReport:
    """Bring the index up to date with the files under some roots; work is proportional to what is new.

    ``changed`` are paths to look at instead of all; ``progress`` is told bytes done and bytes to do. A pass that is
    interrupted loses what it was writing, nothing else; the next one goes on. ``held`` are sessions whose rows need not
    be made yet if only telemetry of them is new. ``between`` is called between the transactions that make rows, and may
    store telemetry.

    Raises:
        NotFoundError: a root does not exist or cannot be read.
        sqlite3.Error: the index cannot be written.
    """
    connection = place.connection
    rows_before = connection.total_changes
    pruned = pruned_sessions(connection)
    sessions, stored = _look(connection, roots, changed, pruned)
    plan = make_plan(sessions, stored, pruned)
    report = PassReport(files=sum(len(session.files) for session in sessions))
    if plan.gone:
        with transaction(connection):
            files.mark_gone(connection, (file.id for file in plan.gone))
    kinship.note_prices(connection, price_fingerprint())
    with ExitStack() as stack:
        if plan.jobs and files.are_none(connection):
            stack.enter_context(filling(connection))
        if _is_much(plan.jobs):
            stack.enter_context(collector_off())
        for batch in _batches(_readings(plan.jobs, place, now_ns, options), plan.jobs, progress):
            _write(connection, batch, report, now_ns)
    faulty = {fault.session_id for fault in report.faults}
    made = [job.session_id for job in plan.jobs if job.stands_alone and job.session_id not in faulty]
    held = set(held).difference(job.session_id for job in plan.jobs)
    settlement = settle(place, now_ns=now_ns, made=made, workers=options.workers, held=held, between=between)
    report.sessions, report.work_ns = settlement.sessions, settlement.work_ns
    report.faults += settlement.faults
    report.is_unsettled = bool(kinship.unsettled_sessions(connection))
    report.rows_written = connection.total_changes - rows_before
    return report


def _is_much(jobs: Iterable[SessionJob]) -> bool:
    """Tell whether there is so much to read that starting workers saves more than it costs."""
    return sum(job.size_bytes for job in jobs) >= _PARALLEL_FROM_BYTES


def _look(
    connection: Connection, roots: Iterable[Path], changed: Collection[str] | None, pruned: Collection[str]
) -> tuple[list[SessionFiles], list[StoredFile]]:
    """Return what is on disk and what is stored of it: everything, or what some changed paths are about."""
    if changed is not None and all(map(_is_file_of_interest, changed)):
        paths = {path.removesuffix(".meta.json").removesuffix(".jsonl") + ".jsonl" for path in changed}
        stored = {file.id: file for file in files.files_at(connection, paths)}
        paths.update(file.path for file in stored.values())
        sessions = discover_files(paths, {file.path: file.session_id for file in stored.values()})
        for session in sessions:
            stored.update({file.id: file for file in files.files_of_session(connection, session.session_id)})
        if not any(session.session_id in pruned for session in sessions):
            return sessions, list(stored.values())
    everything = files.all_files(connection)
    return discover_sessions(roots, {file.path: file.session_id for file in everything}), everything


def _is_file_of_interest(path: str) -> bool:
    """Tell a transcript from what may be a folder: a folder that came or went says nothing of its files."""
    return path.endswith((".jsonl", ".meta.json"))


def _readings(
    jobs: list[SessionJob], place: IndexPlace, now_ns: int, options: IndexOptions
) -> Iterator[tuple[SessionJob, SessionReading | Fault]]:
    by_size = sorted(jobs, key=lambda job: -job.size_bytes)
    read = partial(_read, stretches_of=place.stretches, now_ns=now_ns, with_answers=options.with_answers)
    if options.workers < 2 or not _is_much(jobs):
        return ((job, read(job)) for job in by_size)
    return map_unordered(read, by_size, options.workers)


def _read(job: SessionJob, *, stretches_of: StretchesOf, now_ns: int, with_answers: bool) -> SessionReading | Fault:
    read = partial(read_session, job, stretches_of=stretches_of, now_ns=now_ns, with_answers=with_answers)
    return attempt(job.session_id, "read", read)


def _batches(
    readings: Iterator[tuple[SessionJob, SessionReading | Fault]],
    jobs: list[SessionJob],
    progress: Callable[[int, int], None],
) -> Iterator[list[SessionReading | Fault]]:
    total, done, waiting = sum(job.size_bytes for job in jobs), 0, 0
    batch: list[SessionReading | Fault] = []
    for job, reading in readings:
        batch.append(reading)
        waiting += job.size_bytes
        if waiting >= _BYTES_AT_ONCE:
            yield batch
            done, waiting, batch = done + waiting, 0, []
            progress(done, total)
    if batch:
        yield batch
        progress(total, total)


def _write(connection: Connection, batch: Sequence[SessionReading | Fault], report: PassReport, now_ns: int) -> None:
    def write(readings: Sequence[SessionReading]) -> None:
        with transaction(connection):
            for reading in readings:
                write_reading(connection, reading, now_ns=now_ns)

    readings = [reading for reading in batch if not isinstance(reading, Fault)]
    written, faults = write_all_or_each(write, readings, lambda reading: reading.job.session_id)
    report.faults += [fault for fault in batch if isinstance(fault, Fault)] + faults
    for reading in written:
        _count(report, reading)


def _count(report: PassReport, reading: SessionReading) -> None:
    for file in reading.files:
        report.files_read += 1
        report.lines_read += file.account.lines + file.tail_account.lines
        report.unreadable_files += not file.is_readable
