"""Entries sorted into lanes: the main conversation and one lane per sub-agent (pure)."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from otel_bridge.sources.transcript.assemble.digest import Digester
from otel_bridge.sources.transcript.assemble.entries import (
    Entry,
    PromptEntry,
    ResponseEntry,
    ResultEntry,
    ToolUse,
)
from otel_bridge.sources.transcript.calls import (
    RANK_EMBEDDED,
    RANK_MAIN,
    RANK_SIDECHAIN,
    CallDraft,
    Position,
    absorb_line,
    time_ns,
)
from otel_bridge.sources.transcript.records import AgentMeta, Record
from otel_bridge.sources.transcript.titles import TITLE_RANK, TitleKeeper

MAIN = ""


class Lane(Struct):
    """One conversation in order: the main one (id ``""``) or a sub-agent's."""

    id: str
    rank: int
    entries: list[Entry] = []
    meta: AgentMeta | None = None
    parent_tool_id: str | None = None
    """The tool call that started it, where the embedding record says so."""


class _Part(Struct):
    """The entries one file gave to one lane."""

    rank: int
    entries: list[Entry] = []


class LaneSorter:
    """Collects records file by file and returns lanes; the order of files leaves no trace."""

    def __init__(self, session_id: str, *, keep_content: bool) -> None:
        self.drafts: dict[str, CallDraft] = {}
        """Responses by key, all lines of the session's files merged."""
        self.uses: dict[str, dict[str, ToolUse]] = defaultdict(dict)
        """Tool calls by id, by the key of the response that asked for them."""
        self.uuids: set[str] = set()
        self.duplicate_records = 0
        self.project: str | None = None
        self.titles = TitleKeeper()
        self._session_id = session_id
        self._digester = Digester(keep_content=keep_content)
        self._parts: dict[str, list[_Part]] = defaultdict(list)
        self._open: dict[str, _Part] = {}
        self._sidechain_roots: dict[str, str] = {}
        self._metas: dict[str, AgentMeta] = {}
        self._parents: dict[str, str] = {}
        self._agent_id: str | None = None
        self._position: Position
        self._last_ns = 0

    def start_file(self, position: Position, agent_id: str | None, meta: AgentMeta | None) -> None:
        """Begin a file, a sub-agent's if ``agent_id`` is set; ``position`` tells where the record at hand stands."""
        self._position = position
        self._agent_id = agent_id
        self._last_ns = 0
        self._open = {}
        self.titles.start_file()
        if agent_id is not None and meta is not None:
            self._metas[agent_id] = meta

    def add(self, record: Record) -> None:
        """Sort one record into its lane."""
        at_ns = self._time_ns(record)
        if record.type in TITLE_RANK:
            self.titles.add(record, is_own=bool(self._last_ns))
        elif record.type == "progress" and record.data is not None and record.data.type == "agent_progress":
            self._add_embedded(record)
        else:
            self._add(record, at_ns, *self._lane_of(record))

    def _time_ns(self, record: Record) -> int:
        """Return the record's time, else that of the line before it (as the census does, which sees no ticks)."""
        at_ns = time_ns(record.timestamp)
        if at_ns and record.type is not None:
            self._last_ns = at_ns
        return at_ns or self._last_ns

    def _lane_of(self, record: Record) -> tuple[str, int]:
        if self._agent_id is not None:
            return self._agent_id, RANK_SIDECHAIN
        if not record.isSidechain or record.type not in ("user", "assistant"):
            return MAIN, RANK_MAIN
        # 1.x writes sub-agents into the main file: a chain of parents back to a root without one
        root = record.agentId or self._sidechain_roots.get(record.parentUuid or "") or f"inline-{record.uuid}"
        if record.uuid:
            self._sidechain_roots[record.uuid] = root
        return root, RANK_SIDECHAIN

    def _add_embedded(self, record: Record) -> None:
        data = record.data
        if data is None or data.message is None:
            return
        lane = data.agentId or f"embedded-{record.parentToolUseID}"
        if record.parentToolUseID:
            self._parents.setdefault(lane, record.parentToolUseID)
        inner = data.message
        inner.cwd, inner.gitBranch = inner.cwd or record.cwd, inner.gitBranch or record.gitBranch
        inner.version, inner.entrypoint = inner.version or record.version, inner.entrypoint or record.entrypoint
        if record.uuid:
            self.uuids.add(record.uuid)
        self._add(inner, time_ns(inner.timestamp) or self._last_ns, lane, RANK_EMBEDDED)

    def _add(self, record: Record, at_ns: int, lane: str, rank: int) -> None:
        entry = self._digester.entry(record, at_ns, self._position)
        if isinstance(entry, ResponseEntry) and record.message is not None:
            absorb_line(self.drafts, entry.key, record, record.message, at_ns, rank, self._session_id)
            for use in entry.tool_uses:
                self.uses[entry.key].setdefault(use.id, use)
        elif isinstance(entry, PromptEntry) and rank == RANK_MAIN and self.project is None:
            self.project = record.cwd
        part = self._open.get(lane)
        if part is None or part.rank != rank:
            part = self._open[lane] = _Part(rank)
            self._parts[lane].append(part)
        part.entries.append(entry)
        if record.uuid:
            self.uuids.add(record.uuid)

    def lanes(self) -> list[Lane]:
        """Return the main lane first, then sub-agents by their first record."""
        lanes = []
        for lane_id, parts in self._parts.items():
            rank = min(part.rank for part in parts)
            entries = self._merge(parts)
            lanes.append(Lane(lane_id, rank, entries, self._metas.get(lane_id), self._parents.get(lane_id)))
        return sorted(lanes, key=lambda lane: (lane.id != MAIN, _first_ns(lane.entries), lane.id))

    def _merge(self, parts: list[_Part]) -> list[Entry]:
        """One file keeps its line order; several (copies, fragments, embedded lines) are merged by time, each once."""
        seen = _Seen()
        kept = []
        for part in sorted(parts, key=lambda part: (part.rank, -len(part.entries), _first_ns(part.entries))):
            own = [entry for entry in part.entries if seen.is_new(entry, part.rank)]
            self.duplicate_records += len(part.entries) - len(own)
            if own:
                kept.append(own)
        if len(kept) == 1:
            return kept[0]
        return [entry for _, entry in sorted(_timed(kept), key=lambda pair: pair[0])]


