"""Extracts of files sorted into lanes: the main conversation and one lane per sub-agent (pure)."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from otel_bridge.model import RecordContext
from otel_bridge.sources.transcript.asides import Asides, session_asides
from otel_bridge.sources.transcript.assemble.entries import AnyEntry, PromptEntry, ResponseEntry, ResultEntry, ToolUse
from otel_bridge.sources.transcript.assemble.extract import MAIN, FileExtract, Part
from otel_bridge.sources.transcript.calls import RANK_MAIN, CallDraft
from otel_bridge.sources.transcript.census import SessionCensus, make_census
from otel_bridge.sources.transcript.records import AgentMeta

__all__ = ["MAIN", "Lane", "LaneSorter"]


class Lane(Struct):
    """One conversation in order: the main one (id ``""``) or a sub-agent's."""

    id: str
    rank: int
    entries: list[AnyEntry] = []
    meta: AgentMeta | None = None
    parent_tool_id: str | None = None
    """The tool call that started it, where the embedding record says so."""


class LaneSorter:
    """Collects the extracts of a session's files and returns lanes; the order of files leaves no trace.

    Extracts are not changed.
    """

    def __init__(self, session_id: str) -> None:
        self.drafts: dict[str, CallDraft] = {}
        """Responses by key, all lines of the session's files merged."""
        self.uses: dict[str, dict[str, ToolUse]] = defaultdict(dict)
        """Tool calls by id, by the key of the response that asked for them."""
        self.contexts = {0: RecordContext()}
        """Where entries were written, by the number they have it under."""
        self.uuids: set[str] = set()
        self.duplicate_records = 0
        self.project: str | None = None
        self._session_id = session_id
        self._parts: dict[str, list[Part]] = defaultdict(list)
        self._metas: dict[str, AgentMeta] = {}
        self._parents: dict[str, str] = {}
        self._results: dict[str, int] = {}
        self._prompts: dict[str, int] = {}
        self._asides: list[Asides] = []

    def asides(self) -> Asides:
        """Return what the files say beside the conversation."""
        return session_asides(self._asides)

    def add(self, extract: FileExtract, agent_id: str | None, meta: AgentMeta | None) -> None:
        """Take in a file, a sub-agent's if ``agent_id`` is set."""
        if agent_id is not None and meta is not None:
            self._metas[agent_id] = meta
        for key, draft in extract.drafts.items():
            known = self.drafts.get(key)
            self.drafts[key] = draft if known is None else known.joined(draft)
        self._results = extract.results | self._results if self._results else extract.results
        self._prompts = extract.prompts | self._prompts
        self._parents = extract.parents | self._parents
        self._asides.append(extract.asides)
        self.contexts |= extract.contexts
        self.uuids.update(extract.embedding_uuids)
        for part in extract.parts:
            self._parts[part.lane].append(part)
            self._add_entries(part)

    def _add_entries(self, part: Part) -> None:
        self.uuids.update([entry.uuid for entry in part.entries if entry.uuid])
        for entry in part.entries:
            if type(entry) is ResponseEntry:
                for use in entry.tool_uses:
                    self.uses[entry.key].setdefault(use.id, use)
            elif self.project is None and part.rank == RANK_MAIN and type(entry) is PromptEntry:
                self.project = self.contexts[entry.context].cwd

    def times_ns(self) -> tuple[int, int]:
        """Return what ``census().times_ns()`` does, sooner."""
        times = [*self._prompts.values(), *(draft.ended_ns for draft in self.drafts.values())]
        times += [self._results[tool] for uses in self.uses.values() for tool in uses if tool in self._results]
        known = [at_ns for at_ns in times if at_ns]
        return min(known, default=0), max(known, default=0)

    def census(self) -> SessionCensus:
        """Return what counting the same files gives."""
        drafts = {}
        for key, draft in self.drafts.items():
            drafts[key] = draft.copy()
            drafts[key].tool_ids = list(self.uses[key]) if key in self.uses else []
        return make_census(
            self._session_id,
            drafts=drafts,
            results=self._results,
            prompts=self._prompts,
            asides=self.asides(),
            project=self.project,
        )

    def lanes(self) -> list[Lane]:
        """Return the main lane first, then sub-agents by their first record."""
        self.duplicate_records = 0
        lanes = []
        for lane_id, parts in self._parts.items():
            rank = min(part.rank for part in parts)
            entries = self._merge(parts)
            lanes.append(Lane(lane_id, rank, entries, self._metas.get(lane_id), self._parents.get(lane_id)))
        return sorted(lanes, key=lambda lane: (lane.id != MAIN, _first_ns(lane.entries), lane.id))

    def _merge(self, parts: list[Part]) -> list[AnyEntry]:
        """One file keeps its line order; several (copies, fragments, embedded lines) are merged by time, each once."""
        if len(parts) == 1 and _has_each_line_once(parts[0]):
            return parts[0].entries
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


def _has_each_line_once(part: Part) -> bool:
    uuids = [entry.uuid for entry in part.entries if entry.uuid]
    return len(set(uuids)) == len(uuids)


class _Seen:
    """What a lane already has: lines by uuid and what they say, so that one uuid on two different lines loses none.

    Embedded copies carry other uuids; they are told by what they say alone.
    """

    def __init__(self) -> None:
        self._lines: set[tuple[str, ...]] = set()
        self._ranks: dict[str, int] = {}

    def is_new(self, entry: AnyEntry, rank: int) -> bool:
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


def _facts(entry: AnyEntry) -> list[str]:
    if type(entry) is ResponseEntry:
        return [entry.key, *(f"use:{use.id}" for use in entry.tool_uses)]
    if type(entry) is ResultEntry:
        return [f"result:{result.tool_id}" for result in entry.results]
    if type(entry) is PromptEntry:
        return [f"prompt:{entry.digest}"]
    return []


def _timed(parts: list[list[AnyEntry]]) -> list[tuple[int, AnyEntry]]:
    """Pair entries with a time that never runs backwards inside their file, so that sorting keeps its order."""
    pairs = []
    for entries in parts:
        running = 0
        for entry in entries:
            running = max(running, entry.at_ns)
            pairs.append((running, entry))
    return pairs


def _first_ns(entries: list[AnyEntry]) -> int:
    return min((entry.at_ns for entry in entries if entry.at_ns), default=0)
