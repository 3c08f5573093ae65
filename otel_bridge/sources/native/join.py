"""A session known from transcripts and from telemetry → one session, each call in it once (pure).

Calls that only telemetry knows (titles, summaries, classifiers, or all calls of a lost file) are added and marked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct, field, structs

from otel_bridge.model import Agent, ModelCall, Session, ToolCall, Turn, turn_calls
from otel_bridge.reported import AUXILIARY, ReportedCall, ReportedSpan, ReportedTurn
from otel_bridge.sources.native.assemble.lanes import MAIN_LANE
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.match import call_pairs, is_named, tool_pairs, turn_keys
from otel_bridge.sources.native.merge import merged_call, merged_tool, merged_turn
from otel_bridge.sources.native.records import NativeRecord
from otel_bridge.sources.transcript.calls import Pricer


def join_session(recorded: Session, records: Iterable[NativeRecord], price: Pricer, now_ns: int) -> Session:
    """Return the session of a transcript with all that its native records add, whatever order they came in.

    Without records it is the transcript's, byte for byte; without turns in the transcript it is the records'.
    """
    native = native_session(recorded.id, records, now_ns, price)
    if not native.turns:
        return recorded
    if not recorded.turns:
        return native
    return _Join(recorded, native, price).session()


class _Seat(Struct, frozen=True):
    """A call and where it stands."""

    call: ModelCall
    turn: Turn
    agent: Agent | None


class _Extra(Struct):
    """What telemetry alone knows of one turn."""

    calls: dict[str, list[ModelCall]] = field(default_factory=dict)
    """By the id of the agent that made them."""
    agents: list[Agent] = field(default_factory=list)
    """Agents no transcript knows and no recorded tool call started."""
    tools: list[ToolCall] = field(default_factory=list)
    spans: list[ReportedSpan] = field(default_factory=list)
    """Of turns that no transcript has."""


class _Join:
    """Two views of one session becoming one; use once."""

    def __init__(self, recorded: Session, native: Session, price: Pricer) -> None:
        self._recorded, self._native, self._price = recorded, native, price
        own = list(seats(recorded))
        told = list(seats(native))
        tools, native_tools = list(recorded.tool_calls()), list(native.tool_calls())
        self._calls = call_pairs([seat.call for seat in own], [seat.call for seat in told])
        self._tools = tool_pairs(tools, native_tools)
        self._tool_ids = {tool.id for tool in tools} | {tool.id for tool in self._tools.values()}
        self._free_tools: set[str | None] = {tool.id for tool in tools if tool.agent is None}
        self._keys = turn_keys(recorded.turns, native.turns)
        self._native_turns = {(self._keys.get(turn.key), turn.ordinal): turn for turn in native.turns}
        self._extras: dict[tuple[str, int], _Extra] = {}
        self._agents_of_tools: dict[str | None, Agent] = {}
        self._agent_homes = {agent.id: turn for agent, turn in agents_of(recorded)}
        matched = {call.key for call in self._calls.values()}
        self._add([seat for seat in told if seat.call.key not in matched])

    def session(self) -> Session:
        turns = tuple(map(self._turn, self._recorded.turns))
        joined = structs.replace(
            self._recorded,
            turns=turns,
            started_ns=min(self._recorded.started_ns, *(turn.started_ns for turn in turns)),
            ended_ns=max(self._recorded.ended_ns, self._native.ended_ns),
        )
        return _with_balance(_with_quality(joined, self._recorded), self._recorded)

    def _add(self, unknown: Iterable[_Seat]) -> None:
        """Find a place for each call that no transcript has: its agent's, else its turn's."""
        lost: dict[str, tuple[Agent, Turn, list[ModelCall]]] = {}
        for seat in unknown:
            call = structs.replace(_marked(seat), tool_calls=self._unknown_tools(seat.call))
            agent_id = seat.agent.id if seat.agent is not None else MAIN_LANE
            home = self._agent_homes.get(agent_id) or self._home(seat)
            if seat.agent is not None and agent_id not in self._agent_homes:
                lost.setdefault(agent_id, (seat.agent, home, []))[2].append(call)
            else:
                self._extra(home).calls.setdefault(agent_id, []).append(call)
        for agent, home, calls in lost.values():
            found = structs.replace(agent, calls=tuple(calls), agents=())
            if agent.tool_call_id in self._free_tools:
                self._free_tools.remove(agent.tool_call_id)
                self._agents_of_tools[agent.tool_call_id] = found
            else:
                self._extra(home).agents.append(found)
        known = {(turn.key, turn.ordinal) for turn in self._recorded.turns}
        for turn in self._native.turns:
            if turn.reported and (self._keys.get(turn.key), turn.ordinal) not in known:
                home = self._turn_at(self._keys.get(turn.key), turn.started_ns)
                self._extra(home).spans += turn.reported.spans
            late = tuple(tool for tool in turn.late_tool_calls if self._is_unknown(tool))
            if late:
                home = self._turn_at(self._keys.get(turn.key), turn.started_ns)
                self._extra(home).tools += [structs.replace(tool, agent=None) for tool in late]

    def _extra(self, turn: Turn) -> _Extra:
        return self._extras.setdefault((turn.key, turn.ordinal), _Extra())

    def _home(self, seat: _Seat) -> Turn:
        return self._turn_at(self._keys.get(seat.turn.key), seat.call.ended_ns)

    def _turn_at(self, key: str | None, at_ns: int) -> Turn:
        """Return the part of a turn that was going on at a time; without a key, of any turn."""
        same = [turn for turn in self._recorded.turns if turn.key == key] or list(self._recorded.turns)
        begun = [turn for turn in same if turn.started_ns <= at_ns]
        return begun[-1] if begun else same[0]

    def _turn(self, turn: Turn) -> Turn:
        extra = self._extras.get((turn.key, turn.ordinal), _Extra())
        native = self._native_turns.get((turn.key, turn.ordinal))
        merged = merged_turn(turn, native) if native is not None else turn
        if extra.spans:
            told = merged.reported or ReportedTurn()
            merged = structs.replace(merged, reported=structs.replace(told, spans=(*told.spans, *extra.spans)))
        recorded = tuple(map(self._call, turn.calls))
        agents = (*map(self._agent, turn.agents), *extra.agents)
        if native is not None and turn.end_reason == "open" and native.end_reason == "end_turn":
            is_complete = all(agent.is_complete for agent in agents)
            merged = structs.replace(merged, end_reason=native.end_reason, is_complete=is_complete)
        return structs.replace(
            merged,
            started_ns=min([turn.started_ns, *(call.started_ns for call in recorded)]),
            ended_ns=max([turn.ended_ns, *(call.ended_ns for call in recorded)]),
            calls=in_order(recorded, extra.calls.get(MAIN_LANE, [])),
            agents=agents,
            late_tool_calls=(*map(self._tool, turn.late_tool_calls), *extra.tools),
        )

    def _call(self, call: ModelCall) -> ModelCall:
        native = self._calls.get(call.key)
        tools = tuple(map(self._tool, call.tool_calls))
        if native is None:
            return structs.replace(call, tool_calls=tools)
        merged = merged_call(call, native, self._price)
        return structs.replace(merged, tool_calls=(*tools, *self._unknown_tools(native)))

    def _tool(self, tool: ToolCall) -> ToolCall:
        native = self._tools.get(tool.id)
        merged = merged_tool(tool, native) if native is not None else tool
        if tool.agent is not None:
            return structs.replace(merged, agent=self._agent(tool.agent))
        return structs.replace(merged, agent=self._agents_of_tools.get(tool.id))

    def _agent(self, agent: Agent) -> Agent:
        extra = self._extra(self._agent_homes[agent.id]).calls.get(agent.id, [])
        return structs.replace(
            agent,
            calls=in_order(tuple(map(self._call, agent.calls)), extra),
            agents=tuple(map(self._agent, agent.agents)),
        )

    def _unknown_tools(self, call: ModelCall) -> tuple[ToolCall, ...]:
        """Return the tool calls that only telemetry has; their agents come with their own calls."""
        return tuple(structs.replace(tool, agent=None) for tool in call.tool_calls if self._is_unknown(tool))

    def _is_unknown(self, tool: ToolCall) -> bool:
        return tool.is_finished and is_named(tool) and tool.id not in self._tool_ids


def agents_of(session: Session) -> Iterator[tuple[Agent, Turn]]:
    """Yield every sub-agent with its turn, those without calls too."""
    for turn in session.turns:
        tools = (*(tool for call in turn_calls(turn) for tool in call.tool_calls), *turn.late_tool_calls)
        below = [*turn.agents, *(tool.agent for tool in tools if tool.agent is not None)]
        while below:
            agent = below.pop()
            below += agent.agents
            yield agent, turn


def seats(session: Session) -> Iterator[_Seat]:
    """Yield every call with its turn and the sub-agent that made it."""
    for turn in session.turns:
        yield from _seats(turn.calls, turn, None)
        yield from _seats_of_tools(turn.late_tool_calls, turn)
        for agent in turn.agents:
            yield from _seats_of_agent(agent, turn)


def _seats(calls: tuple[ModelCall, ...], turn: Turn, agent: Agent | None) -> Iterator[_Seat]:
    for call in calls:
        yield _Seat(call, turn, agent)
        yield from _seats_of_tools(call.tool_calls, turn)


def _seats_of_tools(tools: tuple[ToolCall, ...], turn: Turn) -> Iterator[_Seat]:
    for tool in tools:
        if tool.agent is not None:
            yield from _seats_of_agent(tool.agent, turn)


def _seats_of_agent(agent: Agent, turn: Turn) -> Iterator[_Seat]:
    yield from _seats(agent.calls, turn, agent)
    for nested in agent.agents:
        yield from _seats_of_agent(nested, turn)


def _marked(seat: _Seat) -> ModelCall:
    """Return a call that no transcript has, marked: before 2.1.181 none says what it was for, but that tells it.

    The main agent's calls and the sub-agents' are recorded, so what is not is the client's own.
    """
    told = seat.call.reported or ReportedCall(is_unrecorded=True)
    if told.query_source is not None or seat.agent is not None:
        return seat.call
    return structs.replace(seat.call, reported=structs.replace(told, query_source=AUXILIARY))


def in_order(calls: tuple[ModelCall, ...], added: Iterable[ModelCall]) -> tuple[ModelCall, ...]:
    """Return a lane's calls with others put in by the time they began; those of the lane keep their order."""
    waiting = sorted(added, key=lambda call: (call.started_ns, call.key), reverse=True)
    merged: list[ModelCall] = []
    for call in calls:
        while waiting and waiting[-1].started_ns < call.started_ns:
            merged.append(waiting.pop())
        merged.append(call)
    return (*merged, *reversed(waiting))


