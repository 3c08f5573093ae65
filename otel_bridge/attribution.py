"""Which pull request a session's cost belongs to (pure). The rule is in docs/counting.md.

Knowledge comes over time, and money already booked moves when it does: reports read the last state, series every one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from otel_bridge.model import ModelCall, Session
from otel_bridge.vcs import PullRequest, PullRequestLink

LINKING_ACTIONS = frozenset({"created", "linked"})
"""Whoever edits, merges or comments on a pull request does not yet work on it."""


class Booking(NamedTuple):
    """Money put on a pull request at a time, or taken off again (negative)."""

    at_ns: int
    change: PullRequest | None
    """``None``: not attributed."""
    amount_usd: Decimal


def bookings(session: Session) -> Iterator[Booking]:
    """Yield what is booked where, in time order; unpriced calls have nothing to book.

    All money is booked as not attributed first, even where it moves at once: a reader that was told so by somebody who
    knew less is told that it has moved.

    A call belongs to the pull request its session was last linked to; what came before the first link moves to it.
    Until then, what was done on a branch belongs to the pull request that another session of the same project linked
    on that branch, from the time of that link.
    """
    by_session: PullRequest | None = None
    by_branch: dict[str | None, PullRequest] = {}
    movable: defaultdict[tuple[PullRequest | None, str | None], Decimal] = defaultdict(Decimal)
    for at_ns, _, event, branch in _events(session):
        if isinstance(event, ModelCall):
            assert event.cost_usd is not None
            change = by_session or by_branch.get(branch)
            if by_session is None:
                movable[change, branch] += event.cost_usd
            yield Booking(at_ns, None, event.cost_usd)
            yield from _moved(at_ns, None, change, event.cost_usd)
        elif branch is None:
            by_session = event.pull_request
            for (change, _), amount_usd in movable.items():
                yield from _moved(at_ns, change, by_session, amount_usd)
            movable.clear()
        elif by_session is None:
            by_branch[branch] = event.pull_request
            waiting = movable.pop((None, branch), Decimal(0))
            movable[event.pull_request, branch] += waiting
            yield from _moved(at_ns, None, event.pull_request, waiting)


def cost_by_change(session: Session) -> dict[PullRequest | None, Decimal]:
    """Return the session's cost by pull request, as it is known in the end; ``None`` is what is not attributed."""
    costs: defaultdict[PullRequest | None, Decimal] = defaultdict(Decimal)
    for booking in bookings(session):
        costs[booking.change] += booking.amount_usd
    return {change: cost for change, cost in costs.items() if cost or change is not None}


_Event = tuple[int, int, ModelCall | PullRequestLink, str | None]
"""Time, rank among what has the same time, what happened, and on which branch (of a link: ``None`` for any)."""


def _events(session: Session) -> list[_Event]:
    """Return priced calls and links in time order; at one time, links come first."""
    events: list[_Event] = [
        (call.ended_ns, 1, call, call.context.branch) for call in session.calls() if call.cost_usd is not None
    ]
    events += [(link.at_ns, 0, link, None) for link in session.pull_requests if link.action in LINKING_ACTIONS]
    events += [(known.link.at_ns, 0, known.link, known.branch) for known in session.branch_links]
    return sorted(events, key=lambda event: event[:2])


def _moved(
    at_ns: int, origin: PullRequest | None, target: PullRequest | None, amount_usd: Decimal
) -> Iterator[Booking]:
    if amount_usd and origin != target:
        yield Booking(at_ns, origin, -amount_usd)
        yield Booking(at_ns, target, amount_usd)
