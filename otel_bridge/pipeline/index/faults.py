"""Mistakes of ours that one session brings to light: all others are told nevertheless (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from sqlite3 import DatabaseError
from traceback import extract_tb
from typing import TypeVar

from msgspec import Struct

from otel_bridge.errors import BridgeError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_NO_SESSIONS_FAULT = (BridgeError, DatabaseError, OSError, MemoryError)
"""What hinders all sessions alike: it is passed on."""

_PACKAGE = Path(__file__).parents[2]


class Fault(Struct, frozen=True):
    """A session that cannot be worked on."""

    session_id: str
    sentence: str


def attempt(session_id: str, work: str, do: Callable[[], ResultT]) -> ResultT | Fault:
    """Return what ``do`` returns, or a fault where it stumbles over the session; ``work`` says what then cannot be."""
    try:
        return do()
    except _NO_SESSIONS_FAULT:
        raise
    except Exception as error:
        return _fault_of(session_id, work, error)


def write_all_or_each(
    write: Callable[[Sequence[ItemT]], object], items: Sequence[ItemT], session_of: Callable[[ItemT], str]
) -> tuple[list[ItemT], list[Fault]]:
    """Write items together or, where one of them hinders that, one by one; return those written, and the faults."""
    try:
        write(items)
    except _NO_SESSIONS_FAULT:
        raise
    except Exception as error:
        if len(items) == 1:
            return [], [_fault_of(session_of(items[0]), "written down", error)]
        parts = [write_all_or_each(write, [item], session_of) for item in items]
        return [item for written, _ in parts for item in written], [fault for _, faults in parts for fault in faults]
    return list(items), []


def _fault_of(session_id: str, work: str, error: Exception) -> Fault:
    """Return what to tell: where in our code it happened, and nothing of what the session says."""
    frames = [(Path(frame.filename), frame.lineno) for frame in extract_tb(error.__traceback__)]
    *_, (path, line) = [frame for frame in frames if _PACKAGE in frame[0].parents]
    place = f"{path.relative_to(_PACKAGE).as_posix()}:{line}"
    kind = type(error).__name__
    return Fault(session_id, f"session {session_id} cannot be {work}: {kind} at {place}; please report it")
