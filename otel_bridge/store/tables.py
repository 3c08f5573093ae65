"""Sessions' rows written to the tables of facts (I/O). The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from sqlite3 import Connection

from otel_bridge.store.rows import SessionRows
from otel_bridge.store.schema import SESSION_FACTS, TABLES, Cell, Row, Table
from otel_bridge.store.texts import delete_texts_of_session


def insert_sessions(connection: Connection, sessions: Iterable[SessionRows]) -> int:
    """Write sessions the tables do not have and return the number of rows."""
    written = 0
    for rows in sessions:
        session = connection.execute(_INSERT_SESSION, (rows.session_id, *rows.facts, rows.session_id)).lastrowid
        written += 1 + sum(_write(connection, table, session, getattr(rows, table.name)) for table in TABLES)
    return written


def update_session(connection: Connection, rows: SessionRows) -> int:
    """Make the tables say what the rows say and return the number of rows written or deleted: what differs alone."""
    found = connection.execute(_SELECT_SESSION, (rows.session_id,)).fetchone()
    if found is None:
        return insert_sessions(connection, [rows])
    session, *facts = found
    changes = sum(_update(connection, table, session, getattr(rows, table.name)) for table in TABLES)
    if changes or tuple(facts) != rows.facts:
        connection.execute(_UPDATE_SESSION, (*rows.facts, session))
        changes += 1
    return changes


def set_user(connection: Connection, session: int, user_name: str | None) -> None:
    """Say whose a session is, given by its row's id."""
    connection.execute("UPDATE sessions SET user_name = ? WHERE id = ?", (user_name, session))


def delete_session(connection: Connection, session_id: str) -> int:
    """Delete all rows of a session, its texts too, and return their number."""
    found = connection.execute("SELECT id FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    if found is None:
        return 0
    deleted = delete_texts_of_session(connection, found[0])
    for table in TABLES:
        deleted += connection.execute(f"DELETE FROM {table.name} WHERE session = ?", found).rowcount
    return deleted + connection.execute("DELETE FROM sessions WHERE id = ?", found).rowcount


def _update(connection: Connection, table: Table, session: int, rows: list[Row]) -> int:
    width = len(table.key)
    stored: dict[Row, Row] = {row[:width]: row for row in connection.execute(_SELECT[table.name], (session,))}
    wanted = {row[:width]: row for row in rows}
    changed = [row for key, row in wanted.items() if stored.get(key) != row]
    gone = [(session, *key) for key in stored.keys() - wanted.keys()]
    connection.executemany(_DELETE[table.name], gone)
    return len(gone) + _write(connection, table, session, changed)


def _write(connection: Connection, table: Table, session: int | None, rows: list[Row]) -> int:
    if rows:
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        bound = [_with_nulls(cells) if name in table.optional else cells for name, cells in columns]
        connection.executemany(_WRITE[table.name], zip(repeat(session), *bound, strict=False))
    return len(rows)


def _with_nulls(cells: Sequence[Cell]) -> Iterable[Cell | float]:
    unknown = cells.count("")
    if unknown == len(cells):
        return repeat(_NULL)
    return [_NULL if cell == "" else cell for cell in cells] if unknown else cells


def _columns(table: Table) -> str:
    return ", ".join(table.columns)


def _read_columns(table: Table) -> str:
    return ", ".join(f"ifnull({name}, '')" if name in table.optional else name for name in table.columns)


_NULL = float("nan")
"""SQLite stores it as ``NULL``, and unlike for ``None`` Python looks for no adapter (``schema``)."""
_INSERT_SESSION = (
    f"INSERT INTO sessions (session_id, {', '.join(SESSION_FACTS)}, revision)"
    f" VALUES (?, {', '.join('?' * len(SESSION_FACTS))}, 1 + ifnull(("
    "SELECT max(revision) FROM shipped WHERE target IN (SELECT id FROM targets) AND session_id = ?), 0))"
)
"""A session that comes back is at a revision that no target was sent: it may have grown meanwhile."""
_SELECT_SESSION = f"SELECT id, {', '.join(SESSION_FACTS)} FROM sessions WHERE session_id = ?"
_UPDATE_SESSION = (
    f"UPDATE sessions SET {', '.join(f'{name} = ?' for name in SESSION_FACTS)}, revision = revision + 1 WHERE id = ?"
)
_WRITE = {
    table.name: f"INSERT OR REPLACE INTO {table.name} (session, {_columns(table)})"
    f" VALUES (?{', ?' * len(table.columns)})"
    for table in TABLES
}
"""A key that comes twice is damage: the last one stays."""
_SELECT = {table.name: f"SELECT {_read_columns(table)} FROM {table.name} WHERE session = ?" for table in TABLES}
_DELETE = {
    table.name: f"DELETE FROM {table.name} WHERE session = ? AND {' AND '.join(f'{name} = ?' for name in table.key)}"
    for table in TABLES
}
