"""What each pull request cost: sessions read whole and their cost put where it belongs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from otel_bridge.attribution import cost_by_change
from otel_bridge.model import Session
from otel_bridge.vcs import PullRequest


class ChangeCost(Struct):
    """One pull request's line of the report; all ``None`` for what belongs to none."""

    repository: str | None
    change_id: str | None
    url: str | None
    sessions: int
    """Sessions with cost on it."""
    cost_usd: Decimal


def collect_changes(sessions: Iterable[Session]) -> list[ChangeCost]:
    """Return the cost of every pull request, the dearest first; together they are the cost of all sessions."""
    costs: dict[PullRequest | None, ChangeCost] = {}
    for session in sessions:
        for change, cost_usd in cost_by_change(session).items():
            line = costs.setdefault(change, _line(change))
            line.sessions += 1
            line.cost_usd += cost_usd
    return sorted(costs.values(), key=_order)


def _order(line: ChangeCost) -> tuple[Decimal, bool, str, str]:
    return -line.cost_usd, line.change_id is None, line.repository or "", line.change_id or ""


def _line(change: PullRequest | None) -> ChangeCost:
    if change is None:
        return ChangeCost(None, None, None, 0, Decimal(0))
    return ChangeCost(change.repository, str(change.number), change.url, 0, Decimal(0))
