"""One pass over all files: look, read what is new on all cores, write it, settle what it changes (I/O)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from otel_bridge.parallel import map_unordered
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.plan import SessionJob, make_plan
from otel_bridge.pipeline.index.reading import SessionReading, read_session
from otel_bridge.pipeline.index.settling import settle
from otel_bridge.pipeline.index.writing import write_reading
from otel_bridge.sources.transcript.discover import discover_sessions
from otel_bridge.store import files
from otel_bridge.store.database import transaction
from otel_bridge.store.pruning import pruned_sessions

_PARALLEL_FROM_BYTES = 24 << 20
"""Below this, starting workers costs more than it saves."""

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


def index_files(
    place: IndexPlace,
    roots: Iterable[Path],
    *,
    now_ns: int,
    options: IndexOptions,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> PassReport:
    """Bring the index up to date with the files under some roots; work is proportional to what is new.

    ``progress`` is told bytes done and bytes to do. An interrupted pass loses what it was writing, nothing else; the
    next one goes on. Raises sqlite3.Error if the index cannot be written.
    """
    connection = place.connection
    rows_before = connection.total_changes
    stored = files.all_files(connection)
    sessions = discover_sessions(roots, {file.path: file.session_id for file in stored})
    plan = make_plan(sessions, stored, pruned_sessions(connection))
    report = PassReport(files=sum(len(session.files) for session in sessions))
    if plan.gone:
        with transaction(connection):
            files.mark_gone(connection, (file.id for file in plan.gone))
    for batch in _batches(_readings(plan.jobs, place, now_ns, options), plan.jobs, progress):
        with transaction(connection):
            for reading in batch:
                write_reading(connection, reading)
                _count(report, reading)
    made = [job.session_id for job in plan.jobs if job.is_new]
    report.sessions = settle(place, now_ns=now_ns, made=made, workers=options.workers)
    report.rows_written = connection.total_changes - rows_before
    return report


def _readings(
    jobs: list[SessionJob], place: IndexPlace, now_ns: int, options: IndexOptions
) -> Iterator[tuple[SessionJob, SessionReading]]:
    by_size = sorted(jobs, key=lambda job: -job.size_bytes)
    read = partial(read_session, stretches_of=place.stretches, now_ns=now_ns, with_answers=options.with_answers)
    if options.workers < 2 or sum(job.size_bytes for job in jobs) < _PARALLEL_FROM_BYTES:
        return ((job, read(job)) for job in by_size)
    return map_unordered(read, by_size, options.workers)


def _batches(
    readings: Iterator[tuple[SessionJob, SessionReading]],
    jobs: list[SessionJob],
    progress: Callable[[int, int], None],
) -> Iterator[list[SessionReading]]:
    total, done, waiting, batch = sum(job.size_bytes for job in jobs), 0, 0, []
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


def _count(report: PassReport, reading: SessionReading) -> None:
    for file in reading.files:
        report.files_read += 1
        report.lines_read += file.account.lines + file.tail_account.lines
        report.unreadable_files += not file.is_readable
