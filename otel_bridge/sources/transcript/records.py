"""Wire shapes of transcript lines, typed so that msgspec decodes only what is needed (pure).

Field names are the client's. Everything is optional: any key may be missing or null (observed on 1.0.17 … 2.1.330).
Fields stand in the order in which the client writes them: msgspec looks for the next key where it expects it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Raw, Struct

SYNTHETIC_MODEL = "<synthetic>"
"""Model name of notices the client writes itself; never a response of the API."""

EMPTY_RAW = Raw(b"")

Count = Annotated[int, Meta(ge=0, le=10**12)]
"""Tokens, attempts, statuses …: anything else is damage, and must fit into 64 bits further on."""

Milliseconds = Annotated[float, Meta(ge=0, le=1e14)]
"""A duration, or a time since the epoch."""


class CacheCreation(Struct, gc=False):
    """Cache writes by lifetime (1.0.98+)."""

    ephemeral_5m_input_tokens: Count | None = 0
    ephemeral_1h_input_tokens: Count | None = 0


class ServerToolUse(Struct, gc=False):
    """Tools the API ran itself."""

    web_search_requests: Count | None = 0


class OutputTokensDetails(Struct, gc=False):
    """Parts of the output count (2.1.229+)."""

    thinking_tokens: Count | None = 0


class UsageRecord(Struct, gc=False):
    """``message.usage``; ``input_tokens`` excludes the cache."""

    input_tokens: Count | None = 0
    cache_creation_input_tokens: Count | None = 0
    cache_read_input_tokens: Count | None = 0
    cache_creation: CacheCreation | None = None
    output_tokens: Count | None = 0
    output_tokens_details: OutputTokensDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    iterations: list[IterationRecord] | None = None
    speed: str | None = None


class IterationRecord(UsageRecord, gc=False):
    """One entry of ``usage.iterations`` (filled from 2.1.98)."""

    type: str | None = None
    model: str | None = None


class CountBlock(Struct, gc=False):
    """A content block, reduced to the ids that pair tool calls with results."""

    tool_use_id: str | None = None
    type: str | None = None
    id: str | None = None


class CountMessage(Struct, gc=False):
    """``message`` of a user or assistant line."""

    model: str | None = None
    id: str | None = None
    content: str | list[CountBlock] | None = None
    stop_reason: str | None = None
    usage: UsageRecord | None = None


class CountProgress(Struct, gc=False):
    """``data`` of a progress line; ``agent_progress`` embeds a sub-agent's line (2.1.12-2.1.81)."""

    type: str | None = None
    message: CountRecord | None = None
    agentId: str | None = None


class CountAttachment(Struct, gc=False):
    """``attachment``, reduced to what it is."""

    type: str | None = None


class CountRecord(Struct, gc=False):
    """A line, as far as counting needs it (decoding the rest as well costs a tenth more)."""

    isSidechain: bool | None = False
    attachment: CountAttachment | None = None
    cwd: str | None = None
    sessionId: str | None = None
    type: str | None = None
    subtype: str | None = None
    message: CountMessage | None = None
    requestId: str | None = None
    requestedModel: str | None = None
    isMeta: bool | None = False
    uuid: str | None = None
    timestamp: datetime | None = None
    forkedFrom: Raw = EMPTY_RAW
    data: CountProgress | None = None
    summary: str | None = None
    customTitle: str | None = None
    aiTitle: str | None = None
    totalCostUSD: Decimal | None = None
    startTime: Milliseconds | None = None
    hasUnknownModelCost: bool | None = False


class Block(CountBlock, gc=False):
    """A content block of a message."""

    text: str | None = None
    name: str | None = None
    input: Raw = EMPTY_RAW
    is_error: bool | None = None
    content: Raw = EMPTY_RAW


class Message(CountMessage, gc=False):
    """``message`` with its content."""

    content: str | list[Block] | None = None  # type: ignore[assignment]  # narrower, and never written


class CompactMetadata(Struct, gc=False):
    """What a compaction did."""

    trigger: str | None = None
    preTokens: Count | None = None
    postTokens: Count | None = None
    durationMs: Milliseconds | None = None


class HookInfo(Struct, gc=False):
    """One hook of a ``stop_hook_summary``."""

    command: str | None = None
    durationMs: Milliseconds | None = None


class AttachmentRecord(CountAttachment, gc=False):
    """``attachment`` of the hook types and of queued commands; nothing is taken from other types."""

    prompt: Raw = EMPTY_RAW
    hookName: str | None = None
    hookEvent: str | None = None
    toolUseID: str | None = None
    durationMs: Milliseconds | None = None


