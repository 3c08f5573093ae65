"""What a transcript file says beside its conversation: the client's totals, links, titles, birth (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct, field

from otel_bridge.sources.transcript.calls import Position
from otel_bridge.sources.transcript.links import SHARED_BRANCHES, pull_request_link
from otel_bridge.sources.transcript.records import CountRecord, Record
from otel_bridge.vcs import BranchLink

TITLE_RANK = {"custom-title": 3, "ai-title": 2, "summary": 1}
"""Record types that carry a title, the higher the better."""

_MOST_USD = 10**9
"""More than any session costs."""


class CostState(Struct, array_like=True):
    """The client's own total (``cost-state``, about 2.1.25x+): cumulative for one process and what it inherited."""

    total_usd: Decimal
    start_time_ms: int
    at_ns: int
    """Time of the last timed line before it; the record has none of its own."""
    until_ns: int = 0
    """Time of the next timed line after it, 0 if none: calls that ended before are in the total."""
    has_unknown_model: bool = False


class Asides(Struct, array_like=True):
    """The asides of one file, or of a stretch of its lines; stretches are joined by ``extend``."""

    first_queued_ns: int = 0
    """Time of the first queue operation: never copied by a fork, so it dates the file's birth."""
    cost_states: list[CostState] = field(default_factory=list)
    branch_links: list[BranchLink] = field(default_factory=list)
    """Pull requests the client linked, with the branch it was on."""
    compaction_count: int = 0
    title: str | None = None
    """The last one of the best kind."""
    title_rank: int = 0
    has_open_state: bool = False
    """True while no timed line has followed the last total."""
    closes_state_ns: int = 0
    """Time of the line that follows the last total of the stretch before, 0 if this one has none."""

    def next_stretch(self) -> Asides:
        """Return empty asides for the lines that follow."""
        return Asides(has_open_state=self.has_open_state)

    def close_state(self, at_ns: int) -> None:
        """Take in the time of the line after a total."""
        self.has_open_state = False
        if self.cost_states:
            self.cost_states[-1].until_ns = at_ns
        else:
            self.closes_state_ns = at_ns

    def add(self, record: CountRecord, at_ns: int, last_ns: int, position: Position) -> None:
        """Take in a record that is no part of the conversation.

        ``at_ns`` is its time; ``last_ns``, of the last timed line up to it, is 0 where there was none yet.
        """
        kind = record.type
        if kind == "queue-operation":
            self._add_queue_operation(at_ns)
        elif kind == "cost-state":
            self._add_cost_state(record, last_ns, position)
        elif kind == "pr-link" and isinstance(record, Record):
            self._add_pull_request(record, at_ns)
        elif kind == "system":
            self.compaction_count += record.subtype == "compact_boundary"
        elif kind in TITLE_RANK:
            self._add_title(record, is_own=bool(last_ns))

    def extend(self, after: Asides) -> None:
        """Add what the lines that follow say."""
        if after.closes_state_ns:
            self.close_state(after.closes_state_ns)
        self.has_open_state = after.has_open_state
        self.first_queued_ns = _earlier(self.first_queued_ns, after.first_queued_ns)
        self.cost_states += after.cost_states
        self.branch_links += after.branch_links
        self.compaction_count += after.compaction_count
        if after.title_rank >= self.title_rank and after.title is not None:
            self.title, self.title_rank = after.title, after.title_rank

    def _add_queue_operation(self, at_ns: int) -> None:
        self.first_queued_ns = _earlier(self.first_queued_ns, at_ns)

    def _add_pull_request(self, record: Record, at_ns: int) -> None:
        link, branch = pull_request_link(record, at_ns), record.gitBranch
        if link is not None and branch and branch not in SHARED_BRANCHES:
            self.branch_links.append(BranchLink(branch, link))

    def _add_cost_state(self, record: CountRecord, last_ns: int, position: Position) -> None:
        total_usd = record.totalCostUSD
        if total_usd is None:
            return
        if not (total_usd.is_finite() and 0 <= total_usd < _MOST_USD):
            position.report("bad_value", "totalCostUSD is no usable amount")
            return
        state = CostState(total_usd, int(record.startTime or 0), last_ns)
        state.has_unknown_model = bool(record.hasUnknownModelCost)
        self.cost_states.append(state)
        self.has_open_state = True

    def _add_title(self, record: CountRecord, *, is_own: bool) -> None:
        """Old clients begin a file with summaries of other sessions: they are not ``is_own``."""
        kind = record.type or ""
        rank = TITLE_RANK[kind]
        text = (record.customTitle or record.aiTitle or record.summary or "").strip()
        if text and rank >= self.title_rank and (is_own or kind != "summary"):
            self.title, self.title_rank = text, rank


def session_asides(files: Iterable[Asides]) -> Asides:
    """Return the asides of all files of a session; a title gives way only to a better kind from a later file."""
    together = Asides()
    for asides in files:
        together.first_queued_ns = _earlier(together.first_queued_ns, asides.first_queued_ns)
        together.cost_states += asides.cost_states
        together.branch_links += asides.branch_links
        together.compaction_count += asides.compaction_count
        if asides.title_rank > together.title_rank:
            together.title, together.title_rank = asides.title, asides.title_rank
    return together


def _earlier(known_ns: int, at_ns: int) -> int:
    return min(known_ns, at_ns) if known_ns and at_ns else known_ns or at_ns
