"""What the client itself has counted in a session, however many processes sent it; part of the model (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

SESSIONS = "session.count"
LINES = "lines_of_code.count"
PULL_REQUESTS = "pull_request.count"
COMMITS = "commit.count"
COST = "cost.usage"
"""USD, under the model the client priced a call as."""
TOKENS = "token.usage"
EDIT_DECISIONS = "code_edit_tool.decision"
ACTIVE_TIME = "active_time.total"
"""Seconds."""

Amount = int | Decimal
Labels = tuple[tuple[str, str], ...]
"""Attributes by name, sorted."""


class Counter(Struct, frozen=True):
    """One counter of a session: its name and attributes are the client's, without its prefix."""

    name: str
    labels: Labels
    changes: tuple[tuple[int, Amount], ...] = ()
    """Time (ns) and value so far, at each time it grew; none for a counter of 0."""

    @property
    def total(self) -> Amount:
        """The value in the end."""
        return self.changes[-1][1] if self.changes else 0

    def label(self, name: str) -> str | None:
        """Return an attribute, ``None`` where the client did not send it."""
        return dict(self.labels).get(name)

    def steps(self) -> Iterator[tuple[int, Amount]]:
        """Yield the times it grew and by how much."""
        before: Amount = 0
        for at_ns, value in self.changes:
            yield at_ns, value - before
            before = value


class ClientCounters(Struct, frozen=True):
    """All counters of a session."""

    session_id: str
    counters: tuple[Counter, ...] = ()
    first_ns: int = 0
    """The time of the first point; 0 without any."""
    point_count: int = 0
    """How many points say all this: more when more is known."""
    doubts: tuple[int, ...] = ()
    """One time (ns) for each series in which two processes, or one and what was sent again, cannot be told apart."""

    @property
    def cost_usd(self) -> Decimal | None:
        """What the client says all calls cost, ``None`` where it says nothing of it."""
        costs = [Decimal(counter.total) for counter in self.named(COST)]
        return sum(costs, Decimal(0)) if costs else None

    def named(self, name: str) -> Iterator[Counter]:
        """Yield the counters of a name."""
        return (counter for counter in self.counters if counter.name == name)

    def report_times(self) -> list[int]:
        """Return the times (ns) at which any of them grew, in order."""
        return sorted({at_ns for counter in self.counters for at_ns, _ in counter.changes})
