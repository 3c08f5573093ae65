"""Facts of tool calls: what was asked for, how it ended (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

import msgspec
from msgspec import Raw

from otel_bridge.model import RecordContext, ToolCall
from otel_bridge.sources.transcript.assemble.entries import ToolResult, ToolUse
from otel_bridge.sources.transcript.assemble.prompts import text_digest
from otel_bridge.sources.transcript.decode import DECODE_ERRORS, salvage
from otel_bridge.sources.transcript.links import public_url
from otel_bridge.sources.transcript.records import Block, Record, ToolInput, ToolOutcome, ToolUseResult
from otel_bridge.vcs import Commit, PullRequest, PullRequestLink

SHELL_TOOLS = frozenset({"Bash", "PowerShell"})
AGENT_TOOLS = frozenset({"Task", "Agent"})
"""``Task`` up to 2.1.62, ``Agent`` from 2.1.81."""

_LONGEST_MS = 1e12
"""Thirty years: a tool that reports more tells nothing."""

_TEXT_TOOLS = SHELL_TOOLS | AGENT_TOOLS
"""Tools whose successful output is looked at (commits, pull requests, agent ids)."""

_decode_input = msgspec.json.Decoder(ToolInput).decode
_decode_result = msgspec.json.Decoder(ToolUseResult).decode
_decode_outcome: Callable[[bytes], ToolOutcome] = msgspec.json.Decoder(ToolOutcome).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_blocks = msgspec.json.Decoder(list[Block]).decode

_MAKES_PR = "gh pr create"

_NAME = re.compile(r"[\w.:/-]{1,128}")
_EXIT_CODE = re.compile(r"Exit code (\d{1,10})\b")
_AGENT_ID = re.compile(r"agentId:\s*([\w-]+)")
_COMMIT = re.compile(r"^\[(detached HEAD|[^\]\s]+)(?: \(root-commit\))? ([0-9a-f]{7,40})\]", re.MULTILINE)
_PULL_REQUEST = re.compile(r"https?://[^\s/]+/([\w.-]+/[\w.-]+)/pull/(\d{1,9})")
_SHELL_SYNTAX = re.compile(r"[|&;<>()`$\n\\]")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=\S*$")
_PROGRAM = re.compile(r"[\w.+-]{1,64}$")

_ERROR_PATTERNS = (
    ("interrupted", ("[Request interrupted", "Interrupted by user")),
    ("sibling_error", ("<tool_use_error>Sibling tool call errored", "Sibling tool call errored")),
    ("invalid_input", ("<tool_use_error>InputValidationError", "InputValidationError")),
    (
        "not_found",
        ("<tool_use_error>File does not exist", "File does not exist", "ENOENT", "<tool_use_error>Path does"),
    ),
    ("not_read", ("<tool_use_error>File has not been read", "File has not been read")),
    ("no_match", ("<tool_use_error>String to replace not found", "String to replace not found")),
    ("stale_file", ("<tool_use_error>File has been modified", "File has been unexpectedly modified")),
    ("timeout", ("Command timed out", "Request timed out", "timeout")),
)
_DENIAL_TEXTS = ("The user doesn't want to proceed", "The user doesn't want to take this action")
_REJECTED = ("User rejected tool use", "Error: User rejected tool use")


def tool_input(block: Block) -> ToolInput:
    """Return the fields of a tool_use block's input that say what it did."""
    raw = bytes(block.input)
    try:
        return _decode_input(raw) if raw.startswith(b"{") else ToolInput()
    except DECODE_ERRORS:  # a field of another tool under the same name
        return salvage(raw, _decode_input) or ToolInput()


def tool_use(block: Block, asked: ToolInput, at_ns: int, *, keep_content: bool) -> ToolUse:
    """Return what a tool_use block asks for."""
    name = tool_name(block.name or "")
    is_shell = name in SHELL_TOOLS
    return ToolUse(
        id=block.id or "",
        name=name,
        at_ns=at_ns,
        executable=executable_name(asked.command) if is_shell and asked.command else None,
        file_path=asked.file_path or asked.notebook_path,
        skill=asked.skill if name == "Skill" else None,
        subagent_type=asked.subagent_type,
        description=asked.description if name in AGENT_TOOLS else None,
        prompt_digest=text_digest(asked.prompt) if asked.prompt and name in AGENT_TOOLS else 0,
        command_hint=_MAKES_PR if is_shell and asked.command and _MAKES_PR in asked.command else "",
        arguments=bytes(block.input).decode("utf-8", "replace") if keep_content else "",
    )


