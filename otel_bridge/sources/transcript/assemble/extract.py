"""What the lines of one file say, ready to be stored and to be continued when the file grows (pure).

An extract depends on nothing but its file: sessions are put together from the extracts of their files, whether these
were made a moment ago or are read from the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from otel_bridge.model import RecordContext
from otel_bridge.sources.transcript.asides import TITLE_RANK, Asides
from otel_bridge.sources.transcript.assemble.digest import Digester
from otel_bridge.sources.transcript.assemble.entries import AnyEntry, PromptEntry, ResponseEntry, ResultEntry
from otel_bridge.sources.transcript.assemble.texts import TextNotes
from otel_bridge.sources.transcript.calls import (
    RANK_EMBEDDED,
    RANK_MAIN,
    RANK_SIDECHAIN,
    CallDraft,
    Position,
    absorb_line,
    time_ns,
)
from otel_bridge.sources.transcript.records import Record

MAIN = ""
"""The lane of the main conversation."""


class Part(Struct, array_like=True):
    """Entries of one lane, in the order of their lines."""

    lane: str
    rank: int
    entries: list[AnyEntry] = field(default_factory=list)


class FileExtract(Struct, array_like=True):
    """All of a file, or a stretch of its lines; stretches are joined by ``extend``."""

    parts: list[Part] = field(default_factory=list)
    drafts: dict[str, CallDraft] = field(default_factory=dict)
    """Responses by key, all their lines merged."""
    results: dict[str, int] = field(default_factory=dict)
    """Time of each tool's first result, by tool call id."""
    prompts: dict[str, int] = field(default_factory=dict)
    """Time of each prompt of the main lane, by uuid."""
    parents: dict[str, str] = field(default_factory=dict)
    """The tool call that started the agent of a lane, where the embedding record says so."""
    embedding_uuids: list[str] = field(default_factory=list)
    """Records that embed another one and say nothing else."""
    asides: Asides = field(default_factory=Asides)
    last_ns: int = 0
    """Time of the last timed line."""
    contexts: dict[int, RecordContext] = field(default_factory=dict)
    """Where lines were written, by a number that is the same in every file."""

    def entries(self) -> Iterator[AnyEntry]:
        """Yield the entries of all lanes."""
        for part in self.parts:
            yield from part.entries

    def extend(self, after: FileExtract) -> None:
        """Add what the lines that follow say; ``after`` must not be used any more."""
        newest = {part.lane: part for part in self.parts}
        for part in after.parts:
            known = newest.get(part.lane)
            if known is not None and known.rank == part.rank:
                known.entries += part.entries
            else:
                self.parts.append(part)
                newest[part.lane] = part
        for key, draft in after.drafts.items():
            known_draft = self.drafts.get(key)
            self.drafts[key] = draft if known_draft is None else known_draft.joined(draft)
        self.results = after.results | self.results
        self.prompts = after.prompts | self.prompts
        self.parents = after.parents | self.parents
        self.embedding_uuids += after.embedding_uuids
        self.asides.extend(after.asides)
        self.last_ns = after.last_ns or self.last_ns
        self.contexts |= after.contexts


class Extractor:
    """Makes the extract of a file, or of the lines that follow the stretches ``before``."""

    def __init__(
        self,
        session_id: str,
        agent_id: str | None,
        position: Position,
        *,
        before: Iterable[FileExtract] = (),
        keep_content: bool = False,
        texts: TextNotes | None = None,
    ) -> None:
        self.extract = FileExtract()
        self._session_id = session_id
        self._agent_id = agent_id
        self._position = position
        self._digester = Digester(self.extract.contexts, keep_content=keep_content, texts=texts)
        self._open: dict[str, Part] = {}
        self._newest_uuids: dict[str, str | None] = {}
        """Of the last line of each lane."""
        self._sidechain_roots: dict[str, str] = {}
        for stretch in before:
            self._go_on_from(stretch)

    def add(self, record: Record) -> None:
        """Take in the next record."""
        at_ns = self._time_ns(record)
        kind = record.type
        if kind in TITLE_RANK:
            self._add_aside(record, at_ns)
        elif kind == "progress" and record.data is not None and record.data.type == "agent_progress":
            self._add_embedded(record)
        else:
            if kind not in ("assistant", "user"):
                self._add_aside(record, at_ns)
            lane, rank = self._lane_of(record)
            self._add(record, at_ns, lane, rank)

    def _go_on_from(self, before: FileExtract) -> None:
        self.extract.asides = before.asides.next_stretch()
        self.extract.last_ns = before.last_ns
        for part in before.parts:
            self._newest_uuids[part.lane] = part.entries[-1].uuid
            is_inline = self._agent_id is None and part.rank == RANK_SIDECHAIN
            for entry in part.entries:
                if is_inline and entry.uuid:
                    self._sidechain_roots[entry.uuid] = part.lane
                if type(entry) is ResponseEntry:
                    self._digester.know(entry.tool_uses)

    def _add_aside(self, record: Record, at_ns: int) -> None:
        if record.type is not None:
            self.extract.asides.add(record, at_ns, self.extract.last_ns, self._position)

    def _time_ns(self, record: Record) -> int:
        """Return the record's time, else that of the line before it (as the census does, which sees no ticks)."""
        at_ns = time_ns(record.timestamp)
        if at_ns and record.type is not None:
            self.extract.last_ns = at_ns
            if self.extract.asides.has_open_state:
                self.extract.asides.close_state(at_ns)
        return at_ns or self.extract.last_ns

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
            self.extract.parents.setdefault(lane, record.parentToolUseID)
        inner = data.message
        inner.cwd, inner.gitBranch = inner.cwd or record.cwd, inner.gitBranch or record.gitBranch
        inner.version, inner.entrypoint = inner.version or record.version, inner.entrypoint or record.entrypoint
        if record.uuid:
            self.extract.embedding_uuids.append(record.uuid)
        self._add(inner, time_ns(inner.timestamp) or self.extract.last_ns, lane, RANK_EMBEDDED)

    def _add(self, record: Record, at_ns: int, lane: str, rank: int) -> None:
        entry = self._digester.entry(record, at_ns, self._position)
        if type(entry) is ResponseEntry and record.message is not None:
            absorb_line(self.extract.drafts, entry.key, record, record.message, at_ns, rank, self._session_id)
        elif type(entry) is ResultEntry:
            for result in entry.results:
                self.extract.results.setdefault(result.tool_id, at_ns)
        elif type(entry) is PromptEntry and rank == RANK_MAIN and record.uuid and not record.isMeta:
            self.extract.prompts.setdefault(record.uuid, at_ns)
        part = self._open.get(lane)
        if part is None or part.rank != rank:
            part = self._open[lane] = Part(lane, rank)
            self.extract.parts.append(part)
        part.entries.append(entry)
        if entry.parent is not None and entry.parent == self._newest_uuids.get(lane):
            entry.parent = None
        self._newest_uuids[lane] = entry.uuid