class _Seen:
    """What a lane already has: lines by uuid and what they say, so that one uuid on two different lines loses none.

    Embedded copies carry other uuids; they are told by what they say alone.
    """

    def __init__(self) -> None:
        self._lines: set[tuple[str, ...]] = set()
        self._ranks: dict[str, int] = {}

    def is_new(self, entry: Entry, rank: int) -> bool:
        facts = _facts(entry)
        line = (entry.uuid or "", *facts)
        if entry.uuid and line in self._lines:
            return False
        self._lines.add(line)
        if facts and all(self._ranks.get(fact, rank) < rank for fact in facts):
            return False
        for fact in facts:
            self._ranks.setdefault(fact, rank)
        return True


def _facts(entry: Entry) -> list[str]:
    if isinstance(entry, ResponseEntry):
        return [entry.key, *(f"use:{use.id}" for use in entry.tool_uses)]
    if isinstance(entry, ResultEntry):
        return [f"result:{result.tool_id}" for result in entry.results]
    if isinstance(entry, PromptEntry):
        return [f"prompt:{entry.digest}"]
    return []


def _timed(parts: list[list[Entry]]) -> list[tuple[int, Entry]]:
    """Pair entries with a time that never runs backwards inside their file, so that sorting keeps its order."""
    pairs = []
    for entries in parts:
        running = 0
        for entry in entries:
            running = max(running, entry.at_ns)
            pairs.append((running, entry))
    return pairs


def _first_ns(entries: list[Entry]) -> int:
    return min((entry.at_ns for entry in entries if entry.at_ns), default=0)