def tool_name(name: str) -> str:
    """Return a usable tool name: models sometimes write markup after it (``Task" >`` was seen)."""
    found = _NAME.match(name.strip())
    return found[0] if found else "unknown"


def executable_name(command: str) -> str | None:
    """Return the program of a command that runs a single one, without path; ``None`` for anything with shell syntax."""
    if _SHELL_SYNTAX.search(command.strip()):
        return None
    for word in command.split():
        if not _ASSIGNMENT.match(word):
            program = word.rsplit("/", 1)[-1]
            return program if _PROGRAM.match(program) else None
    return None


def tool_result(block: Block, record: Record, at_ns: int, use: ToolUse | None) -> tuple[ToolResult, str]:
    """Return how a tool call ended, and its text as far as that was looked at; ``use`` is its tool_use, if known."""
    told = _outcome(record)
    outcome = told if isinstance(told, ToolUseResult) else None
    name = use.name if use is not None else ""
    text = result_text(block) if block.is_error or name in _TEXT_TOOLS else ""
    result = ToolResult(block.tool_use_id or "", at_ns, result_bytes=memoryview(block.content).nbytes)
    if record.permissionDecision is not None:
        result.decision = record.permissionDecision.decision
        result.decision_source = record.permissionDecision.source
    result.denial = _denial(record, told, text) if block.is_error or record.toolDenialKind else None
    if result.denial is not None:
        result.error_type = "denied"
    elif block.is_error:
        result.error_type, result.exit_code = error_type(text, name)
    _take_outcome(result, outcome)
    if name in AGENT_TOOLS and result.agent_id is None and (found := _AGENT_ID.search(text)):
        result.agent_id, result.agent_rule = found[1], "result_text"
    if name in SHELL_TOOLS and not block.is_error:
        _take_git(result, outcome, text, use)
    return result, text


def result_text(block: Block) -> str:
    """Return the text of a tool_result block."""
    return _result_text(bytes(block.content))


def error_type(text: str, name: str) -> tuple[str, int | None]:
    """Return a bounded word for a failed tool's text and the exit code it names."""
    found = _EXIT_CODE.match(text)
    if found:
        return "exit_code", int(found[1])
    for word, starts in _ERROR_PATTERNS:
        if text.startswith(starts):
            return word, None
    if name.startswith("mcp__"):
        return "tool_error", None
    return ("tool_use_error" if text.startswith("<tool_use_error>") else "_OTHER"), None


def finish(use: ToolUse, result: ToolResult | None, context: RecordContext) -> ToolCall:
    """Return the tool call of a use and, where there is one, its result (agents are attached later)."""
    _, server, tool = [*use.name.split("__", 2), "", ""][:3] if use.name.startswith("mcp__") else ("", "", "")
    call = ToolCall(
        id=use.id,
        name=use.name,
        started_ns=use.at_ns,
        mcp_server=server or None,
        mcp_tool=tool or None,
        skill=use.skill,
        executable=use.executable,
        file_path=use.file_path,
        context=context,
    )
    if result is None:
        return call
    started_ns = _execution_start_ns(use, result)
    return msgspec.structs.replace(
        call,
        started_ns=started_ns,
        ended_ns=max(result.at_ns, use.at_ns),
        error_type=result.error_type,
        denial=result.denial,
        decision=result.decision or ("reject" if result.denial else None),
        decision_source=result.decision_source,
        permission_wait_ns=_permission_wait_ns(use, result, started_ns),
        exit_code=result.exit_code,
        lines_added=result.lines_added,
        lines_removed=result.lines_removed,
        web_searches=result.web_searches,
        result_bytes=result.result_bytes,
        commits=result.commits,
        pull_requests=result.pull_requests,
    )


