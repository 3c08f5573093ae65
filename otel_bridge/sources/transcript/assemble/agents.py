"""Sub-agents: which tool call started which lane, and the runs themselves (pure).

Links, best first (``jsonl-format`` §8.2): the agent's meta file, the result of the tool call, the task notification,
the record that embedded the agent's lines, the text of its prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from otel_bridge.model import IDLE_TURN_NS, Agent, ModelCall, ToolCall
from otel_bridge.sources.transcript.assemble.entries import (
    CompactionEntry,
    Entry,
    PromptEntry,
    ResponseEntry,
    ResultEntry,
    ToolResult,
    ToolUse,
)
from otel_bridge.sources.transcript.assemble.lanes import Lane
from otel_bridge.sources.transcript.assemble.responses import LaneCalls, Response

_TASK_ID = re.compile(r"<task-id>\s*([\w-]+)")
_TOOL_USE_ID = re.compile(r"<tool-use-id>\s*([\w-]+)")


class ParentLink(Struct, frozen=True):
    """How an agent hangs on its parent."""

    tool_id: str | None = None
    rule: str = "none"


class ToolIndex(Struct):
    """All tool uses and results of a session's lanes."""

    uses: dict[str, ToolUse] = {}
    results: dict[str, ToolResult] = {}
    notified: dict[str, str] = {}
    """Tool call by agent id, from task notifications."""


def index_tools(lanes: Iterable[tuple[Lane, LaneCalls]]) -> ToolIndex:
    """Collect what the links are looked up in."""
    index = ToolIndex({}, {}, {})
    for lane, calls in lanes:
        for response in calls.responses:
            index.uses.update((use.id, use) for use in response.uses)
        index.results.update((tool_id, result) for tool_id, (_, result) in calls.results.items())
        for entry in lane.entries:
            if isinstance(entry, PromptEntry) and entry.kind == "notification":
                task, tool = _TASK_ID.search(entry.text), _TOOL_USE_ID.search(entry.text)
                if task and tool:
                    index.notified.setdefault(task[1], tool[1])
    return index


def link_agents(lanes: Sequence[Lane], index: ToolIndex) -> dict[str, ParentLink]:
    """Return each agent lane's parent tool call; one tool call has at most one agent."""
    by_result = {result.agent_id: tool_id for tool_id, result in index.results.items() if result.agent_id}
    links: dict[str, ParentLink] = {}
    taken: set[str] = set()
    for lane in lanes:
        link = _named_link(lane, index, by_result)
        if link is not None and link.tool_id not in taken:
            taken.add(link.tool_id or "")
            links[lane.id] = link
    for lane in lanes:
        if lane.id not in links:
            tool_id = _tool_with_prompt(lane, index, taken)
            if tool_id is not None:
                taken.add(tool_id)
            links[lane.id] = ParentLink(tool_id, "prompt" if tool_id else "none")
    return links


def _named_link(lane: Lane, index: ToolIndex, by_result: Mapping[str, str]) -> ParentLink | None:
    candidates = (
        (lane.meta.toolUseId if lane.meta is not None else None, "meta"),
        (by_result.get(lane.id), "tool_result"),
        (index.notified.get(lane.id), "notification"),
        (lane.parent_tool_id, "progress"),
    )
    for tool_id, rule in candidates:
        if tool_id is not None and tool_id in index.uses:
            return ParentLink(tool_id, rule)
    return None


def _tool_with_prompt(lane: Lane, index: ToolIndex, taken: set[str]) -> str | None:
    """The latest unclaimed agent call before the lane that gave exactly its first prompt."""
    first = next((entry for entry in lane.entries if isinstance(entry, PromptEntry)), None)
    if first is None:
        return None
    matches = [
        use
        for use in index.uses.values()
        if use.prompt_digest == first.digest and use.id not in taken and use.at_ns <= first.at_ns
    ]
    return max(matches, key=lambda use: (use.at_ns, use.id)).id if matches else None


