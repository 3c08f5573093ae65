"""What happened in a session, as changes of series; each depends only on what was known by then (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from otel_bridge import semconv
from otel_bridge.attribution import LINKING_ACTIONS, Booking, bookings
from otel_bridge.convert.attributes import Attributes, add_facts
from otel_bridge.convert.chat import PROVIDER
from otel_bridge.convert.runs import Run, turn_runs
from otel_bridge.convert.tools import tool_type
from otel_bridge.model import ModelCall, Session, ToolCall, Turn, Usage
from otel_bridge.reported import EVENT
from otel_bridge.telemetry import Metric

MAIN, SUBAGENT, UNRECORDED = "main", "subagent", "unrecorded"
UNPRICED_CALL, OUTPUT_LOWER_BOUND = "unpriced_call", "output_lower_bound"
API_ERROR, API_RETRY = "api_error", "api_retry"
AGENT, USER = "agent", "user"

Amount = int | Decimal
"""Exact, so that the order of what happens at one time leaves no trace. Seconds are given in nanoseconds."""


class Fact(NamedTuple):
    """Something to add to a counter or a gauge, or a value to count in a histogram."""

    at_ns: int
    metric: Metric
    attributes: Attributes
    amount: Amount


def session_facts(session: Session, known: Attributes) -> Iterator[Fact]:
    """Yield all facts of a session, in no particular order; ``known`` is what can be asked about it."""
    for turn in session.turns:
        for run in turn_runs(session, turn, include_open=True):
            yield from _run_facts(run, is_over=run.agent.is_complete if run.agent else turn.is_complete)
        if turn.is_complete:
            yield from _time_facts(turn)
    for booking in bookings(session):
        yield Fact(booking.at_ns, semconv.CHANGE_COST, _change(booking), booking.amount_usd)
    yield from _unrecorded_facts(session)
    yield from _info_facts(session, known)


def knowledge(session: Session) -> int:
    """Return how much is known of a session: more with every call, tool call, turn, link and total that is found out.

    Whoever tells copied calls from the session's own has seen more than who takes them for its own: a copied call
    weighs more than itself and all that came with it (its bookings, its turn, its agent), and so does its tool call.
    A call that is known from both the transcript and telemetry weighs more than one known from either, likewise. What
    telemetry says of it comes in two parts, each of which may decide the series it is in: the event has what it was for
    and its cost, the span which model was asked for.
    """
    runs = [run for turn in session.turns for run in turn_runs(session, turn, include_open=True)]
    own = (
        sum(len(run.calls) + (run.agent is not None and run.agent.is_complete) for run in runs)
        + sum(tool.is_finished for run in runs for tool in run.tools)
        + sum(turn.is_complete for turn in session.turns)
        + sum(1 for _ in bookings(session))
        + len(session.pull_requests)
        + len(session.branch_links)
        + len(session.unrecorded_history)
    )
    told = [call for call in session.calls() if call.reported]
    joined = sum(1 for call in told if call.reported and not call.reported.is_unrecorded)
    by_event = sum(1 for call in told if call.reported and call.reported.sources.end == EVENT)
    asked_for = sum(1 for call in told if call.requested_model)
    foreign = 9 * session.quality.foreign_calls + 2 * session.quality.foreign_tool_calls
    return own + foreign + 9 * joined + by_event + asked_for


def _run_facts(run: Run, *, is_over: bool) -> Iterator[Fact]:
    source = MAIN if run.agent is None else SUBAGENT
    for call in run.calls:
        yield from _call_facts(call, source, is_over=is_over)
        for retry in call.retries:
            yield Fact(retry.at_ns, semconv.PROBLEMS, {semconv.PROBLEM_KIND: API_RETRY}, 1)
    for error in run.errors:
        yield Fact(error.at_ns, semconv.PROBLEMS, {semconv.PROBLEM_KIND: API_ERROR}, 1)
    tools = [(tool, tool.ended_ns) for tool in run.tools if tool.ended_ns is not None]
    for tool, ended_ns in tools:
        yield from _tool_facts(tool, ended_ns)
    if is_over:
        name: Attributes = {semconv.AGENT_NAME: run.name}
        outcome = name | ({semconv.ERROR_TYPE: run.error_type} if run.error_type else {})
        yield Fact(run.ended_ns, semconv.AGENT_DURATION, outcome, run.ended_ns - run.started_ns)
        yield Fact(run.ended_ns, semconv.AGENT_INFERENCE_CALLS, name, len(run.calls))
        yield Fact(run.ended_ns, semconv.AGENT_TOOL_CALLS, name, len(tools))


def _call_facts(call: ModelCall, source: str, *, is_over: bool) -> Iterator[Fact]:
    at_ns = call.ended_ns
    models: Attributes = {semconv.REQUEST_MODEL: call.requested_model or call.model, semconv.RESPONSE_MODEL: call.model}
    inference: Attributes = {semconv.OPERATION_NAME: semconv.OP_CHAT, semconv.PROVIDER_NAME: PROVIDER, **models}
    yield Fact(at_ns, semconv.INFERENCE_DURATION, inference, at_ns - call.started_ns)
    for metric, tokens in _tokens(call.usage):
        if tokens:
            yield Fact(at_ns, metric, {**inference, semconv.TOKEN_MODALITY: "unknown"}, tokens)
    if call.cost_usd is not None:
        told = call.reported.query_source if call.reported else None
        yield Fact(at_ns, semconv.COST, {**models, semconv.CALL_SOURCE: told or source}, call.cost_usd)
    else:
        yield _problem(at_ns, UNPRICED_CALL, call.model)
    if call.output_is_lower_bound and is_over:
        yield _problem(at_ns, OUTPUT_LOWER_BOUND, call.model)


def _tokens(usage: Usage) -> Iterator[tuple[Metric, int]]:
    yield semconv.USAGE_INPUT, usage.prompt_tokens
    yield semconv.USAGE_OUTPUT, usage.output_tokens
    yield semconv.USAGE_CACHE_READ, usage.cache_read_tokens
    yield semconv.USAGE_CACHE_WRITE, usage.cache_write_tokens
    yield semconv.USAGE_UNCACHED, usage.input_tokens
    yield semconv.USAGE_REASONING, usage.reasoning_tokens


def _problem(at_ns: int, kind: str, model: str) -> Fact:
    return Fact(at_ns, semconv.PROBLEMS, {semconv.PROBLEM_KIND: kind, semconv.RESPONSE_MODEL: model}, 1)


def _tool_facts(tool: ToolCall, at_ns: int) -> Iterator[Fact]:
    name: Attributes = {semconv.TOOL_NAME: tool.name}
    kind: Attributes = {**name, semconv.TOOL_TYPE: tool_type(tool)}
    add_facts(kind, {semconv.MCP_SERVER: tool.mcp_server, semconv.ERROR_TYPE: tool.error_type})
    yield Fact(at_ns, semconv.TOOL_DURATION, kind, at_ns - tool.started_ns)
    if tool.permission_wait_ns is not None:
        yield Fact(at_ns, semconv.PERMISSION_WAITS, name, tool.permission_wait_ns)
    for change, lines in (("added", tool.lines_added), ("removed", tool.lines_removed)):
        if lines:
            yield Fact(at_ns, semconv.LINES, {semconv.LINE_CHANGE_TYPE: change}, lines)
    for commit in tool.commits:
        yield Fact(commit.at_ns, semconv.COMMITS, {}, 1)


def _time_facts(turn: Turn) -> Iterator[Fact]:
    """Split a turn's time by who was waited for; only the main agent's waits hold it up."""
    tools = (*(tool for call in turn.calls for tool in call.tool_calls), *turn.late_tool_calls)
    duration_ns = max(turn.ended_ns - turn.started_ns, 0)
    waited_ns = min(sum(tool.permission_wait_ns or 0 for tool in tools), duration_ns)
    for activity, amount_ns in ((AGENT, duration_ns - waited_ns), (USER, waited_ns)):
        if amount_ns:
            yield Fact(turn.ended_ns, semconv.ACTIVE_TIME, {semconv.ACTIVITY: activity}, amount_ns)


def _change(booking: Booking) -> Attributes:
    if booking.change is None:
        return {}
    return {semconv.REPOSITORY_URL: booking.change.repository_url, semconv.CHANGE_ID: str(booking.change.number)}


def _unrecorded_facts(session: Session) -> Iterator[Fact]:
    """Yield what each total of the client changes: what it has beyond our calls is cost, what it lacks is not.

    No difference is said too: who has seen fewer files finds one, and his word must not stand.
    """
    more = less = Decimal(0)
    for unrecorded in session.unrecorded_history:
        now_more, now_less = max(unrecorded.cost_usd, Decimal(0)), min(unrecorded.cost_usd, Decimal(0))
        yield Fact(unrecorded.at_ns, semconv.COST, {semconv.CALL_SOURCE: UNRECORDED}, now_more - more)
        yield Fact(unrecorded.at_ns, semconv.PRICE_DIFFERENCE, {}, now_less - less)
        more, less = now_more, now_less


def _info_facts(session: Session, known: Attributes) -> Iterator[Fact]:
    """Yield what is known of the session from its start; the first pull request tells its repository."""
    info: Attributes = {semconv.AGENT_NAME: session.agent, **known}
    yield Fact(session.started_ns, semconv.SESSION_INFO, info, 1)
    links = [link for link in session.pull_requests if link.action in LINKING_ACTIONS]
    if links and semconv.REPOSITORY_URL not in known:
        first = min(links, key=lambda link: link.at_ns)
        told: Attributes = {**info, semconv.REPOSITORY_URL: first.pull_request.repository_url}
        at_ns = max(first.at_ns, session.started_ns)
        yield Fact(at_ns, semconv.SESSION_INFO, info, -1)
        yield Fact(at_ns, semconv.SESSION_INFO, told, 1)
