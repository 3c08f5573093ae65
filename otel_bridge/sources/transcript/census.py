"""The count of one session's files: which calls its lines hold, and what decides who owns them (pure).

A census is small (about 100 bytes a call) so that all sessions of a machine can be compared; it is what ``stats``
adds up and what tells ``assemble`` which calls are copies of another session's.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from otel_bridge.sources.transcript.calls import (
    NO_PROMPT_ID,
    NO_RESULT_ID,
    NO_TOOL_USE_ID,
    RANK_EMBEDDED,
    RANK_MAIN,
    RANK_SIDECHAIN,
    CallDraft,
    Position,
    absorb_line,
    fingerprint,
    is_response,
    response_key,
    time_ns,
)
from otel_bridge.sources.transcript.links import SHARED_BRANCHES, pull_request_link
from otel_bridge.sources.transcript.records import CountRecord, Record
from otel_bridge.sources.transcript.titles import TITLE_RANK, TitleKeeper
from otel_bridge.vcs import BranchLink

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


class SessionCensus(Struct, array_like=True):
    """What one session's files say, before other sessions are known."""

    session_id: str
    calls: list[CallDraft]
    prompts: list[tuple[str, int]]
    """uuid and time of each prompt line of the main lane."""
    late_tools: list[tuple[str, int]] = field(default_factory=list)
    """Model and time of tool calls a copied response asked for whose result only this session has."""
    first_queued_ns: int = 0
    """Time of the first queue operation: never copied by a fork, so it dates the file's birth."""
    cost_states: list[CostState] = field(default_factory=list)
    branch_links: list[BranchLink] = field(default_factory=list)
    """Pull requests the client linked, with the branch it was on."""
    compaction_count: int = 0
    title: str | None = None
    project: str | None = None
    """The first working folder recorded in a main file."""


class CensusTaker:
    """Collects the census of one session record by record; the files may come in any order."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._position: Position
        self._is_agent_file = False
        self._drafts: dict[str, CallDraft] = {}
        self._results: dict[str, int] = {}
        self._prompts: dict[str, int] = {}
        self._last_ns = 0
        self._newest_state: CostState | None = None
        self._titles = TitleKeeper()
        self._census = SessionCensus(session_id, [], [])

    def start_file(self, position: Position, *, is_agent_file: bool) -> None:
        """Begin a file; ``position`` tells where the record at hand stands in it.

        A record without time takes that of the line before it in its own file.
        """
        self._position = position
        self._is_agent_file = is_agent_file
        self._last_ns = 0
        self._newest_state = None
        self._titles.start_file()

    def add(self, record: CountRecord) -> None:
        """Count one record."""
        kind = record.type
        at_ns = time_ns(record.timestamp)
        if at_ns:
            self._last_ns = at_ns
            if self._newest_state is not None:
                self._newest_state.until_ns, self._newest_state = at_ns, None
        else:
            at_ns = self._last_ns
        if kind == "assistant":
            is_main = not (self._is_agent_file or record.isSidechain)
            self._add_response(record, at_ns, RANK_MAIN if is_main else RANK_SIDECHAIN)
        elif kind == "user":
            self._add_user(record, at_ns, self._is_agent_file)
        elif kind == "progress":
            self._add_progress(record)
        elif kind == "queue-operation":
            self._add_queue_operation(at_ns)
        elif kind == "cost-state":
            self._add_cost_state(record)
        elif kind == "pr-link" and isinstance(record, Record):
            self._add_pull_request(record, at_ns)
        elif kind == "system":
            self._census.compaction_count += record.subtype == "compact_boundary"
        elif kind in TITLE_RANK:
            self._titles.add(record, is_own=bool(self._last_ns))

    def result(self) -> SessionCensus:
        """Return the census; calls are sorted by end and key, so file order leaves no trace."""
        census = self._census
        census.title = self._titles.title
        census.calls = sorted(self._drafts.values(), key=lambda call: (call.ended_ns, call.key))
        results = self._results
        for draft in census.calls:
            draft.request_id = None  # a census is kept small: only counts and times are asked of it
            if draft.tool_ids:
                ended = draft.tool_ends_ns
                for tool_id in sorted(draft.tool_ids):
                    if tool_id in results:
                        ended[fingerprint(tool_id)] = results.pop(tool_id)  # a second call of that id has no result
                draft.tool_ids = []
        census.prompts = sorted(self._prompts.items())
        return census

    def _add_response(self, record: CountRecord, at_ns: int, rank: int) -> None:
        message = record.message
        if message is None or not is_response(message):
            return
        key = message.id or response_key(record, message, self._position)
        draft = absorb_line(self._drafts, key, record, message, at_ns, rank, self._session_id)
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use":
                    if not block.id:
                        self._position.report("missing_id", NO_TOOL_USE_ID)
                    elif block.id not in draft.tool_ids:
                        draft.tool_ids.append(block.id)

    def _add_user(self, record: CountRecord, at_ns: int, is_agent_file: bool) -> None:
        message = record.message
        has_result = False
        if message is not None and isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_result":
                    has_result = True
                    if block.tool_use_id:
                        self._results.setdefault(block.tool_use_id, at_ns)
                    else:
                        self._position.report("missing_id", NO_RESULT_ID)
        if has_result or is_agent_file or record.isSidechain:
            return
        if not record.uuid:
            self._position.report("missing_id", NO_PROMPT_ID)
        elif not record.isMeta:
            self._prompts.setdefault(record.uuid, at_ns)
        if self._census.project is None:
            self._census.project = record.cwd

    def _add_progress(self, record: CountRecord) -> None:
        data = record.data
        if data is None or data.type != "agent_progress" or data.message is None:
            return
        inner = data.message
        at_ns = time_ns(inner.timestamp) or self._last_ns
        if inner.type == "assistant":
            self._add_response(inner, at_ns, RANK_EMBEDDED)
        elif inner.type == "user":
            self._add_user(inner, at_ns, is_agent_file=True)

    def _add_queue_operation(self, at_ns: int) -> None:
        known_ns = self._census.first_queued_ns
        self._census.first_queued_ns = min(known_ns, at_ns) if known_ns and at_ns else known_ns or at_ns

    def _add_pull_request(self, record: Record, at_ns: int) -> None:
        link, branch = pull_request_link(record, at_ns), record.gitBranch
        if link is not None and branch and branch not in SHARED_BRANCHES:
            self._census.branch_links.append(BranchLink(branch, link))

    def _add_cost_state(self, record: CountRecord) -> None:
        total_usd = record.totalCostUSD
        if total_usd is None:
            return
        if not (total_usd.is_finite() and 0 <= total_usd < _MOST_USD):
            self._position.report("bad_value", "totalCostUSD is no usable amount")
            return
        state = CostState(total_usd, int(record.startTime or 0), self._last_ns)
        state.has_unknown_model = bool(record.hasUnknownModelCost)
        self._census.cost_states.append(state)
        self._newest_state = state
