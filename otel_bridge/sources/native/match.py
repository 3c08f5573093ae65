"""Which model call, tool call and turn of telemetry is which of a transcript (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otel_bridge.model import ModelCall, ToolCall, Turn
from otel_bridge.sources.native.pairs import nearest_pairs

CALL_REACH_NS = (-5_000_000, 500_000_000)
"""How long after the last line of a call its event is stamped; before it only by jitter of the clock."""
LATE_CALL_REACH_NS = (-5_000_000, 10_000_000_000)
"""The same on a machine so busy that the client comes to it late (seen in 2.0.30: 0.7 s)."""
COUNTS_RIGHTLY_SINCE = (2, 1, 50)
TOOL_REACH_NS = (-500_000_000, 500_000_000)
"""How far a tool's event may be from the line of its result."""
TURN_REACH_NS = (-10_000_000_000, 10_000_000_000)
"""How far a prompt's event may be from its line: both are written as the turn begins."""


def call_pairs(recorded: Iterable[ModelCall], native: Sequence[ModelCall]) -> dict[str, ModelCall]:
    """Return the native call of each recorded one that has one, by the recorded one's key.

    By request id where both have one (2.1.181+), and then never by time: parallel sub-agents would be mixed up.
    Else the same model and the nearest end, one to one. Clients that count prompts rightly (2.1.50) get the pairs with
    equal prompts first: of two calls that end within a millisecond, one a sub-agent's, time alone may take the wrong
    one. Older ones count prompts twice (1.0.60) or not at all (2.0.30), there only time is left, and enough. What is
    left over then is paired from further away, where the line was written while the request of the event was running.
    """
    own = sorted(recorded, key=lambda call: (call.ended_ns, call.key))
    named = {call.request_id: call for call in native if call.request_id is not None}
    pairs: dict[str, ModelCall] = {}
    for call in own:
        if call.key in named:
            pairs[call.key] = named.pop(call.key)
    for call in own:
        if call.key not in pairs and call.request_id is not None and call.request_id in named:
            pairs[call.key] = named.pop(call.request_id)
    told = sorted(native, key=lambda call: (call.ended_ns, call.key))
    for is_pair, reach_ns in (
        (_has_same_prompt, CALL_REACH_NS),
        (_has_same_model, CALL_REACH_NS),
        (_was_written_while_running, LATE_CALL_REACH_NS),
    ):
        taken = {event.key for event in pairs.values()}
        for call, event in nearest_pairs(
            [(call.ended_ns, call) for call in own if call.key not in pairs],
            [(event.ended_ns, event) for event in told if event.key not in taken],
            reach_ns,
            is_pair,
        ):
            pairs[call.key] = event
    return pairs


def _has_same_model(call: ModelCall, event: ModelCall) -> bool:
    return call.model == event.model and (call.request_id is None or event.request_id is None)


def _was_written_while_running(call: ModelCall, event: ModelCall) -> bool:
    return event.started_ns <= call.ended_ns and _has_same_model(call, event)


def _has_same_prompt(call: ModelCall, event: ModelCall) -> bool:
    mine, told = call.usage, event.usage
    prompt = mine.input_tokens, mine.cache_read_tokens, mine.cache_write_tokens
    is_same = prompt == (told.input_tokens, told.cache_read_tokens, told.cache_write_tokens)
    return is_same and _has_same_model(call, event) and counts_rightly(event.context.version)


def counts_rightly(version: str | None) -> bool:
    """Tell whether a client reports the final counts of tokens: 1.0.60 adds some twice, 2.0.30 has no prompts."""
    return version_number(version) >= COUNTS_RIGHTLY_SINCE


def version_number(version: str | None) -> tuple[int, ...]:
    """Return a version for comparing; without one it is older than all."""
    parts = (version or "").split("-", 1)[0].split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def tool_pairs(recorded: Iterable[ToolCall], native: Sequence[ToolCall]) -> dict[str, ToolCall]:
    """Return the native tool call of each recorded one that has one, by the recorded one's id.

    By id; events without an id (before 2.1.119) by name and nearest end, one to one.
    """
    own = sorted(recorded, key=_tool_place)
    by_id = {tool.id: tool for tool in native if is_named(tool)}
    pairs = {tool.id: by_id[tool.id] for tool in own if tool.id in by_id}
    nameless = sorted((tool for tool in native if not is_named(tool)), key=_tool_place)
    for tool, event in nearest_pairs(
        [(tool.ended_ns, tool) for tool in own if tool.ended_ns is not None and tool.id not in pairs],
        [(event.ended_ns, event) for event in nameless if event.ended_ns is not None],
        TOOL_REACH_NS,
        lambda tool, event: tool.name == event.name,
    ):
        pairs[tool.id] = event
    return pairs


def _tool_place(tool: ToolCall) -> tuple[int, str]:
    return tool.ended_ns or 0, tool.id


def is_named(tool: ToolCall) -> bool:
    """Tell whether a native tool call has the id that the client gave it."""
    return not tool.reported or tool.reported.is_named


def turn_keys(recorded: Sequence[Turn], native: Sequence[Turn]) -> dict[str, str]:
    """Return native key → recorded key of equal turns: by prompt id, else by prompt length and nearest start."""
    keys = {turn.key for turn in recorded}
    pairs = {turn.key: turn.key for turn in native if turn.key in keys}
    found = nearest_pairs(
        [(event.started_ns, event) for event in native if event.key not in pairs and event.ordinal == 0],
        [(turn.started_ns, turn) for turn in recorded if turn.key not in pairs and turn.ordinal == 0],
        TURN_REACH_NS,
        lambda event, turn: event.prompt.length == turn.prompt.length,
    )
    return pairs | {event.key: turn.key for event, turn in found}
