"""One session as the reports count it (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

from msgspec import Struct

from otel_bridge.model import Session
from otel_bridge.reports.active_time import session_moments
from otel_bridge.totals import Totals, day_of

MONEY_DIGITS = Decimal("0.0001")
"""What the files show of an amount: a hundredth of a cent, as ``stats`` does. Sums are exact before."""


class SessionWork(Struct, frozen=True):
    """What a session did itself, sub-agents included; calls fall on the local day they ended."""

    id: str
    """The first 8 characters."""
    started_ns: int
    ended_ns: int
    moments: tuple[int, ...]
    totals: Totals
    by_day: dict[str, Totals]
    by_model: dict[str, Totals]
    commits: frozenset[str]
    """Abbreviated hashes of the commits its tool calls made; an amended commit is not a new one."""


def collect_work(sessions: Iterable[Session], zone: tzinfo) -> list[SessionWork]:
    """Return the work of each session by start; sessions that have no turn of their own are left out."""
    found = [_work(session, zone) for session in sessions if session.turns]
    return sorted(found, key=lambda work: (work.started_ns, work.id))


def all_tokens(totals: Totals) -> int:
    """Return tokens of all four kinds."""
    return totals.input_tokens + totals.output_tokens + totals.cache_read_tokens + totals.cache_write_tokens


def total(groups: Iterable[Totals]) -> Totals:
    """Return the sum of groups."""
    totals = Totals()
    for group in groups:
        totals.add(group)
    return totals


def known_cost_usd(totals: Totals) -> Decimal | None:
    """Return the cost of what has a price; ``None`` where nothing has one."""
    return None if totals.calls and totals.unpriced_calls == totals.calls else totals.cost_usd


def shown_usd(cost_usd: Decimal | None) -> Decimal | None:
    """Return an amount as the files show it, without trailing zeros."""
    return None if cost_usd is None else plain_usd(cost_usd.quantize(MONEY_DIGITS, ROUND_HALF_EVEN))


def plain_usd(amount_usd: Decimal) -> Decimal:
    """Return the same amount in the shortest notation that has no exponent."""
    whole = amount_usd.to_integral_value()
    return whole.quantize(Decimal(1)) if whole == amount_usd else amount_usd.normalize()


def _work(session: Session, zone: tzinfo) -> SessionWork:
    day, totals = day_of(zone), Totals()
    by_day: defaultdict[str, Totals] = defaultdict(Totals)
    by_model: defaultdict[str, Totals] = defaultdict(Totals)
    for call in session.calls():
        for group in (totals, by_day[day(call.ended_ns)], by_model[call.model]):
            group.add_call(call.usage, call.cost_usd)
    commits = (commit for tool in session.tool_calls() for commit in tool.commits)
    moments = session_moments(session)
    started_ns = session.started_ns or next(iter(moments), 0)
    return SessionWork(
        id=session.id[:8],
        started_ns=started_ns,
        ended_ns=max(session.ended_ns, started_ns),
        moments=moments,
        totals=totals,
        by_day=dict(by_day),
        by_model=dict(by_model),
        commits=frozenset(commit.sha for commit in commits if commit.kind != "amended"),
    )
