"""Log events of Claude Code: which attributes become which field of which record (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from otel_bridge.sources.native.records import (
    AnyEvent,
    ApiFailure,
    ApiRefusal,
    ApiRequest,
    CompactionDone,
    HookDone,
    SubagentCompleted,
    ToolDecision,
    ToolResult,
    UserPrompt,
)
from otel_bridge.sources.native.values import Attributes
from otel_bridge.sources.transcript.assemble.tools import executable_name

Common = dict[str, Any]
"""The fields of ``NativeEvent``."""

MCP_TOOL = "mcp_tool"
"""Name of every tool of a user's own MCP server (2.1.50+); the parameters tell which, if they are sent."""
_QUOTED_TYPE = re.compile(r'"type":\s*"(\w{1,57}_error)"')
_QUOTED_STATUS = re.compile(r"(\d{3})\b")


class _ToolParameters(Struct):
    """``tool_parameters``: JSON, sent with ``OTEL_LOG_TOOL_DETAILS`` (before 2.1.101 always for shells)."""

    full_command: str | None = None
    mcp_server_name: str | None = None
    mcp_tool_name: str | None = None
    skill_name: str | None = None
    subagent_type: str | None = None
    git_commit_id: str | None = None
    git_branch: str | None = None


_decode_parameters = msgspec.json.Decoder(_ToolParameters).decode


def _user_prompt(common: Common, read: Attributes) -> UserPrompt:
    return UserPrompt(
        **common,
        length=read.count("prompt_length"),
        command=read.text("command_name"),
        message_uuid=read.text("message.uuid"),
    )


def _api_request(common: Common, read: Attributes) -> ApiRequest:
    micros = read.count("cost_usd_micros")
    cost = read.money("cost_usd")
    if cost is None and micros is not None:
        cost = read.money("cost_usd_micros")
        cost = None if cost is None else cost.scaleb(-6)
    return ApiRequest(
        **common,
        model=read.text("model") or "",
        cost_usd=cost,
        duration_ms=read.number("duration_ms"),
        input_tokens=read.count("input_tokens") or 0,
        output_tokens=read.count("output_tokens") or 0,
        cache_read_tokens=read.count("cache_read_tokens") or 0,
        cache_write_tokens=read.count("cache_creation_tokens") or 0,
        cache_write_5m_tokens=read.count("cache_creation_5m_tokens"),
        cache_write_1h_tokens=read.count("cache_creation_1h_tokens"),
        ttft_ms=read.number("ttft_ms"),
        request_id=read.text("request_id"),
        query_source=read.text("query_source"),
        speed=read.text("speed"),
        effort=read.text("effort"),
        agent_name=read.text("agent.name"),
        skill=read.text("skill.name"),
        mcp_server=read.text("mcp_server.name"),
    )


def _api_failure(common: Common, read: Attributes) -> ApiFailure:
    message, status = read.whole_text("error"), read.count("status_code")
    quoted = _QUOTED_TYPE.findall(message)
    written = _QUOTED_STATUS.match(message)
    status = status or (int(written[1]) if written else None)
    return ApiFailure(
        **common,
        model=read.text("model") or "",
        error_type=quoted[-1] if quoted else f"http_{status}" if status else None,
        status=status,
        attempt=read.count("attempt"),
        duration_ms=read.number("duration_ms"),
        request_id=read.text("request_id"),
        query_source=read.text("query_source"),
    )


def _api_refusal(common: Common, read: Attributes) -> ApiRefusal:
    return ApiRefusal(**common, model=read.text("model") or "", request_id=read.text("request_id"))


def _tool_result(common: Common, read: Attributes) -> ToolResult:
    asked = _parameters(read)
    return ToolResult(
        **common,
        name=_tool_name(read, asked),
        tool_id=read.text("tool_use_id", "use_id"),
        succeeded=read.flag("success"),
        duration_ms=read.number("duration_ms"),
        error_type=read.word("error_type"),
        decision_source=read.text("decision_source"),
        result_bytes=read.count("tool_result_size_bytes"),
        request_id=read.text("request_id"),
        mcp_server=asked.mcp_server_name,
        mcp_tool=asked.mcp_tool_name,
        skill=asked.skill_name,
        subagent_type=asked.subagent_type,
        executable=executable_name(asked.full_command) if asked.full_command else None,
        commit_sha=read.text("vcs.ref.head.revision") or asked.git_commit_id,
        branch=read.text("vcs.ref.head.name") or asked.git_branch,
    )


def _tool_decision(common: Common, read: Attributes) -> ToolDecision:
    return ToolDecision(
        **common,
        name=_tool_name(read, _parameters(read)),
        tool_id=read.text("tool_use_id"),
        decision=read.text("decision"),
        source=read.text("source"),
        request_id=read.text("request_id"),
    )


def _subagent_completed(common: Common, read: Attributes) -> SubagentCompleted:
    return SubagentCompleted(
        **common,
        agent_type=read.text("agent_type"),
        is_async=read.flag("is_async") or False,
        duration_ms=read.number("duration_ms"),
    )


def _compaction(common: Common, read: Attributes) -> CompactionDone:
    return CompactionDone(
        **common,
        trigger=read.text("trigger"),
        succeeded=read.flag("success"),
        duration_ms=read.number("duration_ms"),
        pre_tokens=read.count("pre_tokens"),
        post_tokens=read.count("post_tokens"),
    )


def _hook_done(common: Common, read: Attributes) -> HookDone:
    return HookDone(
        **common,
        hook_event=read.text("hook_event") or "",
        hook_name=read.text("hook_name"),
        blocking=read.count("num_blocking") or 0,
        failed=read.count("num_non_blocking_error") or 0,
        cancelled=read.count("num_cancelled") or 0,
        duration_ms=read.number("total_duration_ms"),
    )


READERS: dict[str, Callable[[Common, Attributes], AnyEvent]] = {
    "user_prompt": _user_prompt,
    "api_request": _api_request,
    "api_error": _api_failure,
    "api_refusal": _api_refusal,
    "tool_result": _tool_result,
    "tool_decision": _tool_decision,
    "subagent_completed": _subagent_completed,
    "compaction": _compaction,
    "hook_execution_complete": _hook_done,
}
"""Event name → reader. Other events of the client say nothing about a session's work."""


def _parameters(read: Attributes) -> _ToolParameters:
    raw = read.whole_text("tool_parameters")
    try:
        return _decode_parameters(raw) if raw else _ToolParameters()
    except (msgspec.MsgspecError, RecursionError):  # cut by a length limit, or a field of another type
        read.report("bad_json", "tool_parameters")
        return _ToolParameters()


def _tool_name(read: Attributes, asked: _ToolParameters) -> str:
    name = read.text("tool_name") or "unknown"
    if name == MCP_TOOL and asked.mcp_server_name and asked.mcp_tool_name:
        return f"mcp__{asked.mcp_server_name}__{asked.mcp_tool_name}"
    return name
