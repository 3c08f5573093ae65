"""What sessions used and cost, added up (I/O)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import tzinfo
from decimal import Decimal
from sqlite3 import Connection

from msgspec import Struct

from otel_bridge.store.cells import from_pusd
from otel_bridge.store.listing import SessionLine, session_lines
from otel_bridge.totals import Totals, day_of
from otel_bridge.vcs import PullRequest

_BLOCK_NS = 900 * 1_000_000_000
"""A quarter of an hour: in no zone does one span two days (``totals.day_of``)."""

_HALF = 1_000_000
"""Money is added up in two parts of it: SQLite refuses a sum beyond 64 bits, and damaged counts cost any amount."""

_SUM = f"sum(cost_pusd / {_HALF}), sum(cost_pusd % {_HALF})"
_CALLS = (
    f"SELECT session, model, ended_ns / {_BLOCK_NS} AS block, {_SUM}, sum(cost_pusd IS NULL), count(*),"
    " sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),"
    " sum(cache_write_1h_tokens), sum(web_searches) FROM model_calls GROUP BY session, model, block"
)
_TOOLS = (
    f"SELECT session, model, ended_ns / {_BLOCK_NS} AS block, count(*) FROM tool_calls"
    " WHERE ended_ns IS NOT NULL GROUP BY session, model, block"
)


class SessionUsage(Struct):
    """One session and what it used."""

    session: SessionLine
    groups: list[tuple[str, str, Totals]]
    """Model, day, counters: each call on the day it ended, each tool call on that of its result."""


class ChangeTally(Struct, frozen=True):
    """What sessions cost on one pull request."""

    change: PullRequest | None
    """``None``: what belongs to none."""
    sessions: int
    cost_usd: Decimal


def session_tallies(connection: Connection, zone: tzinfo) -> Iterator[SessionUsage]:
    """Yield every session with what it used by model and day of ``zone``, by session id."""
    day = day_of(zone)
    groups: defaultdict[int, defaultdict[tuple[str, str], Totals]] = defaultdict(lambda: defaultdict(Totals))
    for session, model, block, high, low, unpriced_calls, *counts in connection.execute(_CALLS):
        totals = Totals(*counts)
        totals.cost_usd, totals.unpriced_calls = _usd(high, low), unpriced_calls
        groups[session][model, day(block * _BLOCK_NS)].add(totals)
    for session, model, block, tool_calls in connection.execute(_TOOLS):
        groups[session][model, day(block * _BLOCK_NS)].tool_calls += tool_calls
    for session, line in session_lines(connection, "ORDER BY session_id"):
        yield SessionUsage(line, [(model, on, totals) for (model, on), totals in groups[session].items()])


def change_tallies(connection: Connection) -> list[ChangeTally]:
    """Return what every pull request cost on which anything was ever booked, the dearest first."""
    rows = connection.execute(
        f"SELECT repository, number, url, count(*), {_SUM} FROM changes WHERE cost_pusd IS NOT NULL"
        " GROUP BY repository, number, url"
    )
    tallies = [
        ChangeTally(PullRequest(repository, number, url) if repository else None, sessions, _usd(high, low))
        for repository, number, url, sessions, high, low in rows
    ]
    return sorted(tallies, key=_cost_order)


def _cost_order(tally: ChangeTally) -> tuple[Decimal, bool, str, str]:
    change = tally.change
    return -tally.cost_usd, change is None, change.repository if change else "", str(change.number) if change else ""


def _usd(high: int | None, low: int | None) -> Decimal:
    """Return a sum of ``_SUM`` in USD; nothing priced is 0."""
    return from_pusd((high or 0) * _HALF + (low or 0))
