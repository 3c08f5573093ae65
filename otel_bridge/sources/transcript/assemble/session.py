"""``SessionAssembler``: records of one session's files in, one ``Session`` out (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct, field, structs

from otel_bridge.model import IDLE_TURN_NS, Content, ModelCall, Prompt, Quality, RecordContext, Session, ToolCall, Turn
from otel_bridge.sources.transcript.assemble.agents import AgentBuilder, index_tools, link_agents
from otel_bridge.sources.transcript.assemble.entries import (
    LinkEntry,
    ResponseEntry,
    ToolResult,
)
from otel_bridge.sources.transcript.assemble.lanes import MAIN, Lane, LaneSorter
from otel_bridge.sources.transcript.assemble.parts import TurnParts, deal_out
from otel_bridge.sources.transcript.assemble.responses import (
    LaneCalls,
    Response,
    add_uses,
    lane_calls,
    model_call,
    tool_call,
)
from otel_bridge.sources.transcript.assemble.turns import Segment
from otel_bridge.sources.transcript.calls import Pricer
from otel_bridge.sources.transcript.ownership import Ownership
from otel_bridge.vcs import PullRequestLink


class OwnTurn(Struct, frozen=True):
    """What a fork has to know of a turn of its origin."""

    key: str
    ordinal: int
    calls: frozenset[str]
    """Keys of the main lane's responses in it."""


class ForkPoint(Struct, frozen=True):
    """The turn of another session that a fork's own part follows."""

    session_id: str
    turn_key: str
    turn_ordinal: int


class AssemblyOptions(Struct, frozen=True):
    """What besides the records decides the result."""

    price: Pricer
    now_ns: int
    """Wall clock, only to judge whether the last turn may still grow."""
    keep_content: bool = False
    ownership: Ownership = field(default_factory=Ownership)
    fork_point: ForkPoint | None = None


