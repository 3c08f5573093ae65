"""Which files belong to which session (I/O: lists folders, peeks into files whose name says too little).

Paths are strings here: ``pathlib`` would cost several times more than everything else on thousands of files.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType

from msgspec import Struct

from otel_bridge.errors import NotFoundError

_UUID_AT_END = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)
_SESSION_ID = re.compile(rb'"sessionId"\s*:\s*"([^"]+)"')
_PEEK_BYTES = 1 << 16
_FIRST_UUID = re.compile(rb'"uuid"\s*:\s*"([^"]+)"')
_AGENT = "agent-"
_NOT_TRANSCRIPTS = frozenset({"journal.jsonl", "history.jsonl"})
"""A workflow run's journal and the prompt history: neither has usage."""


class TranscriptFile(Struct, frozen=True):
    """One ``.jsonl`` file: a main transcript, or a sub-agent's when ``agent_id`` is set."""

    path: str
    session_id: str
    agent_id: str | None
    size_bytes: int
    mtime_ns: int = 0
    identity: tuple[int, int] = (0, 0)
    """Device and inode."""
    owner_id: int = -1
    """Number of the account that owns it."""

    @property
    def meta_path(self) -> str:
        """Where the client describes a sub-agent, if it does."""
        return self.path.removesuffix(".jsonl") + ".meta.json"


