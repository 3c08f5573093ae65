"""What ``otel-bridge show`` says of where numbers come from: what is usual once, and on each line what differs."""

from __future__ import annotations

from collections.abc import Mapping

from otel_bridge.cli.text import tokens
from otel_bridge.model import ModelCall, Session, ToolCall
from otel_bridge.provenance import (
    BOTH,
    COMPUTED,
    REPORTED,
    TELEMETRY,
    Sources,
    call_sources,
    known_from,
    session_provenance,
    tool_sources,
    usual_sources,
)
from otel_bridge.reported import AUXILIARY, TRANSCRIPT

_SIDES = {BOTH: "from both", TRANSCRIPT: "only from the transcript", TELEMETRY: "only from telemetry"}
_MARKS = {BOTH: "from both", TRANSCRIPT: "only transcript", TELEMETRY: "only telemetry"}


class SourceMarks:
    """The marks on the lines of a session."""

    def __init__(self, session: Session) -> None:
        self._found = session_provenance(session)
        self._is_told = bool({*self._found.calls, *self._found.tool_calls} - {TRANSCRIPT})
        self._usual_side = BOTH if BOTH in self._found.calls else TELEMETRY
        calls = [call_sources(call) for call in session.calls() if known_from(call) == self._usual_side]
        tools = [tool_sources(tool) for tool in session.tool_calls() if known_from(tool) == self._usual_side]
        self._usual_calls, self._usual_tools = usual_sources(calls), usual_sources(tools)
        self._has_marks = False

    @property
    def has_reported_cost(self) -> bool:
        """True when the cost of some call is the client's own word."""
        return REPORTED in self._found.cost

    def of_call(self, call: ModelCall) -> str:
        """Return what is unusual about a model call in brackets, nothing where all is as explained."""
        is_auxiliary = call.reported and call.reported.query_source == AUXILIARY
        return self._mark(call, call_sources(call), self._usual_calls, AUXILIARY if is_auxiliary else "")

    def of_tool(self, tool: ToolCall) -> str:
        """Return the same of a tool call."""
        return self._mark(tool, tool_sources(tool), self._usual_tools, "")

    def _mark(self, call: ModelCall | ToolCall, sources: Sources, usual: Sources, purpose: str) -> str:
        if not self._is_told:
            return ""
        side, words = known_from(call), [purpose]
        if side == self._usual_side:
            words += [f"{_named(fact)} {word}" for fact, word in sources.items() if usual[fact] != word]
        else:
            words.append(_MARKS[side])
            if side == TELEMETRY and sources.get("cost") == COMPUTED:
                words.append(f"cost {COMPUTED}")
        shown = ", ".join(filter(None, words))
        self._has_marks |= bool(shown)
        return f"[{shown}]" if shown else ""

    def explained(self) -> list[tuple[str, str]]:
        """Return the lines below the tree: how many calls are known from where, and whose word is usual."""
        cost = ", ".join(f"{word} for {tokens(count)}" for word, count in self._found.cost.items())
        lines = [("sources", f"{_counted(self._found.calls, 'calls')}; cost {cost}")] if cost else []
        if not self._is_told:
            return lines
        if self._found.tool_calls:
            lines.append(("", _counted(self._found.tool_calls, "tool calls")))
        for label, usual in (("of calls", self._usual_calls), ("of tool calls", self._usual_tools)):
            if usual:
                lines.append((label, ", ".join(f"{_named(fact)} {word}" for fact, word in usual.items())))
        if self._has_marks:
            lines.append(("in brackets", "what is otherwise; all of a call that only telemetry knows is its own word"))
        return lines


def _named(fact: str) -> str:
    return fact.replace("_", " ")


def _counted(sides: Mapping[str, int], what: str) -> str:
    first, *others = [(side, count) for side in _SIDES if (count := sides.get(side, 0))]
    words = [f"{tokens(first[1])} {what} {_SIDES[first[0]]}", *(f"{tokens(n)} {_SIDES[side]}" for side, n in others)]
    return ", ".join(words)