class SessionAssembly:
    """One session being put together; use once."""

    def __init__(self, session_id: str, sorter: LaneSorter, options: AssemblyOptions) -> None:
        self._session_id = session_id
        self._sorter = sorter
        self._options = options
        self._lanes = {lane.id: lane for lane in sorter.lanes()}
        self._lanes.setdefault(MAIN, Lane(MAIN, 0, []))
        drafts = sorted(sorter.drafts.values(), key=lambda draft: (draft.ended_ns, draft.key))
        self._askers = {use: draft.key for draft in reversed(drafts) for use in sorter.uses.get(draft.key, ())}
        """The response each tool call belongs to, by tool_use id: the first one, where an id was used twice."""
        self._requests = {
            draft.request_id: draft.key
            for draft in reversed(drafts)
            if draft.request_id and draft.request_id not in sorter.drafts
        }
        """The response each request id names; some proxies give all responses the same."""
        self._calls = self._calls_by_lane()
        self._index = index_tools((lane, self._calls[lane.id]) for lane in self._lanes.values())
        agents = [lane for lane in self._lanes.values() if lane.id != MAIN]
        self._links = link_agents(agents, self._index)
        self._builder = AgentBuilder(
            {lane.id: lane for lane in agents},
            self._calls,
            self._links,
            self._index,
            self._finish,
            contexts=sorter.contexts,
            now_ns=options.now_ns,
        )

    def session(self) -> Session:
        """Return the finished session (client totals, problems and paths are the caller's to add)."""
        turns = self._turns()
        bare = Session(self._session_id, turns, min((turn.started_ns for turn in turns), default=0), 0)
        calls = list(bare.calls())
        return structs.replace(
            bare,
            ended_ns=max([turn.ended_ns for turn in turns] + [call.ended_ns for call in calls], default=0),
            title=self._sorter.asides().title,
            project=self._sorter.project,
            forked_from=self._options.ownership.origins.get(self._session_id),
            pull_requests=self._pull_requests(bare.tool_calls()),
            quality=self._quality(calls),
        )

    def _calls_by_lane(self) -> dict[str, LaneCalls]:
        """Give every response to one lane: the main one first, then sub-agents by their first record.

        A tool call belongs to one response, with the calls that only copies in other lanes have.
        """
        free = {
            key: draft
            for key, draft in self._sorter.drafts.items()
            if self._options.ownership.owners.get(key, self._session_id) == self._session_id
        }
        late = self._options.ownership.late_results.get(self._session_id, {})
        calls = {}
        for lane in self._lanes.values():
            calls[lane.id] = lane_calls(lane.entries, free, self._sorter.contexts, late)
            for response in calls[lane.id].responses:
                key = response.draft.key
                del free[key]
                if uses := self._sorter.uses.get(key):
                    add_uses(response, sorted(uses.values(), key=lambda use: (use.at_ns, use.id)))
                    response.uses = [use for use in response.uses if self._askers[use.id] == key]
        calls[MAIN].adopted = {
            tool_id: response
            for lane in calls.values()
            for tool_id, response in lane.adopted.items()
            if self._askers[tool_id] == response.draft.key
        }
        return calls

    def own_turns(self) -> tuple[OwnTurn, ...]:
        """Return the turns with responses of the session's own: much sooner than ``session`` does."""
        return tuple(
            OwnTurn(part.segment.key, part.segment.ordinal, frozenset(call.draft.key for call in part.responses))
            for part in self._main_parts()
            if part.responses
        )

    def _main_parts(self) -> list[TurnParts]:
        main = self._lanes[MAIN]
        foreign = (key for key, owner in self._options.ownership.owners.items() if owner != self._session_id)
        return deal_out(main.entries, self._calls[MAIN], self._sorter.contexts, foreign, self._options.now_ns)

    def _turns(self) -> tuple[Turn, ...]:
        parts = self._main_parts()
        self._place_agents(parts)
        self._place_late_tools(parts)
        turns: list[Turn] = []
        for part in parts:
            turns.append(self._turn(part, len(turns), turns[-1] if turns else None))
        return tuple(turns)

    def _place_agents(self, parts: list[TurnParts]) -> None:
        """Agents without a finished tool call go to the turn of their prompt id, else to the latest one before them."""
        for lane_id in self._builder.unhosted():
            lane = self._lanes[lane_id]
            times = [entry.at_ns for entry in lane.entries if entry.at_ns] or [0]
            prompt_id = next((entry.prompt_id for entry in lane.entries if entry.prompt_id), None)
            self._home(parts, times, prompt_id, f"agent-{lane_id}").agent_lanes.append(lane_id)

    def _place_late_tools(self, parts: list[TurnParts]) -> None:
        """Give copied tool calls whose result came outside the main lane to the latest turn before it."""
        main = self._calls[MAIN]
        for tool_id, response in main.adopted.items():
            if tool_id not in main.results and tool_id in self._index.results:
                result = self._index.results[tool_id]
                home = self._home(parts, [result.at_ns], None, f"tool-{tool_id}")
                home.results[tool_id] = result
                home.late_tools.append((tool_id, response))

    def _home(self, parts: list[TurnParts], times: list[int], prompt_id: str | None, orphan_key: str) -> TurnParts:
        """Return the turn of a prompt id, else the latest one before the first time, else a new one."""
        before = [part for part in parts if part.segment.started_ns <= min(times)] or parts[:1]
        same = [part for part in before if part.segment.key == prompt_id]
        for home in (same or before)[-1:]:
            return home
        is_over = self._options.now_ns - max(times) > IDLE_TURN_NS  # the main file is gone
        key, end_reason = prompt_id or orphan_key, "idle" if is_over else "open"
        parts.append(TurnParts(Segment(None, key, key, 0, min(times), max(times), end_reason)))
        return parts[-1]

    def _turn(self, part: TurnParts, index: int, previous: Turn | None) -> Turn:
        segment = part.segment
        calls = tuple([self._finish_one(response, part.results, part.moved_tools) for response in part.responses])
        late = tuple(self._tool(tool_id, response, part.results[tool_id]) for tool_id, response in part.late_tools)
        agents = [agent for lane_id in part.agent_lanes if (agent := self._builder.build(lane_id)) is not None]
        last_ns = max((call.ended_ns for call in calls), default=0)
        failed = bool(part.errors) and part.errors[-1].at_ns >= last_ns
        starts = [call.started_ns for call in calls] if segment.ordinal or segment.opener is None else []
        fork = self._options.fork_point
        return Turn(
            key=segment.key,
            ordinal=segment.ordinal,
            index=index,
            started_ns=min([segment.started_ns, *starts]),
            ended_ns=segment.ended_ns,
            is_complete=segment.is_complete and all(agent.is_complete for agent in agents),
            end_reason=segment.end_reason,
            prompt=_prompt(segment, keep_content=self._options.keep_content),
            calls=calls,
            agents=tuple(agents),
            late_tool_calls=late,
            errors=tuple(part.errors),
            hooks=tuple(part.hooks),
            closing_hooks=tuple(part.closing_hooks),
            compactions=tuple(part.compactions),
            error_type=part.errors[-1].error_type if failed else None,
            context=part.context if part.context != RecordContext() or not agents else agents[0].context,
            previous_key=previous.key if previous else fork.turn_key if fork else None,
            previous_ordinal=previous.ordinal if previous else fork.turn_ordinal if fork else 0,
            previous_session_id=None if previous or not fork else fork.session_id,
        )

    def _finish(self, responses: Sequence[Response], results: Mapping[str, ToolResult]) -> tuple[ModelCall, ...]:
        return tuple(self._finish_one(response, results) for response in responses)

    def _finish_one(
        self, response: Response, results: Mapping[str, ToolResult], skipped: Collection[str] = ()
    ) -> ModelCall:
        keep_content = self._options.keep_content
        tools = [
            self._tool(use.id, response, results.get(use.id) or self._index.results.get(use.id))
            for use in response.uses
            if use.id not in skipped
        ]
        draft = response.draft
        merged = self._options.ownership.merged.get(draft.key, draft)
        is_named = draft.request_id is not None and self._requests.get(draft.request_id) == draft.key
        key = draft.request_id if is_named and draft.request_id else draft.key
        return model_call(key, response, tuple(tools), self._options.price, merged, keep_content=keep_content)

    def _tool(self, tool_id: str, response: Response, result: ToolResult | None) -> ToolCall:
        use = self._index.uses[tool_id]
        agent = self._builder.of_tool(tool_id)
        return tool_call(use, result, response, agent, keep_content=self._options.keep_content)

    def _pull_requests(self, tools: Iterable[ToolCall]) -> tuple[PullRequestLink, ...]:
        """Return each pull request once, at the first time it was touched; creating it says more than a link."""
        links = [
            entry.link
            for lane in self._lanes.values()
            for entry in lane.entries
            if type(entry) is LinkEntry and entry.link is not None
        ]
        links += [link for tool in tools for link in tool.pull_requests]
        first: dict[tuple[str, int], PullRequestLink] = {}
        for link in sorted(links, key=lambda link: (link.at_ns, link.action != "created")):
            key = link.pull_request.repository, link.pull_request.number
            known = first.setdefault(key, link)
            if link.action == "created" != known.action:
                first[key] = PullRequestLink(known.pull_request, known.at_ns, "created")
        return tuple(first.values())

    def _quality(self, calls: Sequence[ModelCall]) -> Quality:
        unpriced = [call.model for call in calls if call.cost_usd is None]
        entries = [entry for lane in self._lanes.values() for entry in lane.entries]
        parents = [entry.parent for entry in entries if entry.parent]
        known_tools = self._index.uses.keys()
        owners = self._options.ownership.owners
        foreign = [key for key in self._sorter.drafts if owners.get(key, self._session_id) != self._session_id]
        orphans = self._index.results.keys() - known_tools
        if orphans:
            orphans -= {use.id for entry in entries if type(entry) is ResponseEntry for use in entry.tool_uses}
        return Quality(
            lower_bound_calls=sum(call.output_is_lower_bound for call in calls),
            unpriced_calls=len(unpriced),
            unpriced_models=tuple(sorted(set(unpriced))),
            missing_parents=sum(parent not in self._sorter.uuids for parent in parents),
            unlinked_agents=sum(link.rule == "none" for link in self._links.values()),
            unfinished_tool_calls=len(known_tools - self._index.results.keys()),
            orphan_tool_results=len(orphans),
            duplicate_records=self._sorter.duplicate_records,
            foreign_calls=len(foreign),
            foreign_tool_calls=sum(len(self._sorter.uses.get(key, ())) for key in foreign),
        )


def _prompt(segment: Segment, *, keep_content: bool) -> Prompt:
    opener = segment.opener
    if opener is None:
        return Prompt("other")
    if segment.ordinal:
        return Prompt(opener.kind, 0, opener.command, opener.source)
    content = Content(request=opener.text) if keep_content else None
    return Prompt(opener.kind, opener.length, opener.command, opener.source, content)
