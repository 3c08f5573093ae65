"""When sessions spent what, and how much of it lies before a moment (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from otel_bridge.pipeline.checks import Loss


class SessionSpend(Struct, frozen=True, array_like=True):
    """The times of one session's own calls."""

    session_id: str
    started_ns: int
    ended_ns: int
    calls: tuple[tuple[int, Decimal], ...] = ()
    """End and price of each call that has a price."""
    turns: int = 0
    """Prompts of its own, each of which becomes a trace."""

    def cost_before(self, at_ns: int) -> Decimal:
        """Return the cost in USD of the calls that ended before a moment."""
        return sum((cost for ended_ns, cost in self.calls if ended_ns < at_ns), Decimal(0))

    @property
    def cost_usd(self) -> Decimal:
        """Return the cost of all calls in USD."""
        return sum((cost for _, cost in self.calls), Decimal(0))


class History(Struct, frozen=True):
    """Sessions that are to be sent, seen from now."""

    sessions: Sequence[SessionSpend]
    now_ns: int

    @property
    def age_ns(self) -> int:
        """Return how long ago the first of them began; 0 where there are none."""
        return self.now_ns - min((session.started_ns for session in self.sessions), default=self.now_ns)

    @property
    def turns(self) -> int:
        """Return the turns of all sessions."""
        return sum(session.turns for session in self.sessions)

    def series_loss(self, keep_ns: int) -> Loss:
        """Say what is lost if points older than this are.

        The series are cumulative: what a session's last point says is its whole cost, so a session that ended later
        keeps its total, and only loses on which of its earlier days it was spent.
        """
        gone = self._older(self.now_ns - keep_ns)
        cost_usd = sum((session.cost_usd for session in gone), Decimal(0))
        return Loss(len(gone), self._cut(self.now_ns - keep_ns), cost_usd)

    def span_loss(self, keep_ns: int) -> Loss:
        """Say what is lost if spans that ended longer ago than this are: the calls in them."""
        cutoff_ns = self.now_ns - keep_ns
        cost_usd = sum((session.cost_before(cutoff_ns) for session in self.sessions), Decimal(0))
        return Loss(len(self._older(cutoff_ns)), self._cut(cutoff_ns), cost_usd)

    def _older(self, cutoff_ns: int) -> list[SessionSpend]:
        return [session for session in self.sessions if session.ended_ns < cutoff_ns]

    def _cut(self, cutoff_ns: int) -> int:
        return sum(session.started_ns < cutoff_ns <= session.ended_ns for session in self.sessions)
