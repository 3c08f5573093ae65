"""``sessions.json`` and ``tasks.json`` of a project: written as a whole, when they change, and staged (I/O)."""

from __future__ import annotations

import codecs
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from hashlib import sha256
from pathlib import Path, PurePath

import msgspec
from msgspec import Struct

from otel_bridge.errors import BridgeError, NotFoundError, UsageError, WriteError
from otel_bridge.model import Session
from otel_bridge.output import write_whole
from otel_bridge.reports.active_time import GAP_NS
from otel_bridge.reports.sessions_json import sessions_json, sessions_report
from otel_bridge.reports.tasks_json import fill_tasks
from otel_bridge.reports.work import SessionWork, collect_work

METRICS_DIR = "docs/metrics"
"""Where a project keeps both, unless it says otherwise."""

SESSIONS_NAME, TASKS_NAME = "sessions.json", "tasks.json"
_GIT_TIMEOUT_S = 30


class MetricsOptions(Struct, frozen=True):
    """How sessions are reported."""

    zone: tzinfo
    """Whose days are meant."""
    state_dir: Path
    """Where is remembered which costs were filled in."""
    gap_ns: int = GAP_NS
    """A pause of this length is not active time."""


class TasksUpdate(Struct, frozen=True):
    """What became of ``tasks.json``."""

    has_changed: bool
    notes: list[str]
    """Sentences on what could not be done."""


def is_below(folder: str | None, project: Path) -> bool:
    """Tell whether a session's first working folder is ``project`` or below it."""
    if not folder:
        return False
    return any(PurePath(folder).is_relative_to(place) for place in {project.absolute(), project.resolve()})


def write_sessions(path: Path, works: Sequence[SessionWork], options: MetricsOptions) -> bool:
    """Write the report on sessions; False if the file has it already.

    Raises:
        WriteError: it cannot be written.
        UsageError: what is there cannot be read.
    """
    return _write(path, sessions_json(sessions_report(works, options.zone, options.gap_ns)))


def update_tasks(path: Path, works: Sequence[SessionWork], options: MetricsOptions) -> TasksUpdate:
    """Fill in what sessions tell of the tasks in a file.

    Raises:
        NotFoundError: there is no such file.
        BridgeError: it is no list of tasks, or cannot be read or written; it is as it was.
    """
    data = _read(path)
    if data is None:
        raise NotFoundError(
            f'{path}: no such file. Keep a list of tasks there, such as {{"tasks": []}}, or name another with --file'
        )
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    try:
        text = data.removeprefix(mark).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8; nothing was written: mend it") from None
    memory = options.state_dir / "filled" / f"{path_key(path)}.json"
    filled = fill_tasks(text, works, options.zone, name=str(path), gap_ns=options.gap_ns, ours_usd=_remembered(memory))
    has_changed = _write(path, mark + filled.text.encode())
    return TasksUpdate(has_changed, filled.notes + _remember(memory, filled.costs_usd))


def refresh_metrics(folder: Path, sessions: Iterable[Session], options: MetricsOptions) -> list[str]:
    """Write both files of a folder, ``tasks.json`` only where there is one, and stage them.

    Returns sentences on what could not be done; what could be done is done.
    """
    works = collect_work(sessions, options.zone)
    files, troubles = [folder / SESSIONS_NAME], list[str]()
    write_sessions(files[0], works, options)
    if (folder / TASKS_NAME).exists():
        files.append(folder / TASKS_NAME)
        try:
            troubles += update_tasks(files[1], works, options).notes
        except BridgeError as error:
            troubles.append(str(error))
    return troubles + stage(files)


def stage(files: Sequence[Path]) -> list[str]:
    """Add files of one folder to the index of the git repository they are in, if any, unless it ignores them.

    Returns a sentence if git cannot. Nothing is ever committed.
    """
    folder = files[0].resolve().parent
    if not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return []
    names = [file.name for file in files]
    try:
        ignored = _git(folder, "check-ignore", "--", *names).stdout.splitlines()
        wanted = [name for name in names if name not in ignored]
        added = _git(folder, "add", "--", *wanted) if wanted else None
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"{folder}: the files could not be staged: {error}"]
    if added is None or added.returncode == 0:
        return []
    return [f"{folder}: the files could not be staged: {added.stderr.strip()}"]


def path_key(path: Path) -> str:
    """Return a file name that stands for a place: what is remembered of it lies elsewhere, under that name."""
    return sha256(os.fsencode(path.resolve())).hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(  # noqa: S603 - file names are ours
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_GIT_TIMEOUT_S,
        check=False,
    )


def _remembered(memory: Path) -> dict[str, Decimal]:
    """Return the costs that were filled in before; none where nobody remembers."""
    try:
        return msgspec.json.decode(_read(memory) or b"{}", type=dict[str, Decimal])
    except (msgspec.MsgspecError, BridgeError):
        return {}


def _remember(memory: Path, costs_usd: Mapping[str, Decimal]) -> list[str]:
    try:
        _write(memory, msgspec.json.encode(costs_usd))
    except BridgeError as error:
        return [f"{error}; costs that were filled in now will not be brought up to date"]
    return []


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, data: bytes) -> bool:
    if _read(path) == data:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror}") from None
    write_whole(path, data)
    return True
