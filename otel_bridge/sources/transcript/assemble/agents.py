"""Sub-agents: which tool call started which lane, and the runs themselves (pure).

Links, best first: the agent's meta file, the result of the tool call (a field, else its text),
the task notification, the record that embedded the agent's lines, the text of its prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from otel_bridge.model import IDLE_TURN_NS, Agent, ModelCall, RecordContext
from otel_bridge.sources.transcript.assemble.entries import (
    CompactionEntry,
    Entry,
    PromptEntry,
    ResponseEntry,
    ResultEntry,
    ToolResult,
    ToolUse,
)
from otel_bridge.sources.transcript.assemble.lanes import MAIN, Lane
from otel_bridge.sources.transcript.assemble.responses import LaneCalls, Response

_TALKING: frozenset[type[Entry]] = frozenset({PromptEntry, ResponseEntry, ResultEntry})
"""Entries whose times are those of the agent."""


class ParentLink(Struct, frozen=True):
    """How an agent hangs on its parent."""

    tool_id: str | None = None
    """The tool call that started it."""
    rule: str = "none"
    agent_id: str | None = None
    """The agent it belongs to while that tool call has no result, or where no tool call is known."""


class ToolIndex(Struct):
    """All tool uses and results of a session's lanes."""

    uses: dict[str, ToolUse] = {}
    lanes: dict[str, str] = {}
    """Lane that asked, by tool_use id."""
    results: dict[str, ToolResult] = {}
    notified: dict[str, str] = {}
    """Tool call (empty if not named) by agent id, from task notifications."""


def index_tools(lanes: Iterable[tuple[Lane, LaneCalls]]) -> ToolIndex:
    """Collect what the links are looked up in; of several results of one call, the main lane's comes first."""
    index = ToolIndex({}, {}, {}, {})
    for lane, calls in lanes:
        for use in (use for response in (*calls.responses, *calls.adopted.values()) for use in response.uses):
            index.uses[use.id] = use
            index.lanes[use.id] = lane.id
        for tool_id, (_, result) in calls.results.items():
            index.results.setdefault(tool_id, result)
        for agent_id, tool_id in (notice for entry in lane.entries for notice in entry.notices):
            index.notified[agent_id] = index.notified.get(agent_id) or tool_id
    return index


def link_agents(lanes: Sequence[Lane], index: ToolIndex) -> dict[str, ParentLink]:
    """Return each agent lane's parent; one tool call has at most one agent, and no agent is below itself."""
    by_result: dict[str, ToolResult] = {}
    for result in sorted(index.results.values(), key=lambda result: (result.at_ns, result.tool_id)):
        if result.agent_id:  # the first one started it, later ones resumed it
            by_result.setdefault(result.agent_id, result)
    links: dict[str, ParentLink] = {}
    taken: set[str] = set()
    for lane in lanes:
        tool_id, rule = _named_link(lane, index, by_result)
        if tool_id and tool_id not in taken:
            taken.add(tool_id)
            links[lane.id] = ParentLink(tool_id, rule)
    for lane in lanes:
        if lane.id not in links:
            tool_id = _tool_with_prompt(lane, index, taken)
            if tool_id:
                taken.add(tool_id)
            links[lane.id] = ParentLink(tool_id, "prompt" if tool_id else "none")
    for lane in lanes:
        links[lane.id] = _with_agent(lane, links, index)
    for lane in lanes:
        if _is_below_itself(lane.id, links, index):  # damaged links can point in a circle
            links[lane.id] = ParentLink()
    return links


def _named_link(lane: Lane, index: ToolIndex, by_result: Mapping[str, ToolResult]) -> tuple[str | None, str]:
    result = by_result.get(lane.id)
    candidates = (
        (lane.meta.toolUseId if lane.meta is not None else None, "meta"),
        (result.tool_id, result.agent_rule) if result is not None else (None, ""),
        (index.notified.get(lane.id), "notification"),
        (lane.parent_tool_id, "progress"),
    )
    return next(((tool_id, rule) for tool_id, rule in candidates if tool_id in index.uses), (None, "none"))


def _tool_with_prompt(lane: Lane, index: ToolIndex, taken: set[str]) -> str | None:
    """Return the latest unclaimed agent call before the lane that gave exactly its first prompt."""
    first = next((entry for entry in lane.entries if type(entry) is PromptEntry), None)
    if first is None:
        return None
    matches = [
        use
        for use in index.uses.values()
        if use.prompt_digest == first.digest and use.id not in taken and use.at_ns <= first.at_ns
    ]
    return max(matches, key=lambda use: (use.at_ns, use.id)).id if matches else None


def _with_agent(lane: Lane, links: Mapping[str, ParentLink], index: ToolIndex) -> ParentLink:
    """Add the parent agent: the meta file names it, else it is the one whose tool call started the lane."""
    link = links[lane.id]
    named = lane.meta.parentAgentId if lane.meta is not None else None
    asking = index.lanes.get(link.tool_id or "", MAIN)
    if named in links:
        return ParentLink(link.tool_id, "meta" if link.rule == "none" else link.rule, named)
    return ParentLink(link.tool_id, link.rule, asking if asking != MAIN else None)


