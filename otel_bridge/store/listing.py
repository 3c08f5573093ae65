"""Sessions listed: filtered, sorted, one line each (I/O)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from sqlite3 import Connection
from typing import Any

import msgspec

from otel_bridge.errors import UsageError
from otel_bridge.store.cells import fitting, from_pusd
from otel_bridge.store.filters import SessionFilter, conditions
from otel_bridge.totals import Totals

SORTS = {
    "started": "started_ns",
    "cost": "cost_pusd",
    "tokens": "input_tokens + output_tokens + cache_read_tokens + cache_write_tokens",
    "duration": "ended_ns - started_ns",
    "calls": "calls",
}
"""What sessions can be sorted by."""


class SessionLine(Totals, kw_only=True):
    """One session as a table shows it."""

    session_id: str
    agent: str
    user_name: str | None
    project: str | None
    title: str | None
    branch: str | None
    """Of the last turn that has one."""
    started_ns: int
    """0 where nothing in the session has a time, as ``ended_ns``."""
    ended_ns: int
    open_until_ns: int
    """0 when every turn is over, else the last activity of an open one."""
    forked_from: str | None
    models: list[str]
    """The one with most calls first."""
    unpriced_models: list[str]
    lower_bound_calls: int
    client_cost_usd: Decimal | None
    unrecorded_cost_usd: Decimal | None
    unrecorded_reasons: list[str]
    problem_count: int
    changes: list[str]
    """Pull requests it touched or has cost on: ``owner/name#12``."""


def list_sessions(
    connection: Connection,
    wanted: SessionFilter = SessionFilter(),  # noqa: B008 - frozen
    *,
    sort: str = "started",
    descending: bool = True,
    limit: int | None = None,
) -> list[SessionLine]:
    """Return the wanted sessions, sorted by one of ``SORTS``; of equal ones the newest first.

    Raises:
        UsageError: nothing can be sorted by ``sort``, or the filter makes no sense.
    """
    if sort not in SORTS:
        raise UsageError(f"cannot sort sessions by {sort!r}; choose one of {', '.join(SORTS)}")
    condition = conditions(wanted)
    order = f"{SORTS[sort]} {'DESC' if descending else 'ASC'}, started_ns DESC, session_id"
    clauses = f"WHERE {condition.sql} ORDER BY {order} LIMIT ?"
    lines = session_lines(connection, clauses, (*condition.values, -1 if limit is None else fitting(limit)))
    return [line for _, line in lines]


def session_lines(
    connection: Connection, clauses: str, values: tuple[str | int, ...] = ()
) -> Iterator[tuple[int, SessionLine]]:
    """Yield sessions with the ids of their rows; ``clauses`` is SQL that says which and in what order."""
    for session, *cells in connection.execute(f"SELECT id, {', '.join(_COLUMNS)} FROM sessions {clauses}", values):
        known: dict[str, Any] = dict(zip(_NAMES, cells, strict=True))
        for name in _MONEY:
            amount_pusd = known[name]
            known[name] = None if amount_pusd is None else from_pusd(amount_pusd)
        for name in _LISTS:
            known[name] = _decode_list(known[name])
        yield session, SessionLine(**known)


_CHANGES = (
    "(SELECT json_group_array(repository || '#' || number) FROM changes WHERE session = sessions.id"
    " AND repository <> '' AND (action IS NOT NULL OR cost_pusd <> 0))"
)
_MONEY = ("cost_usd", "client_cost_usd", "unrecorded_cost_usd")
_LISTS = ("models", "unpriced_models", "unrecorded_reasons", "changes")
_NAMES = SessionLine.__struct_fields__
_COLUMNS = [
    _CHANGES if name == "changes" else name.replace("_usd", "_pusd") if name in _MONEY else name for name in _NAMES
]
_decode_list = msgspec.json.Decoder(list[str]).decode