def _with_quality(session: Session, recorded: Session) -> Session:
    calls = list(session.calls())
    open_before = {tool.id for tool in recorded.tool_calls() if not tool.is_finished}
    answered = sum(1 for tool in session.tool_calls() if tool.is_finished and tool.id in open_before)
    unpriced = [call.model for call in calls if call.cost_usd is None]
    quality = structs.replace(
        session.quality,
        lower_bound_calls=sum(call.output_is_lower_bound for call in calls),
        unpriced_calls=len(unpriced),
        unpriced_models=tuple(sorted(set(unpriced))),
        unfinished_tool_calls=max(0, session.quality.unfinished_tool_calls - answered),
    )
    return structs.replace(session, quality=quality)


def _with_balance(joined: Session, recorded: Session) -> Session:
    """Take what is named now out of what the client's total had beyond our calls."""
    if recorded.unrecorded_cost_usd is None:
        return joined
    balance = _Balance(joined, recorded)
    history = tuple(
        structs.replace(point, cost_usd=point.cost_usd - balance.named_usd(point.at_ns))
        for point in recorded.unrecorded_history
    )
    last_ns = recorded.unrecorded_history[-1].at_ns if recorded.unrecorded_history else None
    left = recorded.unrecorded_cost_usd - balance.named_usd(last_ns)
    reasons = recorded.unrecorded_reasons if left else ()
    return structs.replace(joined, unrecorded_cost_usd=left, unrecorded_reasons=reasons, unrecorded_history=history)