class SessionFiles(Struct, frozen=True):
    """All files of one session, in an order that does not depend on where they lie."""

    session_id: str
    files: tuple[TranscriptFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


def discover_sessions(roots: Iterable[Path], known: Mapping[str, str] = MappingProxyType({})) -> list[SessionFiles]:
    """Return the sessions found in files and folders, sorted by session id.

    ``known`` tells the session of files that were looked into before, by path.

    A session is named by its file (docs/counting.md): by the UUID the name ends with, else by the stem. Main files
    of the same name under several project folders are one session. Sub-agent files belong to the session whose
    ``subagents`` folder they are in (2.1.2+), else to the ``sessionId`` of their lines (2.0.x, beside the sessions).
    A transcript given by itself brings the sub-agents beneath it. A file or folder that is reached twice, by
    overlapping roots or links, is taken once.

    Raises:
        NotFoundError: a root does not exist or cannot be read.
    """
    return _sessions((found for root in roots for found in _candidates(str(root))), known)


def discover_files(paths: Iterable[str], known: Mapping[str, str]) -> list[SessionFiles]:
    """Return the sessions of some files, as far as these are transcripts and there, with these files alone.

    A main transcript brings the sub-agents beneath it, looked at after it: what it says they did is in them by then.
    """
    found = [candidate for path in sorted(paths, key=_look_order) for candidate in _with_agents(path)]
    return _sessions(found, known)


def _with_agents(path: str) -> Iterator[tuple[str, os.stat_result]]:
    name = os.path.basename(path)  # noqa: PTH119
    if name.endswith(".jsonl") and name not in _NOT_TRANSCRIPTS:
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116
            if S_ISREG(status.st_mode):
                yield path, status
        if not name.startswith(_AGENT):
            yield from _jsonl_files(os.path.join(path.removesuffix(".jsonl"), "subagents"), set())  # noqa: PTH118


def _look_order(path: str) -> tuple[bool, str]:
    """Return what puts sub-agents' files behind the others: a client writes to them first."""
    return os.path.basename(path).startswith(_AGENT), path  # noqa: PTH119


def _sessions(found: Iterable[tuple[str, os.stat_result]], known: Mapping[str, str]) -> list[SessionFiles]:
    candidates: dict[tuple[int, int], tuple[str, os.stat_result]] = {}
    for path, status in found:
        identity = status.st_dev, status.st_ino
        taken = candidates.get(identity)
        if taken is None or _name_order(path) < _name_order(taken[0]):
            candidates[identity] = path, status
    return group_files(
        TranscriptFile(path, session_id, agent_id, status.st_size, status.st_mtime_ns, identity, status.st_uid)
        for identity, (path, status) in candidates.items()
        for session_id, agent_id in _whose(path, known)
    )


def first_uuid(file: TranscriptFile) -> bytes | None:
    """Return the first uuid in a file, with which copies of its history begin too; ``None`` where none is near."""
    found = _FIRST_UUID.search(_beginning(file.path) or b"")
    return found[1] if found else None


def as_text(name: str) -> str:
    r"""Return a name as UTF-8 can hold it: bytes of it that are no text become ``\udcNN``."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def group_files(files: Iterable[TranscriptFile]) -> list[SessionFiles]:
    """Return files by session, sorted by session id."""
    groups: dict[str, list[TranscriptFile]] = defaultdict(list)
    for file in files:
        groups[file.session_id].append(file)
    return [
        SessionFiles(session_id, tuple(sorted(group, key=_file_order))) for session_id, group in sorted(groups.items())
    ]


def _name_order(path: str) -> tuple[bool, str]:
    """Return what the best name of a file is the least of: one with a session id in it."""
    return _named_session(path.removesuffix(".jsonl")) is None, path


def _file_order(file: TranscriptFile) -> tuple[str, int, str]:
    return file.agent_id or "", -file.size_bytes, file.path


def _candidates(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files that may be transcripts under a root that must be readable."""
    try:
        status = os.stat(root)  # noqa: PTH116 - strings, see above
        if not os.path.isdir(root):  # noqa: PTH112
            yield root, status
            yield from _jsonl_files(os.path.join(root.removesuffix(".jsonl"), "subagents"), set())  # noqa: PTH118
            return
        os.scandir(root).close()
    except FileNotFoundError:
        raise NotFoundError(
            f"no such file or folder: {root}. Give a transcript, a folder of them, or no path at all."
        ) from None
    except OSError as error:
        raise NotFoundError(f"cannot read {root}: {error.strerror}. Give a path you may read.") from error
    yield from _jsonl_files(root, set())


def _jsonl_files(folder: str, entered: set[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield files in a fixed order; links are followed, each folder is entered once (links may be loops)."""
    folders = []
    with suppress(OSError):  # deleted meanwhile, or not ours to read
        status = os.stat(folder)  # noqa: PTH116
        identity = status.st_dev, status.st_ino
        if identity in entered:
            return
        entered.add(identity)
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: _look_order(entry.name)):
                if entry.name.endswith(".jsonl") and entry.name not in _NOT_TRANSCRIPTS:
                    with suppress(OSError):  # a dangling link
                        status = entry.stat()
                        if S_ISREG(status.st_mode):
                            yield entry.path, status
                elif entry.is_dir():
                    folders.append(entry.path)
    for inner in folders:
        yield from _jsonl_files(inner, entered)


def _whose(path: str, known: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield the session and, for a sub-agent's file, the agent a file belongs to; nothing for other files."""
    folder, name = os.path.split(path)
    stem = as_text(name.removesuffix(".jsonl"))
    if stem.startswith(_AGENT):
        session_id = _parent_session(folder) or known.get(path) or _peek_session_id(path, or_else=stem)
        if session_id is not None:
            yield session_id, stem.removeprefix(_AGENT) or stem
    elif session_id := _named_session(stem) or "":
        yield session_id, None
    elif known.get(path) or _peek_session_id(path) is not None:
        yield stem, None


def _named_session(name: str) -> str | None:
    uuid = _UUID_AT_END.search(name)
    return uuid[0].lower() if uuid else None


def _parent_session(folder: str) -> str | None:
    """Return the session a ``subagents`` folder lies under; a folder of that name higher up says nothing."""
    parts = folder.split(os.sep)  # noqa: PTH206
    if "subagents" not in parts:
        return None
    above = parts[: len(parts) - 1 - parts[::-1].index("subagents")]
    name = above[-1] if above else ""
    if os.path.exists(os.sep.join([*above[:-1], f"{name}.jsonl"])):  # noqa: PTH110, PTH118
        return _named_session(name) or as_text(name)
    return _named_session(name)


def _peek_session_id(path: str, *, or_else: str | None = None) -> str | None:
    """Return the first session id in a file, ``or_else`` for none; ``None`` while its first line is being written."""
    beginning = _beginning(path)
    if beginning is None:
        return or_else
    if found := _SESSION_ID.search(beginning):
        return found[1].decode("utf-8", "replace")
    return or_else if b"\n" in beginning or len(beginning) == _PEEK_BYTES else None


def _beginning(path: str) -> bytes | None:
    """Return the first bytes of a file, ``None`` for one that cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read(_PEEK_BYTES)
    except OSError:
        return None
