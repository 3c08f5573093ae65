"""Sessions with the ids a target has of them: what is learnt of a turn later joins what was sent of it (pure).

The client names its own spans, and whoever it started hangs below them, so these names are kept where telemetry came
in time. A span that went first under a hash of its identity stays under it, and so does one that telemetry alone knew
under an identity of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from msgspec import UNSET, UnsetType, structs

from otel_bridge.convert import ids
from otel_bridge.model import Agent, ModelCall, Session, ToolCall, Turn, turn_calls
from otel_bridge.reported import ReportedCall, ReportedTool, ReportedTurn

TurnName = tuple[str, int]
"""Key and ordinal."""
ReportedT = TypeVar("ReportedT", ReportedCall, ReportedTool)


def is_told(session: Session) -> bool:
    """Tell whether telemetry has a say in the ids of a session."""
    return any(
        turn.reported is not UNSET or any(call.reported is not UNSET for call in turn_calls(turn))
        for turn in session.turns
    )


def possible_ids(session: Session) -> Iterator[bytes]:
    """Yield every span id that calls, tools and turns of the session may have been sent under."""
    for turn in session.turns:
        yield from _hashed_ids(session.id, turn)
        yield from _told_ids(turn)


def as_sent(
    session: Session, traces: Mapping[TurnName, bytes], sent: Collection[bytes]
) -> tuple[Session, dict[TurnName, bytes]]:
    """Return the session under the ids it was sent under, and the traces of turns that the client names.

    ``traces`` are those that turns were sent in so far, as returned here; ``sent`` the ``possible_ids`` the target has.
    """
    turns, named = [], {}
    for turn in session.turns:
        naming = _Naming(session.id, sent)
        known = traces.get((turn.key, turn.ordinal))
        kept = naming.turn(turn, known)
        turns.append(kept)
        if naming.keeps_told:
            named[turn.key, turn.ordinal] = bytes.fromhex(_told(kept).trace_id)
    return structs.replace(session, turns=tuple(turns)), named


class _Naming:
    """The ids of one turn."""

    def __init__(self, session_id: str, sent: Collection[bytes]) -> None:
        self._session_id = session_id
        self._sent = sent
        self.keeps_told = False
        """The trace is the client's own."""
        self._trace: tuple[str, ...] = ()
        """That trace; calls that name none are in it."""

    def turn(self, turn: Turn, known_trace: bytes | None) -> Turn:
        told = _told(turn)
        before = (*_hashed_ids(self._session_id, turn), native_key(bytes.fromhex(told.span_id)))
        went_before = known_trace is None and any(key in self._sent for key in before)
        self.keeps_told = bool(told.trace_id) and not went_before
        if known_trace is not None and told.trace_id != known_trace.hex():
            self.keeps_told = False
        self._trace = ("", told.trace_id) if self.keeps_told else ()
        return structs.replace(
            turn,
            reported=told if self.keeps_told else self._hashed(turn, told),
            calls=tuple(map(self._call, turn.calls)),
            agents=tuple(map(self._agent, turn.agents)),
            late_tool_calls=tuple(map(self._tool, turn.late_tool_calls)),
        )

    def _hashed(self, turn: Turn, told: ReportedTurn) -> ReportedTurn:
        """Return the ids that telemetry alone was sent under, where it was, else those of what is recorded."""
        own = ids.turn_span_id(self._session_id, turn.key, turn.ordinal)
        other = ids.turn_span_id(self._session_id, told.key, turn.ordinal)
        if told.key in ("", turn.key) or own in self._sent or other not in self._sent:
            return structs.replace(told, trace_id="", span_id="", parent_id="")
        trace_id = ids.turn_trace_id(self._session_id, told.key, turn.ordinal)
        return structs.replace(told, trace_id=trace_id.hex(), span_id=other.hex(), parent_id="")

    def _call(self, call: ModelCall) -> ModelCall:
        reported = self._reported(call.reported, ids.call_span_id, call.key)
        return structs.replace(call, reported=reported, tool_calls=tuple(map(self._tool, call.tool_calls)))

    def _tool(self, tool: ToolCall) -> ToolCall:
        told = tool.reported
        if told is not UNSET and bytes.fromhex(told.outer_span_id) in self._sent:  # before it was known to have run
            told = structs.replace(told, span_id=told.outer_span_id)
        reported = self._reported(told, ids.tool_span_id, tool.id)
        return structs.replace(tool, reported=reported, agent=tool.agent and self._agent(tool.agent))

    def _agent(self, agent: Agent) -> Agent:
        return structs.replace(
            agent, calls=tuple(map(self._call, agent.calls)), agents=tuple(map(self._agent, agent.agents))
        )

    def _reported(self, told: ReportedT | UnsetType, span_id: ids.SpanIdOf, key: str) -> ReportedT | UnsetType:
        if told is UNSET:
            return told
        if bytes.fromhex(told.span_id) in self._sent:
            return structs.replace(told, trace_id="")  # wherever that was: it is not sent again
        if span_id(key) in self._sent:
            return structs.replace(told, span_id="")
        if told.key not in ("", key) and (other := span_id(told.key)) in self._sent:
            return structs.replace(told, trace_id="", span_id=other.hex())
        is_kept = told.trace_id in self._trace and native_key(bytes.fromhex(told.span_id)) not in self._sent
        return told if is_kept else structs.replace(told, span_id="")


def _told(turn: Turn) -> ReportedTurn:
    return ReportedTurn() if turn.reported is UNSET else turn.reported


def _hashed_ids(session_id: str, turn: Turn) -> Iterator[bytes]:
    for key in {turn.key, _told(turn).key or turn.key}:
        yield ids.turn_span_id(session_id, key, turn.ordinal)
    for call in turn_calls(turn):
        yield from _names(call.key, call.reported, ids.call_span_id)
        for tool in call.tool_calls:
            yield from _names(tool.id, tool.reported, ids.tool_span_id)
    for tool in turn.late_tool_calls:
        yield from _names(tool.id, tool.reported, ids.tool_span_id)


def native_key(span_id: bytes) -> bytes:
    """Return what a target has of the client's own span: the same id as a call's would be another thing."""
    return b"n" + span_id


def _told_ids(turn: Turn) -> Iterator[bytes]:
    yield native_key(bytes.fromhex(_told(turn).span_id))
    calls = list(turn_calls(turn))
    tools = [*turn.late_tool_calls, *(tool for call in calls for tool in call.tool_calls)]
    for told in (*(call.reported for call in calls), *(tool.reported for tool in tools)):
        if told is not UNSET and told.span_id:
            yield from (bytes.fromhex(told.span_id), native_key(bytes.fromhex(told.span_id)))
        if isinstance(told, ReportedTool) and told.outer_span_id:
            yield bytes.fromhex(told.outer_span_id)


def _names(key: str, told: ReportedCall | ReportedTool | UnsetType, span_id: ids.SpanIdOf) -> Iterator[bytes]:
    yield span_id(key)
    if told is not UNSET and told.key not in ("", key):
        yield span_id(told.key)