class AgentBuilder:
    """Builds runs bottom-up: an agent's tool calls carry the agents they started."""

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        calls: Mapping[str, LaneCalls],
        links: Mapping[str, ParentLink],
        index: ToolIndex,
        finish_calls: Callable[[Sequence[Response], Mapping[str, ToolResult]], tuple[ModelCall, ...]],
        now_ns: int,
    ) -> None:
        self._lanes = lanes
        self._calls = calls
        self._links = links
        self._index = index
        self._finish_calls = finish_calls
        self._now_ns = now_ns
        self._by_tool = {link.tool_id: lane_id for lane_id, link in links.items() if link.tool_id}
        self._nested: dict[str, list[str]] = {}
        self._hosted: set[str] = set()
        self._building: set[str] = set()
        for lane_id in lanes:
            parent = self._parent_agent(lane_id)
            if parent is not None:
                self._nested.setdefault(parent, []).append(lane_id)
                self._hosted.add(lane_id)

    def of_tool(self, tool_id: str) -> Agent | None:
        """Return the agent a finished tool call started."""
        lane_id = self._by_tool.get(tool_id)
        return self._build(lane_id) if lane_id is not None and tool_id in self._index.results else None

    def unhosted(self) -> list[str]:
        """Return lanes that hang neither on a finished tool call nor on another agent: they belong to a turn."""
        return [
            lane_id
            for lane_id, link in self._links.items()
            if lane_id not in self._hosted and (link.tool_id is None or link.tool_id not in self._index.results)
        ]

    def build(self, lane_id: str) -> Agent | None:
        """Return a lane's run; ``None`` where it only repeats calls of other lanes."""
        return self._build(lane_id)

    def _parent_agent(self, lane_id: str) -> str | None:
        """Return the agent of a lane whose own tool call has no result but whose meta names its parent."""
        link, meta = self._links[lane_id], self._lanes[lane_id].meta
        if link.tool_id in self._index.results or meta is None or meta.parentAgentId not in self._lanes:
            return None
        return meta.parentAgentId

    def _build(self, lane_id: str) -> Agent | None:
        if lane_id in self._building:  # damaged links can point in a circle
            return None
        self._building.add(lane_id)
        lane, calls, link = self._lanes[lane_id], self._calls[lane_id], self._links[lane_id]
        results = {tool_id: result for tool_id, (_, result) in calls.results.items()}
        finished = self._finish_calls(calls.responses, results)
        nested = [agent for inner in self._nested.get(lane_id, ()) if (agent := self._build(inner)) is not None]
        self._building.discard(lane_id)
        if not finished and not nested and link.tool_id is None:
            return None
        return self._agent(lane, link, finished, tuple(nested))

    def _agent(
        self, lane: Lane, link: ParentLink, calls: tuple[ModelCall, ...], nested: tuple[Agent, ...]
    ) -> Agent:
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
            parent_agent_id=lane.meta.parentAgentId if lane.meta is not None else None,
            tool_call_id=link.tool_id,
            is_background=bool(result is not None and result.is_async)
            or (lane.meta is not None and lane.meta.requestShape == "background"),
            is_complete=self._is_complete(lane, last, result, ended_ns),
            link=link.rule,
            errors=errors,
            compactions=tuple(
                entry.compaction
                for entry in lane.entries
                if isinstance(entry, CompactionEntry) and entry.compaction is not None
            ),
            error_type=errors[-1].error_type if failed else None,
            context=calls[0].context if calls else lane.entries[0].context,
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
    return not isinstance(entry, PromptEntry | ResponseEntry | ResultEntry)


def _agent_type(lane: Lane, use: ToolUse | None) -> str | None:
    if lane.meta is not None and lane.meta.agentType:
        return lane.meta.agentType
    if use is not None and use.subagent_type:
        return use.subagent_type
    return next((e.agent_type for e in lane.entries if isinstance(e, ResponseEntry) and e.agent_type), None)
