"""Mistakes of ours that one session brings to light: all others are told nevertheless (pure)."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import DatabaseError
from traceback import extract_tb

from msgspec import Struct

from otel_bridge.errors import BridgeError

NO_SESSIONS_FAULT = (BridgeError, DatabaseError, OSError, MemoryError)
"""What hinders all sessions alike: it is passed on."""

_PACKAGE = Path(__file__).parents[2]


class Fault(Struct, frozen=True):
    """A session that cannot be worked on."""

    session_id: str
    sentence: str


def fault_of(session_id: str, work: str, error: Exception) -> Fault:
    """Return what to tell: where in our code it happened, and nothing of what the session says."""
    frames = [(Path(frame.filename), frame.lineno) for frame in extract_tb(error.__traceback__)]
    *_, (path, line) = [frame for frame in frames if _PACKAGE in frame[0].parents]
    place = f"{path.relative_to(_PACKAGE).as_posix()}:{line}"
    kind = type(error).__name__
    return Fault(session_id, f"session {session_id} cannot be {work}: {kind} at {place}; please report it")
