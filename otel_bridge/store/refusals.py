"""What SQLite could not do, in words that say what is so and what to do (pure)."""

from __future__ import annotations

import sqlite3

_RIGHTS = "check the rights to this file and its folder"
_LOCKED = "another program has it locked: end that one, or wait until it is done"
_DAMAGED = "`otel-bridge db repair` mends it"
_ADVICE = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "see whether there is room on the disk, and whether it is well",
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_CANTOPEN: _RIGHTS,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def refusal(error: Exception) -> str:
    """Return what SQLite says, and what can be done about it where that is known."""
    advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return f"{error}; {advice}" if advice else str(error)
