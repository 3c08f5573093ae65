"""A finished tool call as an ``execute_tool`` span; commands, skills and MCP tools refine that same span (pure)."""

from __future__ import annotations

from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes, add_context, add_facts, seconds
from otel_bridge.convert.changes import change_attributes, commit_attributes, main_change
from otel_bridge.convert.content import json_arguments, plain_text
from otel_bridge.convert.options import ConvertOptions
from otel_bridge.convert.runs import Run
from otel_bridge.convert.sent import tool_span_id
from otel_bridge.model import ToolCall
from otel_bridge.telemetry import Span, SpanKind

FUNCTION = "function"
EXTENSION = "extension"
"""MCP tools reach beyond the client to somebody's server, which is what the conventions call an extension."""


def tool_span(tool: ToolCall, ended_ns: int, run: Run, options: ConvertOptions) -> Span:
    """Return one tool call as a span, from the model's request to its result, the wait for permission included."""
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL,
        semconv.TOOL_NAME: tool.name,
        semconv.TOOL_TYPE: tool_type(tool),
        semconv.TOOL_CALL_ID: tool.id,
        semconv.AGENT_NAME: run.name,
        **run.common,
    }
    add_context(attributes, tool.context, options)
    _add_refinement(attributes, tool)
    _add_permission(attributes, tool)
    _add_effect(attributes, tool)
    _add_texts(attributes, tool, options)
    return Span(
        run.trace_id,
        tool_span_id(tool, run.trace_id),
        run.span_id,
        _name(tool),
        SpanKind.INTERNAL,
        tool.started_ns,
        max(tool.started_ns, ended_ns),
        attributes,
    )


def tool_type(tool: ToolCall) -> str:
    """Return the conventions' word for what kind of tool it is."""
    return EXTENSION if tool.mcp_server else FUNCTION


def _name(tool: ToolCall) -> str:
    name = f"{semconv.OP_EXECUTE_TOOL} {tool.name}"
    refinement = tool.executable or tool.skill
    return f"{name} {refinement}" if refinement else name


def _add_refinement(attributes: Attributes, tool: ToolCall) -> None:
    if tool.executable:
        attributes[semconv.EXECUTABLE_NAME] = tool.executable
    if tool.exit_code is not None:
        attributes[semconv.EXIT_CODE] = tool.exit_code
    if tool.skill:
        attributes[semconv.SKILL_NAME] = tool.skill
    if tool.mcp_server:
        attributes[semconv.MCP_METHOD] = "tools/call"
        attributes[semconv.MCP_SERVER] = tool.mcp_server
    if tool.mcp_tool:
        attributes[semconv.MCP_TOOL] = tool.mcp_tool


def _add_permission(attributes: Attributes, tool: ToolCall) -> None:
    if tool.permission_wait_ns is not None:
        attributes[semconv.PERMISSION_WAIT] = seconds(tool.permission_wait_ns)
    if tool.decision:
        attributes[semconv.PERMISSION_DECISION] = tool.decision
    if tool.decision_source:
        attributes[semconv.PERMISSION_SOURCE] = tool.decision_source
    if tool.denial:
        attributes[semconv.PERMISSION_DENIAL] = tool.denial


def _add_effect(attributes: Attributes, tool: ToolCall) -> None:
    if tool.error_type:
        attributes[semconv.ERROR_TYPE] = tool.error_type
    if tool.result_bytes:
        attributes[semconv.TOOL_RESULT_SIZE] = tool.result_bytes
    if tool.lines_added:
        attributes[semconv.LINES_ADDED] = tool.lines_added
    if tool.lines_removed:
        attributes[semconv.LINES_REMOVED] = tool.lines_removed
    if tool.web_searches:
        attributes[semconv.TOOL_WEB_SEARCHES] = tool.web_searches
    if tool.commits:
        attributes.update(commit_attributes(tool.commits[-1]))
    if tool.pull_requests:
        attributes.update(change_attributes(main_change(tool.pull_requests)))


def _add_texts(attributes: Attributes, tool: ToolCall, options: ConvertOptions) -> None:
    if options.paths and tool.file_path:
        attributes[semconv.FILE_PATH] = tool.file_path
    if options.content.tools and tool.content is not None:
        arguments = json_arguments(tool.content.request, options.content)
        result = plain_text(tool.content.response, options.content)
        add_facts(attributes, {semconv.TOOL_ARGUMENTS: arguments, semconv.TOOL_RESULT: result})
