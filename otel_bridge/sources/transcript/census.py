"""The count of one session's files: which calls its lines hold, and what decides who owns them (pure).

A census is small (about 100 bytes a call) so that all sessions of a machine can be compared; it is what ``stats``
adds up and what tells ``assemble`` which calls are copies of another session's.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from otel_bridge.sources.transcript.asides import Asides, CostState, session_asides
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
from otel_bridge.sources.transcript.records import CountRecord
from otel_bridge.vcs import BranchLink


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

    def times_ns(self) -> tuple[int, int]:
        """Return the times of the first and the last prompt, call or tool result; zeros where nothing has a time."""
        times = [at_ns for _, at_ns in (*self.prompts, *self.late_tools)]
        for call in self.calls:
            times.append(call.ended_ns)
            times += call.tool_ends_ns.values()
        known = [at_ns for at_ns in times if at_ns]
        return min(known, default=0), max(known, default=0)


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
        self._project: str | None = None
        self._asides = Asides()
        self._all_asides: list[Asides] = []

    def start_file(self, position: Position, *, is_agent_file: bool) -> None:
        """Begin a file; ``position`` tells where the record at hand stands in it.

        A record without time takes that of the line before it in its own file.
        """
        self._position = position
        self._is_agent_file = is_agent_file
        self._last_ns = 0
        self._asides = Asides()
        self._all_asides.append(self._asides)

    def add(self, record: CountRecord) -> None:
        """Count one record."""
        kind = record.type
        at_ns = time_ns(record.timestamp)
        if at_ns:
            self._last_ns = at_ns
            if self._asides.has_open_state:
                self._asides.close_state(at_ns)
        else:
            at_ns = self._last_ns
        if kind == "assistant":
            is_main = not (self._is_agent_file or record.isSidechain)
            self._add_response(record, at_ns, RANK_MAIN if is_main else RANK_SIDECHAIN)
        elif kind == "user":
            self._add_user(record, at_ns, self._is_agent_file)
        elif kind == "progress":
            self._add_progress(record)
        else:
            self._asides.add(record, at_ns, self._last_ns, self._position)

    def result(self) -> SessionCensus:
        """Return the census; calls are sorted by end and key, so file order leaves no trace."""
        return make_census(
            self._session_id,
            drafts=self._drafts,
            results=self._results,
            prompts=self._prompts,
            asides=session_asides(self._all_asides),
            project=self._project,
        )

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
        if self._project is None:
            self._project = record.cwd

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


def make_census(
    session_id: str,
    *,
    drafts: Mapping[str, CallDraft],
    results: Mapping[str, int],
    prompts: Mapping[str, int],
    asides: Asides,
    project: str | None,
) -> SessionCensus:
    """Return the census of what all files of a session say; calls are sorted, so that file order leaves no trace.

    ``results`` has the time of each tool result by tool call id, ``prompts`` that of each prompt by its uuid.
    """
    left = dict(results)
    calls = sorted(drafts.values(), key=lambda call: (call.ended_ns, call.key))
    for draft in calls:
        draft.request_id = None  # a census is kept small: only counts and times are asked of it
        if draft.tool_ids:
            for tool_id in sorted(draft.tool_ids):
                if tool_id in left:
                    # a second call of that id has no result
                    draft.tool_ends_ns[fingerprint(tool_id)] = left.pop(tool_id)
            draft.tool_ids = []
    return SessionCensus(
        session_id,
        calls,
        sorted(prompts.items()),
        first_queued_ns=asides.first_queued_ns,
        cost_states=asides.cost_states,
        branch_links=asides.branch_links,
        compaction_count=asides.compaction_count,
        title=asides.title,
        project=project,
    )
