"""Decisions and results → tool calls (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Sequence
from typing import Any

from msgspec import Struct, structs

from otel_bridge.model import RecordContext, ToolCall
from otel_bridge.reported import AUXILIARY, ReportedTool
from otel_bridge.sources.native.assemble.calls import OTHER
from otel_bridge.sources.native.assemble.lanes import SLACK_NS, source_kind
from otel_bridge.sources.native.assemble.once import call_key
from otel_bridge.sources.native.assemble.times import started_ns
from otel_bridge.sources.native.events import MCP_TOOL
from otel_bridge.sources.native.pairs import nearest_pairs
from otel_bridge.sources.native.records import AnyEvent, ApiRequest, ToolDecision, ToolResult, record_key
from otel_bridge.sources.native.spans import BY_USER, SpanIndex
from otel_bridge.vcs import Commit

REJECT = "reject"
BEFORE_NS = (-86_400_000_000_000, SLACK_NS)
"""A decision comes before its tool runs, at most a day: a person may have been asked."""
AGENT_TOOLS = frozenset({"Task", "Agent"})


class ToolRun(Struct, frozen=True):
    """A tool call as events tell it: it ran, or it was refused. One of the two is there."""

    result: ToolResult | None
    decision: ToolDecision | None

    @property
    def event(self) -> ToolResult | ToolDecision:
        """The event that tells most."""
        event = self.result or self.decision
        assert event is not None
        return event

    @property
    def id(self) -> str:
        """``tool_use_id``, else a hash of the event (before 2.1.119)."""
        return self.event.tool_id or record_key(self.event).hex()

    @property
    def started_ns(self) -> int:
        """When it began to run; for a refused one, when it was refused."""
        return started_ns(self.event)


class Askers:
    """Finds the request that asked for a tool call, among those of one agent in one turn."""

    def __init__(self, requests: Sequence[ApiRequest]) -> None:
        self._by_id = {request.request_id: request for request in requests if request.request_id}
        own = [request for request in requests if source_kind(request.query_source) != AUXILIARY]
        self._begun = sorted(own, key=lambda request: (started_ns(request), call_key(request)))
        self._starts = [started_ns(request) for request in self._begun]

    def of(self, run: ToolRun) -> ApiRequest | None:
        """Return the request that the tool call names (2.1.329), else the latest begun before it ran."""
        place = bisect_right(self._starts, run.started_ns)
        latest = self._begun[place - 1] if place else None
        return self._by_id.get(run.event.request_id or "", latest)


def tool_runs(
    events: Sequence[AnyEvent], auxiliary_requests: Container[str | None], ran: Container[str | None]
) -> list[ToolRun]:
    """Return the tool calls of a turn, in the order of their ends; ``ran`` are those with a result in any turn.

    A refusal ends a call as a result does, unless the client asked for itself: it throws away the tool calls of its
    summaries without telling the model.
    """
    results = [event for event in events if isinstance(event, ToolResult)]
    decisions = [event for event in events if isinstance(event, ToolDecision)]
    pairs = _pairs(results, decisions)
    runs = [ToolRun(result, decisions[pairs[at]] if at in pairs else None) for at, result in enumerate(results)]
    taken = set(pairs.values())
    for at, decision in enumerate(decisions):
        is_told = decision.tool_id not in ran and decision.request_id not in auxiliary_requests
        if at not in taken and decision.decision == REJECT and is_told:
            runs.append(ToolRun(None, decision))
    return sorted(runs, key=lambda run: (run.event.time_ns, run.id))


def tool_call(run: ToolRun, spans: SpanIndex) -> ToolCall:
    """Return the tool call of a run (agents are attached later)."""
    event, result, decision = run.event, run.result, run.decision
    span = spans.run_of(event.tool_id)
    source = (decision.source if decision else None) or (result.decision_source if result else None)
    call = ToolCall(
        id=run.id,
        name=event.name,
        started_ns=run.started_ns,
        ended_ns=event.time_ns,
        decision=decision.decision if decision else None,
        decision_source=source,
        permission_wait_ns=spans.user_wait_ns(event.tool_id, source),
        context=RecordContext(version=event.version),
        reported=ReportedTool(span.span_id.hex() if span is not None else "", event.tool_id is not None),
    )
    told = _outcome(result) if result is not None else _refusal(source)
    return structs.replace(call, **_names(event), **told)


def _names(event: ToolResult | ToolDecision) -> dict[str, str | None]:
    _, server, tool = [*event.name.split("__", 2), "", ""][:3] if event.name.startswith("mcp__") else ("", "", "")
    if isinstance(event, ToolDecision):
        return {"mcp_server": server or None, "mcp_tool": tool or None}
    return {
        "mcp_server": event.mcp_server or server or None,
        "mcp_tool": event.mcp_tool or tool or None,
        "skill": event.skill,
        "executable": event.executable,
    }


def _outcome(result: ToolResult) -> dict[str, Any]:
    commits = (Commit(result.commit_sha, "committed", result.branch, result.time_ns),) if result.commit_sha else ()
    return {
        "error_type": (result.error_type or OTHER) if result.succeeded is False else None,
        "result_bytes": result.result_bytes or 0,
        "commits": commits,
    }


def _refusal(source: str | None) -> dict[str, Any]:
    by_user = (source or "").startswith(BY_USER)
    return {"error_type": "denied", "denial": "user-rejected" if by_user else source or OTHER}


def _pairs(results: Sequence[ToolResult], decisions: Sequence[ToolDecision]) -> dict[int, int]:
    """Return which decision let each result be: by id, else the nearest one of the same tool before it ran."""
    by_id = {decision.tool_id: at for at, decision in enumerate(decisions) if decision.tool_id}
    pairs = {at: by_id[result.tool_id] for at, result in enumerate(results) if result.tool_id in by_id}
    left = [(started_ns(result), at) for at, result in enumerate(results) if at not in pairs]
    free = [(decision.time_ns, at) for at, decision in enumerate(decisions) if not decision.tool_id]

    def is_same(at: int, to: int) -> bool:
        result, name = results[at], decisions[to].name
        return result.name == name or (name == MCP_TOOL and result.mcp_server is not None)

    return pairs | dict(nearest_pairs(left, free, BEFORE_NS, is_same))
