"""Rows of the tables of facts, cell by cell in the order of ``schema`` (pure)."""

from __future__ import annotations

from otel_bridge.model import STANDARD_TERMS, Agent, ModelCall, Terms, ToolCall, Turn
from otel_bridge.store.cells import storable, to_pusd
from otel_bridge.store.schema import Row


def turn_cells(turn: Turn) -> Row:
    """Return the row of a turn."""
    prompt, context = turn.prompt, turn.context
    return (
        turn.index,
        turn.key,
        turn.ordinal,
        turn.started_ns,
        turn.ended_ns,
        int(turn.is_complete),
        turn.end_reason,
        prompt.kind,
        prompt.length,
        prompt.command or "",
        prompt.source or "",
        turn.error_type or "",
        len(turn.errors),
        len(turn.hooks) + len(turn.closing_hooks),
        len(turn.compactions),
        context.cwd or "",
        context.branch or "",
        context.version or "",
        context.entrypoint or "",
    )


def model_call_cells(call: ModelCall, turn: int, agent_id: str) -> Row:
    """Return the row of a model call in the turn of that position, made by that sub-agent or, without id, by none."""
    usage = call.usage
    hour_tokens = usage.cache_write_1h_tokens
    return (
        call.key,
        turn,
        agent_id,
        call.message_id,
        call.model,
        call.requested_model or "",
        call.started_ns,
        call.ended_ns,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_5m_tokens + hour_tokens,
        hour_tokens,
        usage.reasoning_tokens,
        usage.web_searches,
        "" if call.cost_usd is None else to_pusd(call.cost_usd),
        "" if call.terms == STANDARD_TERMS else _terms(call.terms),
        int(call.output_is_lower_bound),
        call.stop_reason or "",
        call.effort or "",
        call.skill or "",
        call.mcp_server or "",
        len(call.retries),
        int(call.follows_compaction),
        call.context.branch or "",
    )


def _terms(terms: Terms) -> str:
    return " ".join(word for word in (terms.speed, terms.service_tier, terms.inference_geo) if word)


def tool_call_cells(tool: ToolCall, turn: int, agent_id: str, call_key: str, model: str) -> Row:
    """Return the row of a tool call that a model call asked for, given by its key, and that model."""
    return (
        tool.id,
        turn,
        agent_id,
        call_key,
        model,
        tool.name,
        tool.started_ns,
        "" if tool.ended_ns is None else tool.ended_ns,
        tool.error_type or "",
        tool.denial or "",
        tool.decision or "",
        tool.decision_source or "",
        "" if tool.permission_wait_ns is None else tool.permission_wait_ns,
        tool.mcp_server or "",
        tool.mcp_tool or "",
        tool.skill or "",
        tool.executable or "",
        "" if tool.exit_code is None else tool.exit_code,
        tool.file_path or "",
        tool.lines_added,
        tool.lines_removed,
        tool.web_searches,
        tool.result_bytes,
    )


def agent_cells(agent: Agent, agent_id: str, turn: int) -> Row:
    """Return the row of a sub-agent under its storable id."""
    return (
        agent_id,
        turn,
        agent.type or "",
        agent.started_ns,
        agent.ended_ns,
        agent.description or "",
        storable(agent.parent_agent_id or ""),
        agent.tool_call_id or "",
        agent.link,
        int(agent.is_background),
        int(agent.is_complete),
        agent.error_type or "",
        len(agent.errors),
        len(agent.compactions),
    )
