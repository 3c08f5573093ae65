"""The index as commands use it: where it lies, brought up to date before it is read."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otel_bridge.cli.options import no_transcripts, samples_folder
from otel_bridge.cli.printable import say
from otel_bridge.cli.progress import progress_bars
from otel_bridge.errors import BusyError, NotFoundError, StoreError
from otel_bridge.pipeline.index.opening import is_damage, reading, repair, writing
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.settings import data_folder, environment, present_roots, worker_count
from otel_bridge.sources.transcript.discover import discover_sessions
from otel_bridge.store.database import FILE_NAME, is_blank
from otel_bridge.store.pruning import pruned_sessions
from otel_bridge.store.refusals import refusal

if TYPE_CHECKING:
    from otel_bridge.pipeline.index.passes import IndexOptions, PassReport

SAMPLES_FILE_NAME = "samples.sqlite3"
"""Samples have an index of their own: they never mix with what somebody did."""

data_dir_option = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Folder of the index; default: OTEL_BRIDGE_DATA_DIR, else the system's folder for data.",
)  # fmt: skip
no_sync_option = click.option("--no-sync", is_flag=True, help="Read the index as it is; write nothing.")


def index_path(data_dir: Path | None, *, samples: bool = False) -> Path:
    """Return where the index lies."""
    return (data_dir or data_folder(environment())) / (SAMPLES_FILE_NAME if samples else FILE_NAME)


def holder(command: str) -> str:
    """Return who we are, as another process is told that finds the index being written."""
    return f"`otel-bridge {command}` (process {os.getpid()})"


class Source:
    """Which index a command works on, and which folders fill it."""

    def __init__(self, paths: Sequence[Path], data_dir: Path | None, *, or_samples: bool) -> None:
        self.roots = list(paths) or present_roots(environment())
        self.path = index_path(data_dir)
        self.is_samples = False
        if or_samples and not discover_sessions(self.roots) and not _may_have_sessions(self.path):
            click.echo("no transcripts found: using the bundled sample sessions", err=True)
            self.is_samples = True
            self.roots = [samples_folder()]
            self.path = index_path(data_dir, samples=True)


def _may_have_sessions(path: Path) -> bool:
    with suppress(StoreError, sqlite3.DatabaseError):
        return _has_sessions(path)
    return True  # whatever is wrong with it is for the command to find


def _has_sessions(path: Path) -> bool:
    if is_blank(path):
        return False
    with reading(path) as place:
        return place.connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchone() is not None


@contextmanager
def current_index(data_dir: Path | None, *, or_samples: bool = False, no_sync: bool = False) -> Iterator[IndexPlace]:
    """Open the index to read it, after a pass over what is new.

    Where another process writes it, that one keeps it up to date. Where nothing can be written, it is read as it is;
    if there is nothing in it, one is made for this command alone.

    Raises:
        NotFoundError: there is nothing in it.
        StoreError: it cannot be made or read.
    """
    source = Source((), data_dir, or_samples=or_samples)
    try:
        with ExitStack() as stack:
            if not no_sync:
                _bring_up_to_date(source, stack)
            place = stack.enter_context(reading(source.path))
            if place.connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchone() is None:
                raise _nothing_found(source, place)
            yield place
    except sqlite3.DatabaseError as error:
        if not is_damage(error) or no_sync:
            raise StoreError(
                f"the index {source.path} cannot be read: {refusal(error)}; `otel-bridge db check` tells more"
            ) from error
        if repair(source.path, str(error), holder=holder("sync"), notify=_warn):
            raise StoreError(f"the index {source.path} was damaged and is mended: run the command again") from error
        raise StoreError(
            f"the index {source.path} could not be read: {error}; run the command again, and `otel-bridge db check` if"
            " that does not help"
        ) from error


def index_now(source: Source, *, command: str, options: IndexOptions, wait_s: float = 0) -> PassReport:
    """Make one pass over the folders of a source; a damaged index is repaired first.

    Raises:
        BusyError: another process writes the index.
        StoreError: it cannot be written.
    """
    try:
        return _one_pass(source, command, options, wait_s)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise _not_written(source, error) from error
        repair(source.path, str(error), holder=holder(command), notify=_warn)
    try:
        return _one_pass(source, command, options, wait_s)
    except sqlite3.DatabaseError as error:
        raise _not_written(source, error) from error


@contextmanager
def writer(source: Source, *, command: str, wait_s: float = 0) -> Iterator[IndexPlace]:
    """Open the index as its one writer.

    Raises:
        BusyError: another process writes it.
        StoreError: it cannot be written.
    """
    try:
        with _in_turn(source, command, wait_s) as place:
            yield place
    except sqlite3.DatabaseError as error:
        raise _not_written(source, error) from error


def first_pass(place: IndexPlace, roots: Sequence[Path], options: IndexOptions) -> PassReport:
    """Bring an open index up to date, with a bar on stderr where that takes a while, and tell what went wrong in it."""
    from otel_bridge.pipeline.index.passes import index_files

    with progress_bars("indexing") as (set_progress,):
        report = index_files(place, roots, now_ns=time.time_ns(), options=options, progress=set_progress)
    for fault in report.faults:
        _warn(fault.sentence)
    return report


def _one_pass(source: Source, command: str, options: IndexOptions, wait_s: float) -> PassReport:
    with _in_turn(source, command, wait_s) as place:
        return first_pass(place, source.roots, options)


@contextmanager
def _in_turn(source: Source, command: str, wait_s: float) -> Iterator[IndexPlace]:
    try:
        with writing(source.path, holder=holder(command), wait_s=wait_s, notify=_warn) as place:
            yield place
    except BusyError as error:
        raise BusyError(f"{error}; `otel-bridge sync --wait SECONDS` waits for its turn") from error


def _bring_up_to_date(source: Source, stack: ExitStack) -> None:
    from otel_bridge.pipeline.index.passes import IndexOptions

    options = IndexOptions(worker_count())
    try:
        index_now(source, command="sync", options=options)
    except BusyError:
        pass
    except StoreError as error:
        if _has_sessions(source.path):
            _warn(f"{error}; read as it is, without what is new")
            return
        _warn(f"{error}; one is made for this command alone")
        from tempfile import TemporaryDirectory

        source.path = Path(stack.enter_context(TemporaryDirectory(prefix="otel-bridge-"))) / FILE_NAME
        index_now(source, command="sync", options=options)


def _nothing_found(source: Source, place: IndexPlace) -> NotFoundError:
    pruned = len(pruned_sessions(place.connection))
    if pruned:
        return NotFoundError(
            f"the index {source.path} is empty: all of its sessions were pruned ({pruned:,}); they are in the archive,"
            " and one comes back when its transcript grows"
        )
    if waiting := len(discover_sessions(source.roots)):
        return NotFoundError(
            f"the index {source.path} is empty: `otel-bridge sync` reads the {waiting:,} sessions that were found"
        )
    return no_transcripts(source.roots)


def _not_written(source: Source, error: sqlite3.DatabaseError) -> StoreError:
    return StoreError(f"cannot write the index {source.path}: {refusal(error)}")


def _warn(line: str) -> None:
    say(f"! {line}")
