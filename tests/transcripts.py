"""Transcript lines in a few words, and folders of them as Claude Code lays them out.

A line is the JSON object of one record; every builder fills in what a test does not care about, and any field can be
given by its name. Times are seconds after ``T0``. ``write`` puts lines into a file, ``session_file`` and ``agent_file``
where the client would put them; ``load`` and ``count`` read a folder as the commands do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from otel_bridge.model import ModelCall, Session, ToolCall
from otel_bridge.pipeline.sessions import SessionLibrary
from otel_bridge.pipeline.stats import Stats, collect_stats
from otel_bridge.sources.transcript.discover import discover_sessions

Line = dict[str, Any]
Block = dict[str, Any]

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MODEL = "claude-sonnet-4-5-20250929"
USAGE = {"input_tokens": 10, "output_tokens": 50, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
SID = "5a1b2c3d-0000-4000-8000-000000000001"
FORK = "5a1b2c3d-0000-4000-8000-00000000000f"
OTHER = "5a1b2c3d-0000-4000-8000-000000000002"
SLUG = "-home-dev-widgets"
FAR_FUTURE_S = 1e9
"""A time to read at by which every turn is over."""
_CONTEXT = {"cwd": "/home/dev/widgets", "gitBranch": "main", "version": "2.1.181", "entrypoint": "cli"}


def iso(at_s: float) -> str:
    """Time as the client writes it, to the millisecond."""
    return (T0 + timedelta(seconds=at_s)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def at_ns(at_s: float) -> int:
    """Nanoseconds since the epoch of a moment, to the millisecond."""
    return (round(T0.timestamp() * 1000) + round(at_s * 1000)) * 1_000_000


def name_uuid(*parts: object) -> str:
    """Make a uuid that only depends on what is named."""
    return str(uuid5(NAMESPACE_URL, repr(parts)))


# --- records ---------------------------------------------------------------------------------------------------------


def record(kind: str, *, at: float, **fields: Any) -> Line:
    """Build a record with the envelope of a conversation."""
    line: Line = {"parentUuid": None, "isSidechain": False, "userType": "external", **_CONTEXT, "type": kind}
    own = {"uuid": name_uuid(kind, at, fields), "timestamp": iso(at)}  # after what is nested, as in all versions
    return line | fields | {key: fields.get(key, value) for key, value in own.items()}


def prompt(text: str | list[Block] = "Fix the build", *, at: float = 0, **fields: Any) -> Line:
    """Build what a person (or the client in their name) said."""
    return record("user", at=at, message={"role": "user", "content": text}, **fields)


def response(
    message_id: str | None = "msg_1",
    *blocks: Block,
    at: float = 1,
    usage: object = USAGE,
    stop: str | None = "end_turn",
    model: str | None = MODEL,
    **fields: Any,
) -> Line:
    """Build one line of an API response; the request id follows the message id."""
    message = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(blocks) or [text("Done.")],
        "stop_reason": stop,
        "usage": usage,
    }
    request = {"requestId": f"req_{message_id}"} if message_id else {}
    return record("assistant", at=at, message=message, **(request | fields))


def tool_result(
    tool_id: str = "toolu_1", content: object = "ok", *, at: float = 2, result: object = None, **fields: Any
) -> Line:
    """Build the answer to a tool call; ``result`` is the ``toolUseResult``, ``is_error`` goes to the block."""
    block = {"type": "tool_result", "tool_use_id": tool_id, "content": content}
    if "is_error" in fields:
        block["is_error"] = fields.pop("is_error")
    extra = {} if result is None else {"toolUseResult": result}
    return record("user", at=at, message={"role": "user", "content": [block]}, **extra, **fields)


def system(subtype: str, *, at: float, **fields: Any) -> Line:
    """Build a system event."""
    return record("system", at=at, subtype=subtype, **fields)


def attachment(kind: str, *, at: float, **facts: Any) -> Line:
    """Build context shown to the model, or the report of a hook."""
    line = record("attachment", at=at)
    return {key: line[key] for key in ("parentUuid", "isSidechain")} | {"attachment": {"type": kind, **facts}} | line


def progress(kind: str, *, at: float, tool_id: str = "toolu_1", **data: Any) -> Line:
    """Build a tick of a running tool or hook."""
    return record("progress", at=at, data={"type": kind, **data}, toolUseID=tool_id, parentToolUseID=tool_id)


def agent_progress(line: Line, *, tool_id: str = "toolu_1", agent_id: str | None = "a1") -> Line:
    """Build the copy of an agent's line that 2.1.12-2.1.81 embedded in the parent's file."""
    inner = {key: line[key] for key in ("type", "message", "timestamp", "uuid")}
    at = (datetime.fromisoformat(line["timestamp"]) - T0).total_seconds()
    return progress("agent_progress", at=at, tool_id=tool_id, message=inner, agentId=agent_id, copied=line["uuid"])


def meta(kind: str, **fields: Any) -> Line:
    """Build a record without time and uuid."""
    return {"type": kind, **fields}


def queue_operation(operation: str = "enqueue", *, at: float = 0, **fields: Any) -> Line:
    """Build a queue operation: it has a time and no uuid, and no fork copies it."""
    return meta("queue-operation", operation=operation, timestamp=iso(at), **fields)


def pr_link(number: int = 7, *, at: float = 5, repository: str = "acme/widgets", **fields: Any) -> Line:
    """Build the note that the session touched a pull request."""
    url = f"https://github.com/{repository}/pull/{number}"
    return meta("pr-link", prNumber=number, prUrl=url, prRepository=repository, timestamp=iso(at)) | fields


def cost_state(usd: float | str, *, start: float = 0, **fields: Any) -> Line:
    """Build the client's own total of a process that started at ``start``."""
    return meta("cost-state", totalCostUSD=usd, startTime=at_ns(start) // 1_000_000, hasUnknownModelCost=False) | fields


def compact_boundary(*, at: float, trigger: str = "auto", **metadata: Any) -> Line:
    """Build the point where history was replaced by a summary."""
    return system("compact_boundary", at=at, compactMetadata={"trigger": trigger, "preTokens": 150_000, **metadata})


def api_error(*, at: float, attempt: int = 1, status: int = 529, kind: str = "overloaded_error") -> Line:
    """Build the note of a failed request that will be tried again."""
    body = {"status": status, "error": {"type": "error", "error": {"type": kind}}}
    return system("api_error", at=at, error=body, retryInMs=500.5, retryAttempt=attempt, maxRetries=10)


def final_error(*, at: float, error: object = "rate_limit", status: int | None = 429) -> Line:
    """Build the notice the client writes when a request failed for good."""
    line = response("notice", text("API Error"), at=at, model="<synthetic>", usage=USAGE_ZERO, stop="stop_sequence")
    return line | {"isApiErrorMessage": True, "error": error, "apiErrorStatus": status}


USAGE_ZERO = dict.fromkeys(USAGE, 0)


def hook(event: str, *, at: float, outcome: str = "hook_success", **facts: Any) -> Line:
    """Build the report of a hook's run."""
    defaults = {"hookName": f"{event}:Bash", "hookEvent": event, "durationMs": 12, "exitCode": 0}
    return attachment(outcome, at=at, **(defaults | facts))


def stop_hooks(*, at: float, commands: int = 1, errors: Iterable[str] = ()) -> Line:
    """Build the summary of the hooks that ran when the model stopped."""
    infos = [{"command": f"hook-{n}", "durationMs": 10 * (n + 1)} for n in range(commands)]
    return system("stop_hook_summary", at=at, hookCount=commands, hookInfos=infos, hookErrors=list(errors))


def interrupt(*, at: float, message_id: str | None = None) -> Line:
    """Build what the client writes when Esc was pressed; newer ones name the response that was cut."""
    named = {"interruptedMessageId": message_id} if message_id else {}
    return prompt([text("[Request interrupted by user for tool use]")], at=at, **named)


def notification(agent_id: str, *, tool_id: str | None = None) -> str:
    """Text of the news that a background task has ended."""
    tool = f"<tool-use-id>{tool_id}</tool-use-id>\n" if tool_id else ""
    return f"<task-notification>\n<task-id>{agent_id}</task-id>\n{tool}<status>completed</status>\n</task-notification>"


# --- content blocks --------------------------------------------------------------------------------------------------


def text(words: str) -> Block:
    """Build a text block."""
    return {"type": "text", "text": words}


def tool_use(tool_id: str = "toolu_1", name: str = "Bash", **arguments: Any) -> Block:
    """Build the request to run a tool."""
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def ask(message_id: str, *tools: Block, at: float, **fields: Any) -> Line:
    """Build a response that stops for tools."""
    return response(message_id, *tools, at=at, **({"stop": "tool_use"} | fields))


# --- forks, as each client version copies ----------------------------------------------------------------------------


def fork_1_0_60(lines: Iterable[Line], *, at: float) -> list[Line]:
    """Copy with new uuids, new times and no request id."""
    copies = [dict(line) for line in lines]
    for n, line in enumerate(copies):
        line.pop("requestId", None)
        line |= {"uuid": name_uuid("copy", at, n), "timestamp": iso(at + n / 1000)}
    return copies


def fork_2_0_30(lines: Iterable[Line], *, origin: str) -> list[Line]:
    """Copy of which some user lines keep the origin's session id, and nothing else tells."""
    return [line | ({"sessionId": origin} if line["type"] == "user" and n % 3 else {}) for n, line in enumerate(lines)]


def fork_2_1_50(lines: Iterable[Line], *, origin: str) -> list[Line]:
    """Copy that keeps everything, the origin's session id too."""
    return [line | {"sessionId": origin} for line in lines]


def fork_2_1_181(lines: Iterable[Line]) -> list[Line]:
    """Copy that keeps everything but the session id."""
    return [dict(line) for line in lines]


def fork_2_1_329(lines: Iterable[Line], *, prompt_id: str) -> list[Line]:
    """Copy that gives all prompts one and the same id."""
    return [line | ({"promptId": prompt_id} if "promptId" in line else {}) for line in lines]


def fork_oh_my_posh(lines: Iterable[Line]) -> list[Line]:
    """Copy stamped with the place of the fork (desktop application, own worktree)."""
    place = {"cwd": "/home/dev/worktrees/two", "gitBranch": "worktree-two", "entrypoint": "claude-desktop"}
    return [line | place for line in lines]


# --- files -----------------------------------------------------------------------------------------------------------


def dump(line: Line) -> bytes:
    """Write a line as the client does, newline included; half characters are spelled out."""
    try:
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def write(path: Path, *lines: Line | bytes) -> Path:
    """Write lines (raw bytes as they are) to a file, folders and all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line if isinstance(line, bytes) else dump(line) for line in lines))
    return path


def session_file(root: Path, session_id: str, *lines: Line | bytes, slug: str = SLUG) -> Path:
    """Write a main transcript; lines without a session id get the file's."""
    stamped = (line if isinstance(line, bytes) else {"sessionId": session_id} | line for line in lines)
    return write(root / "projects" / slug / f"{session_id}.jsonl", *stamped)


def agent_file(
    root: Path,
    session_id: str,
    agent_id: str,
    *lines: Line | bytes,
    about: Line | None = None,
    under: str = "subagents",
) -> Path:
    """Write a sub-agent's transcript under its session (2.1.2+), and its meta file if something is told about it."""
    path = root / "projects" / SLUG / session_id / under / f"agent-{agent_id}.jsonl"
    write(path, *(line if isinstance(line, bytes) else _of_agent(line, session_id, agent_id) for line in lines))
    if about is not None:
        path.with_suffix(".meta.json").write_text(json.dumps(about))
    return path


def old_agent_file(root: Path, session_id: str, agent_id: str, *lines: Line) -> Path:
    """Write a sub-agent's transcript beside the sessions (2.0.x)."""
    path = root / "projects" / SLUG / f"agent-{agent_id}.jsonl"
    return write(path, *(_of_agent(line, session_id, agent_id) for line in lines))


def _of_agent(line: Line, session_id: str, agent_id: str) -> Line:
    return line | {"isSidechain": True, "agentId": agent_id, "sessionId": session_id}


# --- reading ---------------------------------------------------------------------------------------------------------


def library(*roots: Path, now: float = FAR_FUTURE_S, keep_content: bool = False) -> SessionLibrary:
    """Open all sessions under the folders given."""
    return SessionLibrary(discover_sessions(roots), now_ns=at_ns(now), workers=1, keep_content=keep_content)


def load(root: Path, session_id: str = SID, *, now: float = FAR_FUTURE_S, keep_content: bool = False) -> Session:
    """Read one session of a folder."""
    return library(root, now=now, keep_content=keep_content)[session_id]


def load_lines(root: Path, *lines: Line | bytes, now: float = FAR_FUTURE_S, keep_content: bool = False) -> Session:
    """Write a session of the lines given and read it."""
    session_file(root, SID, *lines)
    return load(root, now=now, keep_content=keep_content)


def count(*roots: Path) -> Stats:
    """Count all sessions under the folders given, days in UTC."""
    return collect_stats(discover_sessions(roots), zone=UTC, workers=1)


def call_keys(session: Session) -> list[str]:
    """Message ids of the session's calls, sub-agents included."""
    return [call.message_id for call in session.calls()]


def only_call(session: Session) -> ModelCall:
    """Return the session's one model call."""
    (call,) = session.calls()
    return call


def only_tool(session: Session) -> ToolCall:
    """Return the session's one tool call."""
    (tool,) = session.tool_calls()
    return tool
