"""What is kept of a record while its session is put together (pure).

An entry is a record reduced to facts; file contents, tool outputs and texts are dropped line by line, so that a
session of any size stays small in memory. Entries are what the index stores of a file: as arrays under their tag, in
which a new field may only be added at the end, with a default. Nothing is derived from a kind of entry: ``type(entry)
is`` tells it seven times sooner than ``isinstance`` that it is another one (measured).
"""

from __future__ import annotations

from msgspec import Struct

from otel_bridge.model import ApiError, Compaction, HookRun
from otel_bridge.vcs import Commit, PullRequestLink


class Entry(Struct, gc=False, array_like=True, tag="e"):
    """A moment of a lane. On its own (a progress tick, skipped context) it only says that time passed."""

    at_ns: int = 0
    uuid: str | None = None
    parent: str | None = None
    """Only where that is not the line before it in its lane: most are."""
    prompt_id: str | None = None
    context: int = 0
    """Number of where it was written (``FileExtract.contexts``), 0 where nothing says it."""
    notices: tuple[tuple[str, str], ...] = ()
    """Background tasks reported as ended: task id (a sub-agent's, for one) and tool call id, empty if not named."""


class PromptEntry(Entry, gc=False, tag="p"):
    """A user line without tool result."""

    kind: str = "other"
    """``human``, ``command``, ``notification``, ``other``, ``interrupt``, ``summary``, ``meta`` or ``output``."""
    place: str = ""
    """Names the line where nothing else does."""
    length: int = 0
    command: str | None = None
    source: str | None = None
    text: str = ""
    """Kept only for content capture."""
    digest: int = 0
    """Hash of the text: sub-agents of 1.x are found by their prompt."""
    interrupted_message_id: str | None = None
    """The response that Esc cut short; its tools were running, not waiting for permission."""


class ToolUse(Struct, gc=False, array_like=True):
    """A tool_use block."""

    id: str
    name: str
    at_ns: int
    executable: str | None = None
    file_path: str | None = None
    skill: str | None = None
    subagent_type: str | None = None
    description: str | None = None
    prompt_digest: int = 0
    command_hint: str = ""
    """``gh pr create`` for a shell command with these words in it; of no command is more kept."""
    arguments: str = ""


class ResponseEntry(Entry, gc=False, tag="r"):
    """One line of an API response."""

    key: str = ""
    tool_uses: list[ToolUse] = []
    stop_reason: str | None = None
    request_ref: str | None = None
    effort: str | None = None
    skill: str | None = None
    mcp_server: str | None = None
    agent_type: str | None = None
    text: str = ""


class ToolResult(Struct, gc=False, array_like=True):
    """A tool_result block."""

    tool_id: str
    at_ns: int
    error_type: str | None = None
    denial: str | None = None
    decision: str | None = None
    decision_source: str | None = None
    exit_code: int | None = None
    duration_ms: float | None = None
    agent_id: str | None = None
    agent_rule: str = "tool_result"
    """Where the agent's id was found: ``tool_result`` (a field) or ``result_text``."""
    is_async: bool = False
    lines_added: int = 0
    lines_removed: int = 0
    web_searches: int = 0
    result_bytes: int = 0
    commits: tuple[Commit, ...] = ()
    pull_requests: tuple[PullRequestLink, ...] = ()
    text: str = ""


class ResultEntry(Entry, gc=False, tag="t"):
    """A user line with tool results."""

    results: list[ToolResult] = []


class ErrorEntry(Entry, tag="x"):
    """A failed request: a retry (``system/api_error``) or the final notice (``isApiErrorMessage``)."""

    error: ApiError | None = None


class CompactionEntry(Entry, tag="c"):
    """The history was replaced by a summary."""

    compaction: Compaction | None = None


class HookEntry(Entry, tag="h"):
    """Hooks ran."""

    hooks: tuple[HookRun, ...] = ()


class QueuedEntry(Entry, gc=False, tag="q"):
    """A prompt handed to the model in the middle of a turn."""


class RequestEntry(Entry, gc=False, tag="a"):
    """A request was sent (``api-request``, seen on 2.1.329); responses name it by ``requestRef``."""

    id: str = ""


class LinkEntry(Entry, tag="l"):
    """``pr-link``: the session touched a pull request."""

    link: PullRequestLink | None = None


AnyEntry = (
    Entry
    | PromptEntry
    | ResponseEntry
    | ResultEntry
    | ErrorEntry
    | CompactionEntry
    | HookEntry
    | QueuedEntry
    | RequestEntry
    | LinkEntry
)
"""What a stored entry is read back as: its tag tells which."""
