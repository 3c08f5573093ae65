"""Decisions and results → tool calls (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Sequence
from typing import Any

from msgspec import Struct, structs

from otel_bridge.model import RecordContext, ToolCall
from otel_bridge.reported import AUXILIARY, SPAN, ReportedTool, ToolSources
from otel_bridge.sources.native.assemble.calls import OTHER
from otel_bridge.sources.native.assemble.lanes import SLACK_NS, source_kind
from otel_bridge.sources.native.assemble.once import KeyedRequest
from otel_bridge.sources.native.assemble.times import started_ns
from otel_bridge.sources.native.events import MCP_TOOL
from otel_bridge.sources.native.pairs import nearest_pairs
from otel_bridge.sources.native.records import AnyEvent, ToolDecision, ToolResult, record_key
from otel_bridge.sources.native.spans import BY_USER, SpanIndex
from otel_bridge.vcs import Commit

REJECT = "reject"
BEFORE_NS = (-86_400_000_000_000, SLACK_NS)
"""A decision comes before its tool runs, at most a day: a person may have been asked."""
AGENT_TOOLS = frozenset({"Task", "Agent"})


class ToolRun(Struct, frozen=True):
    """A tool call as events tell it: it ran, or it was refused."""

    id: str
    """``tool_use_id``, else a hash of the event (before 2.1.119)."""
    event: ToolResult | ToolDecision
    """The one that tells most."""
    result: ToolResult | None
    decision: ToolDecision | None

    @property
    def started_ns(self) -> int:
        """When it began to run; for a refused one, when it was refused."""
        return started_ns(self.event)


class Askers:
    """Finds the request that asked for a tool call, among those of one agent in one turn."""

    def __init__(self, requests: Sequence[KeyedRequest]) -> None:
        self._by_id = {keyed.request.request_id: keyed.key for keyed in requests if keyed.request.request_id}
        self._begun = [keyed for keyed in requests if source_kind(keyed.request.query_source) != AUXILIARY]
        self._starts = [keyed.started_ns for keyed in self._begun]

    def of(self, run: ToolRun) -> str | None:
        """Return the key of the request that the tool call names (2.1.329), else of the latest begun before it ran."""
        place = bisect_right(self._starts, run.started_ns)
        latest = self._begun[place - 1].key if place else None
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
    runs = [_run(result, decisions[pairs[at]] if at in pairs else None) for at, result in enumerate(results)]
    taken = set(pairs.values())
    for at, decision in enumerate(decisions):
        is_told = decision.tool_id not in ran and decision.request_id not in auxiliary_requests
        if at not in taken and decision.decision == REJECT and is_told:
            runs.append(ToolRun(tool_key(decision), decision, None, decision))
    return sorted(runs, key=lambda run: (run.event.time_ns, run.id))


def _run(result: ToolResult, decision: ToolDecision | None) -> ToolRun:
    return ToolRun(tool_key(result), result, result, decision)


def tool_key(event: ToolResult | ToolDecision) -> str:
    """Return what identifies a tool call: its id, else a hash of the event (before 2.1.119)."""
    return event.tool_id or record_key(event).hex()


def tool_call(run: ToolRun, spans: SpanIndex) -> ToolCall:
    """Return the tool call of a run (agents are attached later)."""
    event, result, decision = run.event, run.result, run.decision
    span, outer = spans.run_of(run.id), spans.by_tool.get(run.id)
    word = spans.word
    source = (decision.source if decision else None) or (result.decision_source if result else None)
    call = ToolCall(
        id=run.id,
        name=event.name,
        started_ns=run.started_ns,
        ended_ns=event.time_ns,
        decision=decision.decision if decision else None,
        decision_source=source,
        permission_wait_ns=spans.user_wait_ns(run.id, source),
        context=RecordContext(version=event.version),
        reported=ReportedTool(
            trace_id=span.trace_id.hex() if span is not None else "",
            span_id=span.span_id.hex() if span is not None else "",
            outer_span_id=outer.span_id.hex() if outer is not None else "",
            is_named=event.tool_id is not None,
            is_unrecorded=True,
            sources=ToolSources(word, word, word, word, SPAN, word),
        ),
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
