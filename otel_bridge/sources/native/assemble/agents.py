"""Sub-agents of a turn: their calls, and what started them (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from otel_bridge.model import Agent, ModelCall, RecordContext, ToolCall
from otel_bridge.sources.native.assemble.calls import api_errors, compactions
from otel_bridge.sources.native.assemble.lanes import MAIN_LANE, SLACK_NS, Lanes
from otel_bridge.sources.native.assemble.times import started_ns
from otel_bridge.sources.native.assemble.tools import AGENT_TOOLS, ToolRun
from otel_bridge.sources.native.pairs import nearest_pairs
from otel_bridge.sources.native.records import AnyEvent, ApiRequest, ToolResult
from otel_bridge.sources.native.spans import SpanIndex


class Parent(Struct, frozen=True):
    """What an agent hangs on."""

    tool_id: str | None = None
    """The tool call it is shown at: the first agent that a tool call started; others stand beside."""
    agent_id: str | None = None
    kind: str | None = None
    """The kind of agent that was asked for."""
    rule: str = "none"
    """``span``: the agent works below the tool call's span; ``time``: it began when that call of its kind ran."""


class LaneParts(Struct, frozen=True):
    """All of one agent in a turn."""

    events: list[AnyEvent]
    calls: tuple[ModelCall, ...]
    """Without agents below their tools."""


def find_parents(
    lanes: Mapping[str, LaneParts],
    lane_of_tool: Mapping[str, str],
    tools: Sequence[ToolRun],
    index: Lanes,
    spans: SpanIndex,
) -> dict[str, Parent]:
    """Return what started each agent."""
    agents = [lane for lane in lanes if lane != MAIN_LANE]
    kinds = {run.id: run.result.subagent_type for run in tools if run.result is not None}
    parents: dict[str, Parent] = {}
    claimed: set[str] = set()
    for lane in agents:
        tool_id = spans.starting_tool(lane)
        if tool_id is not None and tool_id in lane_of_tool:
            shown_at = tool_id if tool_id not in claimed else None
            parents[lane] = Parent(shown_at, lane_of_tool[tool_id] or None, kinds.get(tool_id), "span")
            claimed.add(tool_id)
    left = [lane for lane in agents if lane not in parents]
    free = [run for run in tools if _starts_agents(run) and run.id not in claimed]

    def fits(lane: str, run: ToolRun) -> bool:
        kind = agent_type(lanes[lane].events, index, lane)
        asked = run.result.subagent_type if run.result is not None else None
        return (asked is None or kind is None or asked == kind) and lane_of_tool[run.id] != lane

    starts = [(_started_ns(lanes[lane].events, index, lane), lane) for lane in left]
    for lane, run in nearest_pairs(starts, [(run.started_ns, run) for run in free], (-SLACK_NS, SLACK_NS), fits):
        parents[lane] = Parent(run.id, lane_of_tool[run.id] or None, kinds.get(run.id), "time")
    for lane in left:
        named = next((event.parent_agent_id for event in lanes[lane].events if event.parent_agent_id), None)
        parents.setdefault(lane, Parent(None, named if named in lanes else None))
    return {lane: Parent() if _is_below_itself(lane, parents) else parent for lane, parent in parents.items()}


class AgentTree:
    """Puts agents below the tool calls that started them."""

    def __init__(
        self, lanes: Mapping[str, LaneParts], parents: Mapping[str, Parent], index: Lanes, *, idle_since_ns: int
    ) -> None:
        self._lanes = lanes
        self._parents = parents
        self._index = index
        self._idle_since_ns = idle_since_ns
        self._by_tool = {parent.tool_id: lane for lane, parent in parents.items() if parent.tool_id}

    def calls(self, lane: str) -> tuple[ModelCall, ...]:
        """Return a lane's calls, the agents below their tools with them."""
        return tuple(
            structs.replace(call, tool_calls=self.with_agents(call.tool_calls)) for call in self._lanes[lane].calls
        )

    def with_agents(self, tools: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """Return tool calls with the agents they started."""
        return tuple(
            structs.replace(tool, agent=self.agent(self._by_tool[tool.id])) if tool.id in self._by_tool else tool
            for tool in tools
        )

    def loose(self, above: str | None = None) -> tuple[Agent, ...]:
        """Return the agents that hang on no tool call, below the main agent or another one."""
        found = [lane for lane, parent in self._parents.items() if not parent.tool_id and parent.agent_id == above]
        return tuple(sorted(map(self.agent, found), key=lambda agent: (agent.started_ns, agent.id)))

    def agent(self, lane: str) -> Agent:
        """Return an agent's run."""
        events, parent = self._lanes[lane].events, self._parents[lane]
        completed = self._index.completed.get(lane)
        errors = api_errors(events)
        calls = self.calls(lane)
        last_ns = max(event.time_ns for event in events)
        failed = bool(errors) and (not calls or errors[-1].at_ns >= calls[-1].ended_ns)
        return Agent(
            id=lane,
            type=agent_type(events, self._index, lane) or parent.kind,
            started_ns=_started_ns(events, self._index, lane),
            ended_ns=last_ns,
            calls=calls,
            agents=self.loose(lane),
            parent_agent_id=parent.agent_id,
            tool_call_id=parent.tool_id,
            is_background=completed is not None and completed.is_async,
            is_complete=completed is not None or last_ns < self._idle_since_ns,
            link=parent.rule,
            errors=errors,
            compactions=compactions(events),
            error_type=errors[-1].error_type if failed else None,
            context=RecordContext(version=events[0].version),
        )


def agent_type(events: Sequence[AnyEvent], index: Lanes, lane: str) -> str | None:
    """Return the kind of an agent as the end of its run names it, else as its requests do."""
    completed = index.completed.get(lane)
    if completed is not None and completed.agent_type:
        return completed.agent_type
    return next((event.agent_name for event in events if isinstance(event, ApiRequest) and event.agent_name), None)


def _started_ns(events: Sequence[AnyEvent], index: Lanes, lane: str) -> int:
    completed = index.completed.get(lane)
    starts = [started_ns(event) for event in events]
    return min(starts if completed is None else [*starts, started_ns(completed)])


def _starts_agents(run: ToolRun) -> bool:
    return isinstance(run.event, ToolResult) and run.event.name in AGENT_TOOLS


def _is_below_itself(lane: str, parents: Mapping[str, Parent]) -> bool:
    """Tell whether damaged links lead from an agent back to it."""
    passed: set[str] = set()
    above = parents[lane].agent_id
    while above is not None and above != lane and above in parents and above not in passed:
        passed.add(above)
        above = parents[above].agent_id
    return above == lane
