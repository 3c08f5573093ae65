"""Mistakes of ours that one session brings to light: all others are told nevertheless (pure)."""

from __future__ import annotations

from sqlite3 import DatabaseError
from traceback import extract_tb

from msgspec import Struct

from otel_bridge.errors import BridgeError

NO_SESSIONS_FAULT = (BridgeError, DatabaseError, OSError, MemoryError)
"""What hinders all sessions alike: passed on to whoever waits and tries again."""


class Fault(Struct, frozen=True):
    """A session that cannot be worked on."""

    session_id: str
    sentence: str


def fault(session_id: str, work: str, error: Exception) -> Fault:
    """Return what to tell: where it happened, and nothing of what the session says."""
    *_, (path, line, *_) = extract_tb(error.__traceback__)
    place = f"{path.rpartition('otel_bridge')[2].strip('/')}:{line}"
    kind = type(error).__name__
    return Fault(session_id, f"session {session_id} cannot be {work}: {kind} at {place}; please report it")
