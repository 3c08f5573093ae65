"""Whether the index is sound as SQLite sees it, and its words made anew (I/O)."""

from __future__ import annotations

import sqlite3

_WORDS = "texts_fts"
_MOST_FOUND = 5


def structural_damage(connection: sqlite3.Connection) -> str:
    """Return what is wrong with tables and indexes, empty if nothing is; of the words of the search it says nothing."""
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_FOUND})")]
    except sqlite3.DatabaseError as error:
        return str(error)
    return "; ".join(line for line in found if line != "ok" and _WORDS not in line)


def word_damage(connection: sqlite3.Connection) -> str:
    """Return what is wrong with the words of the search, as far as reading tells; empty if nothing is."""
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_FOUND})")]
        (missing,) = connection.execute(
            f"SELECT count(*) FROM texts WHERE id NOT IN (SELECT id FROM {_WORDS}_docsize)"
        ).fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return f"{missing:,} texts cannot be found" if missing else "; ".join(line for line in found if _WORDS in line)


def mend_words(connection: sqlite3.Connection) -> bool:
    """Make the words of the search anew if they are not those of the texts; tell whether that was so.

    Raises:
        sqlite3.DatabaseError: the texts themselves are damaged.
    """
    try:
        connection.execute(f"INSERT INTO {_WORDS} ({_WORDS}, rank) VALUES ('integrity-check', 1)")
        is_sound = not word_damage(connection)
    except sqlite3.DatabaseError:
        is_sound = False
    if not is_sound:
        connection.execute(f"INSERT INTO {_WORDS} ({_WORDS}) VALUES ('rebuild')")
    return not is_sound