class _Balance:
    """What the joined calls cost beyond the recorded ones."""

    def __init__(self, joined: Session, recorded: Session) -> None:
        before = {call.key: call for call in recorded.calls()}
        self._recorded_ns = sorted(call.ended_ns for call in before.values())
        self._named: list[tuple[int, Decimal]] = []
        """When it was counted, and how much more than we did."""
        self._added: list[tuple[int, Decimal]] = []
        for call in joined.calls():
            known, cost = before.get(call.key), call.cost_usd or Decimal(0)
            if known is None:
                self._added.append((call.ended_ns, cost))
            else:
                self._named.append((known.ended_ns, cost - (known.cost_usd or Decimal(0))))

    def named_usd(self, at_ns: int | None) -> Decimal:
        """Return the sum of the calls in a total that was written after the line of a time (all, without one).

        The total comes after that line and before the next recorded call, and so do the calls that nobody recorded.
        """
        place = len(self._recorded_ns) if at_ns is None else bisect_right(self._recorded_ns, at_ns)
        next_ns = self._recorded_ns[place] if place < len(self._recorded_ns) else None
        known = [usd for ended_ns, usd in self._named if at_ns is None or ended_ns <= at_ns]
        added = [usd for ended_ns, usd in self._added if next_ns is None or ended_ns < next_ns]
        return sum([*known, *added], Decimal(0))
