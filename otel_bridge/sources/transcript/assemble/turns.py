"""The main lane cut into turns (pure).

A turn is over when the main lane says ``end_turn`` and no tool is open, when the next prompt arrives, or when 30
minutes pass between two records (two thirds of real turns never say ``end_turn``). What follows under the same prompt
is a continuation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, count

from msgspec import Struct

from otel_bridge.model import IDLE_TURN_NS
from otel_bridge.sources.transcript.assemble.entries import (
    CompactionEntry,
    Entry,
    ErrorEntry,
    HookEntry,
    PromptEntry,
    ResponseEntry,
    ResultEntry,
)
from otel_bridge.sources.transcript.assemble.prompts import OPENING_KINDS

_ACTIVITY: frozenset[type[Entry]] = frozenset({ResponseEntry, ResultEntry, ErrorEntry})
_EXTENDS = _ACTIVITY | {CompactionEntry, HookEntry, PromptEntry}


class Segment(Struct):
    """A turn or a continuation of one, as positions in the main lane."""

    opener: PromptEntry | None
    """The prompt; of a continuation, the prompt it continues; ``None`` where a file begins without one."""
    key: str
    line_key: str
    """Names the turn where its prompt id is not its own."""
    ordinal: int
    started_ns: int
    ended_ns: int
    end_reason: str = "open"
    has_activity: bool = False

    @property
    def is_complete(self) -> bool:
        """False while the turn may still grow."""
        return self.end_reason != "open"


class _Cutter:
    """Walks the lane once and decides at every entry which segment it belongs to."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.positions: list[int] = []
        self._open_tools: set[str] = set()
        self._last_ns = 0
        self._over_key: str | None = None
        self._is_closed = True

    def walk(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            at_ns = entry.at_ns or self._last_ns
            if not self._is_closed and 0 < self._last_ns < at_ns - IDLE_TURN_NS:
                self._close("idle" if self._over_key is None else "end_turn")
            if type(entry) is PromptEntry and entry.kind in OPENING_KINDS:
                self._open(entry, at_ns)
            elif type(entry) in _ACTIVITY:
                self._act(entry, at_ns)
            self.positions.append(len(self.segments) - 1)
            if type(entry) in _EXTENDS and not self._is_closed:
                self._extend(entry, at_ns)
            self._last_ns = max(self._last_ns, at_ns)

    def _open(self, opener: PromptEntry, at_ns: int) -> None:
        if self.segments and not self._is_closed:
            self._close("end_turn" if self._over_key is not None else "next_prompt")
        line_key = opener.uuid or opener.place
        self.segments.append(Segment(opener, opener.prompt_id or line_key, line_key, 0, at_ns, at_ns))
        self._is_closed, self._over_key = False, None

    def _act(self, entry: Entry, at_ns: int) -> None:
        is_same_response = type(entry) is ResponseEntry and entry.key == self._over_key
        if self._over_key is not None and not is_same_response:
            self._close("end_turn")
        if self._is_closed and not is_same_response:
            self._continue(entry, at_ns)
        self.segments[-1].has_activity = True

    def _continue(self, entry: Entry, at_ns: int) -> None:
        if self.segments:
            last = self.segments[-1]
            segment = Segment(last.opener, last.key, last.line_key, last.ordinal + 1, at_ns, at_ns)
        else:
            line_key = entry.uuid or (entry.key if type(entry) is ResponseEntry else "start")
            segment = Segment(None, entry.prompt_id or line_key, line_key, 0, at_ns, at_ns)
        self.segments.append(segment)
        self._is_closed, self._over_key = False, None

    def _extend(self, entry: Entry, at_ns: int) -> None:
        """Let the entry lengthen its segment, unless the turn was over before it (a stop hook, a summary)."""
        if self._over_key is not None and type(entry) not in _ACTIVITY:
            self._close("end_turn")
            return
        segment = self.segments[-1]
        segment.started_ns = segment.started_ns or at_ns
        segment.ended_ns = max(segment.ended_ns, at_ns)
        if type(entry) is ResponseEntry:
            self._open_tools.update([use.id for use in entry.tool_uses])
            if entry.stop_reason == "end_turn" and not self._open_tools:
                self._over_key = entry.key
        elif type(entry) is ResultEntry:
            self._open_tools.difference_update([result.tool_id for result in entry.results])

    def _close(self, reason: str) -> None:
        self.segments[-1].end_reason = reason
        self._is_closed, self._over_key = True, None
        self._open_tools.clear()

    def finish(self, now_ns: int) -> None:
        """Judge the last turn by the clock: nobody will write to it after 30 quiet minutes."""
        if self._is_closed:
            return
        if self._over_key is not None:
            self._close("end_turn")
        elif now_ns - self._last_ns > IDLE_TURN_NS:
            self._close("idle")


def cut_turns(entries: Sequence[Entry], now_ns: int) -> tuple[list[Segment], list[int]]:
    """Return the segments and, for every entry, the position of its segment (-1 before the first)."""
    cutter = _Cutter()
    cutter.walk(entries)
    cutter.finish(now_ns)
    _settle_keys(cutter.segments)
    return cutter.segments, cutter.positions


def _settle_keys(segments: Iterable[Segment]) -> None:
    """Make keys unique: where several prompts share one prompt id (a fork rewrites them), only the last keeps it."""
    turns: list[list[Segment]] = []
    for segment in segments:
        if segment.ordinal == 0:
            turns.append([])
        turns[-1].append(segment)
    taken: set[str] = set()
    for parts in reversed(turns):
        line_key = parts[0].line_key
        copies = (f"{line_key}#{n}" for n in count(2))
        key = next(key for key in chain([parts[0].key, line_key], copies) if key not in taken)
        taken.add(key)
        for part in parts:
            part.key = key