class PermissionDecision(Struct, gc=False):
    """Who let a tool call run (seen on 2.1.329)."""

    decision: str | None = None
    source: str | None = None


class Origin(Struct, gc=False):
    """Where a prompt came from (2.1.185+)."""

    kind: str | None = None


class Progress(CountProgress, gc=False):
    """``data`` of a progress line with the whole embedded line."""

    message: Record | None = None


class Record(CountRecord, gc=False):
    """A line, as far as a whole session needs it. ``gc=False``: records hold no cycles and live for one line."""

    parentUuid: str | None = None
    logicalParentUuid: str | None = None
    isCompactSummary: bool | None = False
    agentId: str | None = None
    gitBranch: str | None = None
    version: str | None = None
    entrypoint: str | None = None
    promptId: str | None = None
    promptSource: str | None = None
    origin: Origin | None = None
    message: Message | None = None
    toolUseResult: Raw = EMPTY_RAW
    toolDenialKind: str | None = None
    permissionDecision: PermissionDecision | None = None
    interruptedMessageId: str | None = None
    effort: str | None = None
    requestRef: str | None = None
    attributionSkill: str | None = None
    attributionMcpServer: str | None = None
    attributionAgent: str | None = None
    isApiErrorMessage: bool | None = False
    apiErrorStatus: Count | None = None
    error: Raw = EMPTY_RAW
    retryInMs: Milliseconds | None = None
    retryAttempt: Count | None = None
    maxRetries: Count | None = None
    compactMetadata: CompactMetadata | None = None
    hookInfos: list[HookInfo] | None = None
    hookErrors: list[str] | None = None
    attachment: AttachmentRecord | None = None
    data: Progress | None = None
    parentToolUseID: str | None = None
    content: Raw = EMPTY_RAW
    id: str | None = None
    prNumber: Count | None = None
    prUrl: str | None = None
    prRepository: str | None = None


class ToolInput(Struct, gc=False):
    """The fields of a tool's input that say what it did; other tools' inputs decode to all ``None``."""

    command: str | None = None
    file_path: str | None = None
    notebook_path: str | None = None
    skill: str | None = None
    subagent_type: str | None = None
    description: str | None = None
    prompt: str | None = None


class GitCommit(Struct, gc=False):
    """``gitOperation.commit`` (2.1.181+)."""

    sha: str | None = None
    kind: str | None = None
    branch: str | None = None


class GitPullRequest(Struct, gc=False):
    """``gitOperation.pr`` (2.1.181+)."""

    number: Count | None = None
    url: str | None = None
    action: str | None = None


class GitOperation(Struct, gc=False):
    """What git or gh did inside a shell call."""

    commit: GitCommit | None = None
    pr: GitPullRequest | None = None


class PatchHunk(Struct, gc=False):
    """One hunk of an edit."""

    lines: list[str] | None = None


class ToolUseResult(Struct, gc=False):
    """``toolUseResult`` where it is an object; it may also be a string or a list."""

    type: str | None = None
    interrupted: bool | None = None
    content: Raw = EMPTY_RAW
    structuredPatch: list[PatchHunk] | None = None
    agentId: str | None = None
    isAsync: bool | None = None
    status: str | None = None
    searchCount: Count | None = None
    durationMs: Milliseconds | None = None
    totalDurationMs: Milliseconds | None = None
    durationSeconds: Milliseconds | None = None
    gitOperation: GitOperation | None = None

    def reported_ms(self) -> float | None:
        """Return the duration the tool itself reports (Glob, Grep, WebFetch, WebSearch, sub-agents), if any."""
        if self.durationSeconds is not None:
            return self.durationSeconds * 1000
        return self.durationMs if self.durationMs is not None else self.totalDurationMs


ToolOutcome = ToolUseResult | str | list[Raw] | None
"""What ``toolUseResult`` mostly is; MCP tools put anything there."""


class PlainRecord(Record, gc=False):
    """A line whose tool result is of a shape we know: it is decoded with the line, and not passed over first."""

    toolUseResult: ToolOutcome = None  # type: ignore[assignment]


class AgentMeta(Struct, gc=False):
    """``agent-<id>.meta.json`` (about 2.1.20+; every field optional)."""

    toolUseId: str | None = None
    agentType: str | None = None
    description: str | None = None
    parentAgentId: str | None = None
    requestShape: str | None = None
    finished: bool | None = None
