"""The main lane's entries dealt out to its turns (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from otel_bridge.model import ApiError, Compaction, HookRun, RecordContext
from otel_bridge.sources.transcript.assemble.entries import (
    CompactionEntry,
    Entry,
    HookEntry,
    PromptEntry,
    ResponseEntry,
    ToolResult,
)
from otel_bridge.sources.transcript.assemble.responses import LaneCalls, Response
from otel_bridge.sources.transcript.assemble.turns import Segment, cut_turns

NO_CONTEXT = RecordContext()
"""Of a turn nobody has spoken in."""

_SPEAKING: frozenset[type[Entry]] = frozenset({ResponseEntry, PromptEntry})
_TELLING = _SPEAKING | {HookEntry, CompactionEntry}


class TurnParts(Struct):
    """What falls into one segment of the main lane."""

    segment: Segment
    responses: list[Response] = field(default_factory=list)
    results: dict[str, ToolResult] = field(default_factory=dict)
    late_tools: list[tuple[str, Response]] = field(default_factory=list)
    """Tool calls of an earlier segment whose result came here, with the response that asked."""
    moved_tools: set[str] = field(default_factory=set)
    """Tool calls asked for here whose result came in a later segment."""
    agent_lanes: list[str] = field(default_factory=list)
    errors: list[ApiError] = field(default_factory=list)
    hooks: list[HookRun] = field(default_factory=list)
    closing_hooks: list[HookRun] = field(default_factory=list)
    compactions: list[Compaction] = field(default_factory=list)
    context: RecordContext = NO_CONTEXT
    is_copied: bool = False
    """A response of another session stands here: this part of the file is a copy."""


def deal_out(
    entries: Sequence[Entry],
    calls: LaneCalls,
    contexts: Mapping[int, RecordContext],
    foreign: Iterable[str],
    now_ns: int,
) -> list[TurnParts]:
    """Cut the main lane and return what belongs to each of the session's own turns; copied ones are left out."""
    segments, positions = cut_turns(entries, now_ns)
    parts = [TurnParts(segment) for segment in segments]
    _deal_calls(parts, positions, calls)
    last_copied = _mark_copied(parts, positions, entries, frozenset(foreign))
    for entry, position in zip(entries, positions, strict=True):
        if position >= 0 and type(entry) in _TELLING:
            _deal_event(parts[position], entry, contexts)
    return [part for at, part in enumerate(parts) if _is_own(part, at < last_copied)]


def _deal_calls(parts: list[TurnParts], positions: list[int], calls: LaneCalls) -> None:
    for response in calls.responses:
        asked = positions[response.index]
        parts[asked].responses.append(response)
        for use in response.uses:
            found = calls.results.get(use.id)
            if found is None:
                continue
            index, result = found
            answered = max(positions[index], asked)
            parts[answered].results[use.id] = result
            if answered > asked:
                parts[asked].moved_tools.add(use.id)
                parts[answered].late_tools.append((use.id, response))
    for tool_id, response in calls.adopted.items():
        if tool_id in calls.results:
            index, result = calls.results[tool_id]
            part = parts[positions[index]]
            part.results[tool_id] = result
            part.late_tools.append((tool_id, response))
    for index, error in calls.final_errors:
        parts[positions[index]].errors.append(error)


def _mark_copied(
    parts: list[TurnParts], positions: list[int], entries: Sequence[Entry], foreign: frozenset[str]
) -> int:
    last = -1
    if not foreign:
        return last
    for entry, position in zip(entries, positions, strict=True):
        if type(entry) is ResponseEntry and entry.key in foreign:
            parts[position].is_copied = True
            last = max(last, position)
    return last


def _deal_event(part: TurnParts, entry: Entry, contexts: Mapping[int, RecordContext]) -> None:
    if type(entry) in _SPEAKING:
        if part.context is NO_CONTEXT and entry.context:
            part.context = contexts[entry.context]
    elif type(entry) is HookEntry:
        is_late = entry.at_ns > part.segment.ended_ns
        (part.closing_hooks if is_late else part.hooks).extend(entry.hooks)
    elif type(entry) is CompactionEntry and entry.compaction is not None:
        part.compactions.append(entry.compaction)


def _is_own(part: TurnParts, stands_before_copy: bool) -> bool:
    """Tell own turns from copied ones: a call is the session's own, or without calls a prompt after all history."""
    if part.responses or part.late_tools:
        return True
    if part.is_copied or stands_before_copy:
        return False
    opener = part.segment.opener
    is_prompt = opener is not None and opener.kind == "human" and part.segment.ordinal == 0
    return is_prompt or bool(part.errors)
