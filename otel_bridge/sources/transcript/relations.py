"""What sessions have to do with each other: shared calls, links of a project's branches, totals of forks (pure)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from otel_bridge.model import Unrecorded
from otel_bridge.sources.transcript.assemble.lanes import LaneSorter
from otel_bridge.sources.transcript.calls import Pricer
from otel_bridge.sources.transcript.census import SessionCensus
from otel_bridge.sources.transcript.client_cost import ClientComparison, client_cost, compare, unrecorded_history
from otel_bridge.sources.transcript.ownership import Ownership
from otel_bridge.vcs import BranchLink


class Relations(ABC):
    """What a session cannot be told from its own files alone. Who knows all sessions tells it."""

    @abstractmethod
    def ownership(self, session_id: str) -> Ownership:
        """Return who owns the calls that the session shares with others."""

    @abstractmethod
    def branch_links(self, session_id: str) -> tuple[BranchLink, ...]:
        """Return the pull requests that other sessions of the same project linked, in time order."""

    @abstractmethod
    def census(self, session_id: str) -> SessionCensus:
        """Return the census of one session."""

    @abstractmethod
    def has_client_total(self, session_id: str) -> bool:
        """Tell whether the client wrote a total of the session."""

    def origin_id(self, session_id: str) -> str | None:
        """Return the session a fork was copied from, ``None`` for a session that is no fork."""
        return self.ownership(session_id).origins.get(session_id)

    def compare_with_client(self, session_id: str, price: Pricer) -> ClientComparison:
        """Set the client's own total of a session, less what a fork inherited, beside our price of its calls."""
        if not self.has_client_total(session_id):
            return ClientComparison()
        census, ownership = self.census(session_id), self.ownership(session_id)
        client = client_cost(census, self._origin(session_id), ownership.births_ns.get(session_id, 0))
        return compare(ownership.own_part(census), client, price)

    def unrecorded_history(self, session_id: str, price: Pricer) -> tuple[Unrecorded, ...]:
        """Return the same difference at each total the client wrote."""
        if not self.has_client_total(session_id):
            return ()
        census, ownership = self.census(session_id), self.ownership(session_id)
        birth_ns = ownership.births_ns.get(session_id, 0)
        return unrecorded_history(census, ownership.own_part(census), self._origin(session_id), birth_ns, price)

    def is_on_its_own(self, session_id: str) -> bool:
        """Tell whether all in its files is the session's own and nobody else says more of it."""
        census = self.census(session_id)
        return self.ownership(session_id).own_part(census) is census and not self.branch_links(session_id)

    def own_times_ns(self, session_id: str) -> tuple[int, int]:
        """Return the times of the first and the last thing the session did itself."""
        return self.ownership(session_id).own_part(self.census(session_id)).times_ns()

    def _origin(self, session_id: str) -> SessionCensus | None:
        origin_id = self.origin_id(session_id)
        return self.census(origin_id) if origin_id else None


class Alone(Relations):
    """A session that nothing else is known of."""

    def __init__(self, sorter: LaneSorter) -> None:
        self._sorter = sorter

    def ownership(self, session_id: str) -> Ownership:  # noqa: ARG002
        """Return that all calls are its own."""
        return Ownership()

    def branch_links(self, session_id: str) -> tuple[BranchLink, ...]:  # noqa: ARG002
        """Return no links."""
        return ()

    def census(self, session_id: str) -> SessionCensus:  # noqa: ARG002
        """Return its census."""
        return self._sorter.census()

    def has_client_total(self, session_id: str) -> bool:  # noqa: ARG002
        """Tell whether the client wrote a total."""
        return bool(self._sorter.asides().cost_states)

    def own_times_ns(self, session_id: str) -> tuple[int, int]:  # noqa: ARG002
        """Return the times of the first and the last thing in its files."""
        return self._sorter.times_ns()


def in_time_order(links: Iterable[BranchLink]) -> tuple[BranchLink, ...]:
    """Return each link once, in time order."""
    return tuple(sorted(set(links), key=lambda known: (known.link.at_ns, known.branch, known.link.pull_request)))