def _host(lane_id: str, links: Mapping[str, ParentLink], index: ToolIndex) -> str | None:
    """Return the agent a lane is shown under, ``None`` for the main lane."""
    link = links[lane_id]
    if link.tool_id in index.results:
        asking = index.lanes[link.tool_id or ""]
        return asking if asking != MAIN else None
    return link.agent_id


def _is_below_itself(lane_id: str, links: Mapping[str, ParentLink], index: ToolIndex) -> bool:
    host = _host(lane_id, links, index)
    passed: set[str] = set()
    while host is not None and host != lane_id and host not in passed:
        passed.add(host)
        host = _host(host, links, index)
    return host == lane_id


FinishCalls = Callable[[Sequence[Response], Mapping[str, ToolResult]], tuple[ModelCall, ...]]


class AgentBuilder:
    """Builds runs bottom-up: an agent's tool calls carry the agents they started."""

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        calls: Mapping[str, LaneCalls],
        links: Mapping[str, ParentLink],
        index: ToolIndex,
        finish_calls: FinishCalls,
        *,
        contexts: Mapping[int, RecordContext],
        now_ns: int,
    ) -> None:
        self._lanes = lanes
        self._calls = calls
        self._links = links
        self._index = index
        self._contexts = contexts
        self._finish_calls = finish_calls
        self._now_ns = now_ns
        self._by_tool = {
            link.tool_id: lane_id for lane_id, link in links.items() if link.tool_id in self._index.results
        }
        self._nested: dict[str, list[str]] = {}
        for lane_id, link in links.items():
            if link.agent_id is not None and link.tool_id not in self._by_tool:
                self._nested.setdefault(link.agent_id, []).append(lane_id)

    def of_tool(self, tool_id: str) -> Agent | None:
        """Return the agent a finished tool call started."""
        lane_id = self._by_tool.get(tool_id)
        return self.build(lane_id) if lane_id is not None else None

    def unhosted(self) -> list[str]:
        """Return lanes that hang neither on a finished tool call nor on another agent: they belong to a turn."""
        return [
            lane_id
            for lane_id, link in self._links.items()
            if link.agent_id is None and link.tool_id not in self._by_tool
        ]

    def build(self, lane_id: str) -> Agent | None:
        """Return a lane's run; ``None`` where it only repeats calls of other lanes."""
        lane, calls, link = self._lanes[lane_id], self._calls[lane_id], self._links[lane_id]
        results = {tool_id: result for tool_id, (_, result) in calls.results.items()}
        finished = self._finish_calls(calls.responses, results)
        nested = [agent for inner in self._nested.get(lane_id, ()) if (agent := self.build(inner)) is not None]
        if not finished and not nested and link.tool_id is None:
            return None
        return self._agent(lane, link, finished, tuple(nested))

    def _agent(self, lane: Lane, link: ParentLink, calls: tuple[ModelCall, ...], nested: tuple[Agent, ...]) -> Agent:
        use = self._index.uses.get(link.tool_id or "")
        result = self._index.results.get(link.tool_id or "")
        times = [entry.at_ns for entry in lane.entries if entry.at_ns and not _is_bare(entry)]
        ended_ns = max([*times, *(call.ended_ns for call in calls)], default=0)
        started_ns = min([*times, *(call.started_ns for call in calls)], default=ended_ns)
        errors = tuple(error for _, error in self._calls[lane.id].final_errors)
        last = calls[-1] if calls else None
        failed = bool(errors) and (last is None or errors[-1].at_ns >= last.ended_ns)
        return Agent(
            id=lane.id,
            type=_agent_type(lane, use),
            started_ns=started_ns,
            ended_ns=ended_ns,
            calls=calls,
            agents=nested,
            description=lane.meta.description if lane.meta is not None else use.description if use else None,
            parent_agent_id=link.agent_id,
            tool_call_id=link.tool_id,
            is_background=bool(result is not None and result.is_async)
            or (lane.meta is not None and lane.meta.requestShape == "background"),
            is_complete=self._is_complete(lane, last, result, ended_ns),
            link=link.rule,
            errors=errors,
            compactions=tuple(
                entry.compaction
                for entry in lane.entries
                if type(entry) is CompactionEntry and entry.compaction is not None
            ),
            error_type=errors[-1].error_type if failed else None,
            context=calls[0].context if calls else self._contexts[lane.entries[0].context],
        )

    def _is_complete(self, lane: Lane, last: ModelCall | None, result: ToolResult | None, ended_ns: int) -> bool:
        return (
            (last is not None and last.stop_reason == "end_turn")
            or (result is not None and not result.is_async)
            or bool(lane.meta is not None and lane.meta.finished)
            or lane.id in self._index.notified
            or self._now_ns - ended_ns > IDLE_TURN_NS
        )


def _is_bare(entry: Entry) -> bool:
    return type(entry) not in _TALKING


def _agent_type(lane: Lane, use: ToolUse | None) -> str | None:
    if lane.meta is not None and lane.meta.agentType:
        return lane.meta.agentType
    if use is not None and use.subagent_type:
        return use.subagent_type
    return next((e.agent_type for e in lane.entries if type(e) is ResponseEntry and e.agent_type), None)