def _execution_start_ns(use: ToolUse, result: ToolResult) -> int:
    """Return when the tool began: a duration it reports leaves out waiting for permission and for its turn."""
    if result.duration_ms is None or not 0 <= result.duration_ms < _LONGEST_MS:
        return use.at_ns
    return max(use.at_ns, result.at_ns - int(result.duration_ms * 1_000_000))


def _permission_wait_ns(use: ToolUse, result: ToolResult, started_ns: int) -> int | None:
    """Return how long the call waited for the user, where that can be told from everything else.

    A call the user rejected did nothing but wait. One the user let run waited until it began, which is known where the
    tool reports its own duration.
    """
    if result.denial == "user-rejected":
        return max(0, result.at_ns - use.at_ns)
    if result.duration_ms is not None and (result.decision_source or "").startswith("user"):
        return started_ns - use.at_ns
    return None


def _outcome(record: Record) -> ToolOutcome:
    """Return what a tool gave back; it is still to be decoded in embedded lines and where it has a shape of its own."""
    outcome = cast("ToolOutcome | Raw", record.toolUseResult)
    if not isinstance(outcome, Raw):
        return outcome
    raw = bytes(outcome)
    try:
        return _decode_outcome(raw) if raw else None
    except DECODE_ERRORS:
        return salvage(raw, _decode_result) if raw.startswith(b"{") else None


def _result_text(raw: bytes) -> str:
    try:
        if raw.startswith(b'"'):
            return _decode_text(raw)
        if raw.startswith(b"["):
            return "\n".join(block.text for block in _decode_blocks(raw) if block.text)
    except DECODE_ERRORS:
        return raw.decode("utf-8", "replace")
    return ""


def _denial(record: Record, told: ToolOutcome, text: str) -> str | None:
    if record.toolDenialKind:
        return record.toolDenialKind
    if text.startswith(_DENIAL_TEXTS) or (isinstance(told, str) and told.startswith(_REJECTED)):
        return "user-rejected"
    return None


def _take_outcome(result: ToolResult, outcome: ToolUseResult | None) -> None:
    if outcome is None:
        return
    result.agent_id = outcome.agentId
    result.is_async = bool(outcome.isAsync) or outcome.status == "async_launched"
    result.web_searches = outcome.searchCount or 0
    result.duration_ms = outcome.reported_ms()
    if outcome.interrupted:
        result.error_type = result.error_type or "interrupted"
    if outcome.structuredPatch:
        marks = [line[:1] for hunk in outcome.structuredPatch for line in hunk.lines or ()]
        result.lines_added, result.lines_removed = marks.count("+"), marks.count("-")
    elif outcome.type == "create":
        result.lines_added = _result_text(bytes(outcome.content)).count("\n") + 1


def _take_git(result: ToolResult, outcome: ToolUseResult | None, text: str, use: ToolUse | None) -> None:
    operation = outcome.gitOperation if outcome is not None else None
    if operation is not None:
        commit, pull = operation.commit, operation.pr
        if commit is not None and commit.sha:
            result.commits = (Commit(commit.sha, commit.kind or "committed", commit.branch, result.at_ns),)
        if pull is not None and pull.url and (found := _PULL_REQUEST.match(pull.url)):
            result.pull_requests = (_link(found, pull.action or "linked", result.at_ns),)
        return
    # before 2.1.181 only git's own words tell (they agree with gitOperation 131 of 131 times)
    if text.startswith("[") or "\n[" in text:
        result.commits = tuple(
            Commit(sha, "committed", None if branch == "detached HEAD" else branch, result.at_ns)
            for branch, sha in _COMMIT.findall(text)
        )
    if use is not None and use.command_hint == _MAKES_PR and (found := _PULL_REQUEST.search(text)):
        result.pull_requests = (_link(found, "created", result.at_ns),)


def _link(found: re.Match[str], action: str, at_ns: int) -> PullRequestLink:
    return PullRequestLink(PullRequest(found[1], int(found[2]), public_url(found[0])), at_ns, action)
