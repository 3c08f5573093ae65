"""Who ran under whom in a turn: the main agent and its sub-agents, each with its place in the trace (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from otel_bridge import semconv
from otel_bridge.convert import ids
from otel_bridge.convert.sent import tool_span_id, turn_ids
from otel_bridge.model import Agent, ApiError, Compaction, ModelCall, RecordContext, Session, ToolCall, Turn
from otel_bridge.telemetry import AttributeValue

UNNAMED_AGENT = "subagent"
"""Name of a sub-agent whose type no record tells: agent names are how backends group."""


class Run(Struct, frozen=True):
    """One agent at work inside one trace; model calls and tools are its children, side by side."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Empty for the main agent, unless somebody outside started the turn."""
    name: str
    common: dict[str, AttributeValue]
    """What every span and event of this run carries."""
    started_ns: int
    ended_ns: int
    calls: tuple[ModelCall, ...]
    tools: tuple[ToolCall, ...]
    """Finished and unfinished ones, those asked for in an earlier part of the turn included."""
    errors: tuple[ApiError, ...]
    compactions: tuple[Compaction, ...]
    error_type: str | None
    context: RecordContext
    agent: Agent | None = None
    """``None`` for the main agent."""


def turn_runs(session: Session, turn: Turn, *, include_open: bool) -> Iterator[Run]:
    """Yield the main agent's run of a turn first, then every sub-agent after the agent that started it.

    Sub-agents that may still grow are left out with all below them, unless ``include_open``.
    """
    trace_id, span_id, parent_id = turn_ids(session.id, turn)
    main = Run(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=session.agent,
        common=turn_attributes(session, turn),
        started_ns=turn.started_ns,
        ended_ns=turn.ended_ns,
        calls=turn.calls,
        tools=(*_tools(turn.calls), *turn.late_tool_calls),
        errors=turn.errors,
        compactions=turn.compactions,
        error_type=turn.error_type,
        context=turn.context,
    )
    yield main
    yield from _runs_below(session, main, turn.agents, include_open)


def turn_attributes(session: Session, turn: Turn) -> dict[str, AttributeValue]:
    """Return what everything in a turn carries."""
    attributes = session_attributes(session)
    attributes[semconv.TURN_KEY] = turn.key
    attributes[semconv.TURN_INDEX] = turn.index
    if turn.ordinal:
        attributes[semconv.TURN_ORDINAL] = turn.ordinal
    if turn.context.entrypoint:
        attributes[semconv.ENTRYPOINT] = turn.context.entrypoint
    return attributes


def session_attributes(session: Session) -> dict[str, AttributeValue]:
    """Return what everything in a session carries; backends differ in which of the two they read."""
    return {semconv.CONVERSATION_ID: session.id, semconv.SESSION_ID: session.id}


def _runs_below(session: Session, above: Run, agents: tuple[Agent, ...], include_open: bool) -> Iterator[Run]:
    for tool in above.tools:
        if tool.agent is not None:
            parent_id = tool_span_id(tool, above.trace_id) if tool.is_finished else above.span_id
            yield from _agent_runs(session, above, tool.agent, parent_id, include_open)
    for agent in agents:
        yield from _agent_runs(session, above, agent, above.span_id, include_open)


def _agent_runs(session: Session, above: Run, agent: Agent, parent_id: bytes, include_open: bool) -> Iterator[Run]:
    if not (agent.is_complete or include_open):
        return
    run = Run(
        trace_id=above.trace_id,
        span_id=ids.agent_span_id(session.id, agent.id),
        parent_id=parent_id,
        name=agent.type or UNNAMED_AGENT,
        common={**above.common, semconv.AGENT_ID: agent.id},
        started_ns=agent.started_ns,
        ended_ns=agent.ended_ns,
        calls=agent.calls,
        tools=_tools(agent.calls),
        errors=agent.errors,
        compactions=agent.compactions,
        error_type=agent.error_type,
        context=agent.context,
        agent=agent,
    )
    yield run
    yield from _runs_below(session, run, agent.agents, include_open)


def _tools(calls: tuple[ModelCall, ...]) -> tuple[ToolCall, ...]:
    return tuple([tool for call in calls for tool in call.tool_calls])
