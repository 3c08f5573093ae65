# ruff: noqa: PTH - thousands of files: strings are several times faster than Path
"""Which files belong to which session (I/O: lists folders, peeks into files whose name says too little)."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from otel_bridge.errors import NotFoundError

_UUID_AT_END = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)
_SESSION_ID = re.compile(rb'"sessionId"\s*:\s*"([^"]+)"')
_PEEK_BYTES = 1 << 16
_NOT_TRANSCRIPTS = frozenset({"journal.jsonl", "history.jsonl"})
"""A workflow run's journal and the prompt history: neither has usage."""


class TranscriptFile(Struct, frozen=True):
    """One ``.jsonl`` file: a main transcript, or a sub-agent's when ``agent_id`` is set."""

    path: str
    """A string: ``pathlib`` would cost more than everything else here on thousands of files."""
    session_id: str
    agent_id: str | None
    size_bytes: int


class SessionFiles(Struct, frozen=True):
    """All files of one session, in an order that does not depend on where they lie."""

    session_id: str
    files: tuple[TranscriptFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


def discover_sessions(roots: Iterable[Path]) -> list[SessionFiles]:
    """Return the sessions found in files and folders, sorted by session id.

    A session is named by the name of its file (DESIGN §3): the UUID a name ends with, else the whole stem. Main files
    of the same name under several project folders are one session. Sub-agent files belong to the session whose
    ``subagents`` folder they are in (2.1.2+), else to the ``sessionId`` of their lines (2.0.x, beside the sessions).

    Raises:
        NotFoundError: a root does not exist.
    """
    groups: dict[str, list[TranscriptFile]] = defaultdict(list)
    seen: set[tuple[int, int]] = set()
    for root in roots:
        if not root.exists():
            raise NotFoundError(f"no such file or folder: {root}. Give a transcript, a folder of them, or no path at all.")
        for path, status in _jsonl_files(str(root)):
            identity = status.st_dev, status.st_ino
            if identity not in seen:
                seen.add(identity)
                file = _transcript_file(path, status.st_size)
                if file is not None:
                    groups[file.session_id].append(file)
    return [
        SessionFiles(session_id, tuple(sorted(files, key=lambda file: (file.agent_id or "", -file.size_bytes, file.path))))
        for session_id, files in sorted(groups.items())
    ]


def _jsonl_files(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield candidates in a fixed order; links to files are followed, links to folders are not (they may be loops)."""
    if not os.path.isdir(root):
        yield root, os.stat(root)
        return
    folders = []
    with os.scandir(root) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.name.endswith(".jsonl") and entry.name not in _NOT_TRANSCRIPTS:
                with suppress(OSError):  # deleted meanwhile, or a dangling link
                    yield entry.path, entry.stat()
    for folder in folders:
        with suppress(PermissionError):
            yield from _jsonl_files(folder)


def _transcript_file(path: str, size_bytes: int) -> TranscriptFile | None:
    folder, name = os.path.split(path)
    stem = name.removesuffix(".jsonl")
    if stem.startswith("agent-"):
        session_id = _parent_session(folder) or _peek_session_id(path) or stem
        return TranscriptFile(path, session_id, stem.removeprefix("agent-"), size_bytes)
    uuid = _UUID_AT_END.search(stem)
    if uuid is None and _peek_session_id(path) is None:
        return None
    return TranscriptFile(path, uuid[0].lower() if uuid else stem, None, size_bytes)


def _parent_session(folder: str) -> str | None:
    parts = folder.split(os.sep)
    if "subagents" not in parts:
        return None
    return parts[len(parts) - 1 - parts[::-1].index("subagents") - 1] or None


def _peek_session_id(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            found = _SESSION_ID.search(file.read(_PEEK_BYTES))
    except OSError:
        return None
    return found[1].decode("utf-8", "replace") if found else None
