"""The records of one session → ``Session``: what a session was, from the client's own telemetry alone (pure).

Works for every version since 1.0; what a version does not send, or the user's settings hold back, stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import UNSET, structs

from otel_bridge.model import (
    IDLE_TURN_NS,
    ApiError,
    HookRun,
    ModelCall,
    Prompt,
    Quality,
    RecordContext,
    Session,
    Turn,
)
from otel_bridge.reported import AUXILIARY, ReportedTurn
from otel_bridge.sources.native.assemble.agents import AgentTree, LaneParts, find_parents
from otel_bridge.sources.native.assemble.calls import api_errors, compactions, hook_run, model_call
from otel_bridge.sources.native.assemble.lanes import MAIN_LANE, Lanes, source_kind
from otel_bridge.sources.native.assemble.once import each_once, keyed_requests, result_ids
from otel_bridge.sources.native.assemble.span_homes import spans_by_turn
from otel_bridge.sources.native.assemble.span_pairs import request_spans, tool_spans
from otel_bridge.sources.native.assemble.tools import Askers, ToolRun, tool_call, tool_runs
from otel_bridge.sources.native.assemble.turns import PromptFinder, TurnEvents, deal_out
from otel_bridge.sources.native.assemble.untold import told_events
from otel_bridge.sources.native.interactions import Interaction, Opening, interactions
from otel_bridge.sources.native.records import (
    AnyEvent,
    ApiRefusal,
    ApiRequest,
    HookDone,
    NativeRecord,
    NativeSpan,
    distinct,
)
from otel_bridge.sources.native.spans import SpanIndex
from otel_bridge.sources.transcript.calls import Pricer

AFTER_TURN = frozenset({"Stop", "SessionEnd"})
"""Hooks that run when a turn is over."""


def native_session(
    session_id: str, records: Iterable[NativeRecord], now_ns: int, price: Pricer | None = None
) -> Session:
    """Return a session as its telemetry has it, whatever the order and however often records came.

    ``now_ns`` only judges whether the last turn may still grow. ``price`` is for requests the client did not price;
    without it they stay unpriced. A session without events is told by its spans, one without records has no turns.
    """
    return _NativeAssembly(session_id, records, now_ns, price).session()


class _NativeAssembly:
    """One session being put together; use once."""

    def __init__(self, session_id: str, records: Iterable[NativeRecord], now_ns: int, price: Pricer | None) -> None:
        self._session_id = session_id
        self._idle_since_ns = now_ns - IDLE_TURN_NS
        self._price = price
        kept = distinct(records)
        spans = [record for record in kept if isinstance(record, NativeSpan)]
        events = [record for record in kept if not isinstance(record, NativeSpan)]
        self._has_events = bool(events)
        self._events = each_once(told_events(events, spans))
        self._ran = result_ids(self._events)
        self._spans = SpanIndex(spans, are_all=not events)
        self._spans.name(request_spans(keyed_requests(self._events), spans), tool_spans(self._events, spans))
        self._lanes = Lanes(self._events, self._spans)
        self._refused = {event.request_id for event in self._events if isinstance(event, ApiRefusal)} - {None}

    def session(self) -> Session:
        finder = PromptFinder(self._events)
        parts = deal_out(self._events, finder, self._lanes)
        openings = [
            Opening(part.key, part.ordinal, part.started_ns(), part.prompt.length if part.prompt else None)
            for part in parts
        ]
        told = interactions(self._spans, finder, openings)
        turns: list[Turn] = []
        for at, part in enumerate(parts):
            is_last = at == len(parts) - 1
            turn = self._turn(part, len(turns), is_last, told.get((part.key, part.ordinal)))
            previous = turns[-1] if turns else None
            if previous is not None:
                turn = structs.replace(turn, previous_key=previous.key, previous_ordinal=previous.ordinal)
            turns.append(turn)
        turns = self._with_spans(turns, finder)
        bare = Session(self._session_id, tuple(turns), min((turn.started_ns for turn in turns), default=0), 0)
        unpriced = [call.model for call in bare.calls() if call.cost_usd is None]
        return structs.replace(
            bare,
            ended_ns=max((event.time_ns for event in self._events), default=0),
            quality=Quality(
                unpriced_calls=len(unpriced),
                unpriced_models=tuple(sorted(set(unpriced))),
                unlinked_agents=sum(agent.link == "none" for turn in turns for agent in turn.agents),
            ),
        )

    def _with_spans(self, turns: list[Turn], finder: PromptFinder) -> list[Turn]:
        found = spans_by_turn(self._spans, self._events, turns, finder, has_events=self._has_events)
        return [
            structs.replace(turn, reported=structs.replace(turn.reported or ReportedTurn(), spans=found[at]))
            if at in found
            else turn
            for at, turn in enumerate(turns)
        ]

    def _turn(self, part: TurnEvents, index: int, is_last: bool, told: Interaction | None) -> Turn:
        auxiliary = {
            event.request_id
            for event in part.events
            if isinstance(event, ApiRequest) and source_kind(event.query_source) == AUXILIARY
        } - {None}
        runs = tool_runs(part.events, auxiliary, self._ran)
        lanes = self._lane_parts(part.events, runs)
        asked = {tool.id for parts in lanes.values() for call in parts.calls for tool in call.tool_calls}
        lane_of_tool = {run.id: self._lanes.of(run.event) for run in runs}
        parents = find_parents(lanes, lane_of_tool, runs, self._lanes, self._spans)
        tree = AgentTree(lanes, parents, self._lanes, idle_since_ns=self._idle_since_ns)
        calls, agents = tree.calls(MAIN_LANE), tree.loose()
        errors = api_errors(part.main)
        ended_ns = part.ended_ns()
        end_reason = self._end_reason(calls, ended_ns, is_last, told)
        hooks, closing = _hooks(part.main)
        return Turn(
            key=part.key,
            ordinal=part.ordinal,
            index=index,
            started_ns=part.started_ns(),
            ended_ns=ended_ns,
            is_complete=end_reason != "open" and all(agent.is_complete for agent in agents),
            end_reason=end_reason,
            prompt=_prompt(part),
            calls=calls,
            agents=agents,
            late_tool_calls=tree.with_agents(tuple(tool_call(run, self._spans) for run in runs if run.id not in asked)),
            errors=errors,
            hooks=hooks,
            closing_hooks=closing,
            compactions=compactions(part.main),
            error_type=_error_type(errors, calls),
            context=RecordContext(version=part.events[0].version),
            reported=told.reported if told is not None else UNSET,
        )

    def _end_reason(self, calls: Sequence[ModelCall], ended_ns: int, is_last: bool, told: Interaction | None) -> str:
        own = [call for call in calls if not call.reported or call.reported.query_source != AUXILIARY]
        if (told is not None and told.is_over) or (own and own[-1].stop_reason == "end_turn"):
            return "end_turn"
        if not is_last:
            return "next_prompt"
        return "idle" if ended_ns < self._idle_since_ns else "open"

    def _lane_parts(self, events: Sequence[AnyEvent], runs: Sequence[ToolRun]) -> dict[str, LaneParts]:
        by_lane: dict[str, list[AnyEvent]] = {MAIN_LANE: []}
        for event in events:
            by_lane.setdefault(self._lanes.of(event), []).append(event)
        runs_by_lane: dict[str, list[ToolRun]] = {}
        for run in runs:
            runs_by_lane.setdefault(self._lanes.of(run.event), []).append(run)
        return {lane: LaneParts(own, self._calls(own, runs_by_lane.get(lane, []))) for lane, own in by_lane.items()}

    def _calls(self, events: Sequence[AnyEvent], runs: Sequence[ToolRun]) -> tuple[ModelCall, ...]:
        requests = keyed_requests(events)
        compacted = [compaction.at_ns for compaction in compactions(events)]
        tools: dict[str, list[ToolRun]] = {}
        askers = Askers(requests)
        for run in runs:
            if (asker := askers.of(run)) is not None:
                tools.setdefault(asker, []).append(run)
        return tuple(
            model_call(
                keyed,
                tuple(tool_call(run, self._spans) for run in tools.get(keyed.key, ())),
                self._spans,
                self._price,
                is_refused=keyed.request.request_id in self._refused,
                follows_compaction=any(at_ns <= keyed.started_ns for at_ns in compacted),
            )
            for keyed in requests
        )


def _prompt(part: TurnEvents) -> Prompt:
    if part.prompt is None:
        return Prompt("other")
    kind = "command" if part.prompt.command else "human"
    return Prompt(kind, part.prompt.length or 0, part.prompt.command)


def _hooks(events: Iterable[AnyEvent]) -> tuple[tuple[HookRun, ...], tuple[HookRun, ...]]:
    runs = [hook_run(event) for event in events if isinstance(event, HookDone)]
    return (
        tuple(run for run in runs if run.event not in AFTER_TURN),
        tuple(run for run in runs if run.event in AFTER_TURN),
    )


def _error_type(errors: Sequence[ApiError], calls: Sequence[ModelCall]) -> str | None:
    last_ns = max((call.ended_ns for call in calls), default=0)
    return errors[-1].error_type if errors and errors[-1].at_ns >= last_ns else None
