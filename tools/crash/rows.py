"""What an index says, in a form that does not depend on the order in which it was told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from otel_bridge.store.database import open_reader
from otel_bridge.store.schema import SESSION_FACTS, TABLES

Rows = dict[str, list[str]]
"""Rows by the name of their table, sorted."""

_OTHERS = {
    "sessions": f"SELECT session_id, {', '.join(SESSION_FACTS)} FROM sessions",
    "files": "SELECT path, session_id, agent_id, size_bytes, offset_bytes, lines, crc, meta, is_present, is_readable"
    " FROM files",
    "call_copies": "SELECT key, session_id FROM call_copies JOIN sessions ON id = session",
    "branch_links": "SELECT session_id, branch_links.project, branch_links.branch, repository, number, url, at_ns"
    " FROM branch_links JOIN sessions ON id = session",
    "texts": "SELECT sessions.session_id, path, kind, at_ns, ref, text FROM texts"
    " JOIN sessions ON sessions.id = session LEFT JOIN files ON files.id = file",
    "unsettled": "SELECT session_id FROM unsettled",
}
"""Without what numbers rows, counts changes, or tells how lines came together."""


def rows_of(index: Path) -> Rows:
    """Return all rows of an index that say something of sessions and files."""
    with closing(open_reader(index)) as connection:
        return dict(_tables(connection))


def differences(kept: Rows, fresh: Rows) -> list[str]:
    """Return a sentence for each table whose rows differ; none where all are the same."""
    return [line for name in fresh for line in difference(f"rows of {name}", kept[name], fresh[name])]


def difference(what: str, kept: list[str], fresh: list[str]) -> list[str]:
    """Compare two lists as sets and say what one lacks and the other has too many."""
    lost, extra = sorted(set(fresh) - set(kept)), sorted(set(kept) - set(fresh))
    if not lost and not extra and len(kept) == len(fresh):
        return []
    examples = [f"lacks {row}" for row in lost[:3]] + [f"has {row}" for row in extra[:3]]
    return [f"{what}: {len(lost)} lost, {len(extra)} too many, {len(kept)} of {len(fresh)}; " + "; ".join(examples)]


def _tables(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    for table in TABLES:
        columns = ", ".join(f"{table.name}.{column}" for column in table.columns)
        query = f"SELECT session_id, {columns} FROM {table.name} JOIN sessions ON sessions.id = {table.name}.session"
        yield table.name, sorted(map(repr, connection.execute(query)))
    for name, query in _OTHERS.items():
        yield name, sorted(map(repr, connection.execute(query)))
