"""One record → one entry (pure)."""

from __future__ import annotations

import msgspec

from otel_bridge.model import ApiError, Compaction, HookRun, PullRequest, PullRequestLink, RecordContext
from otel_bridge.sources.transcript.assemble.entries import (
    CompactionEntry,
    Entry,
    ErrorEntry,
    HookEntry,
    LinkEntry,
    PromptEntry,
    QueuedEntry,
    RequestEntry,
    ResponseEntry,
    ResultEntry,
    ToolUse,
)
from otel_bridge.sources.transcript.assemble.prompts import command_name, message_text, prompt_kind, text_digest
from otel_bridge.sources.transcript.assemble.tools import tool_result, tool_use
from otel_bridge.sources.transcript.calls import is_response, response_key, time_ns
from otel_bridge.sources.transcript.records import Message, Record

_HOOK_OUTCOMES = {
    "hook_success": "success",
    "async_hook_response": "success",
    "hook_blocking_error": "blocking_error",
    "hook_non_blocking_error": "error",
    "hook_cancelled": "cancelled",
}


class _ErrorBody(msgspec.Struct):
    type: str | None = None
    error: _ErrorBody | None = None
    status: int | None = None


_decode_error = msgspec.json.Decoder(_ErrorBody | str | None).decode


class Digester:
    """Turns the records of one session into entries, with equal contexts shared."""

    def __init__(self, *, keep_content: bool) -> None:
        self._keep_content = keep_content
        self._uses: dict[str, ToolUse] = {}
        self._contexts: dict[RecordContext, RecordContext] = {}

    def entry(self, record: Record, place: str) -> Entry:
        """Return what to keep of a record; one that says nothing becomes a bare ``Entry``."""
        kind = record.type
        entry: Entry | None = None
        if kind == "assistant":
            entry = self._response(record, record.message, place)
        elif kind == "user":
            entry = self._user(record)
        elif kind == "system":
            entry = _system(record)
        elif kind == "attachment":
            entry = _attachment(record)
        elif kind == "pr-link":
            entry = _pull_request_link(record)
        elif kind == "api-request" and record.id:
            entry = RequestEntry(id=record.id)
        entry = entry or Entry()
        entry.at_ns = time_ns(record.timestamp)
        entry.uuid = record.uuid
        entry.parent = record.parentUuid or record.logicalParentUuid
        entry.prompt_id = record.promptId
        entry.context = self._context(record)
        return entry

    def _context(self, record: Record) -> RecordContext:
        context = RecordContext(record.cwd, record.gitBranch, record.version, record.entrypoint)
        return self._contexts.setdefault(context, context)

    def _response(self, record: Record, message: Message | None, place: str) -> Entry | None:
        if record.isApiErrorMessage:
            return ErrorEntry(error=_final_error(record))
        if message is None or not is_response(message):
            return None
        at_ns = time_ns(record.timestamp)
        entry = ResponseEntry(
            key=response_key(record, message, place),
            stop_reason=message.stop_reason,
            request_ref=record.requestRef,
            effort=record.effort,
            skill=record.attributionSkill,
            mcp_server=record.attributionMcpServer,
            agent_type=record.attributionAgent,
            text=message_text(message.content) if self._keep_content else "",
        )
        if isinstance(message.content, list):
            entry.tool_uses = [
                self._uses.setdefault(block.id, tool_use(block, at_ns, keep_content=self._keep_content))
                for block in message.content
                if block.type == "tool_use" and block.id
            ]
        return entry

    def _user(self, record: Record) -> Entry:
        content = record.message.content if record.message is not None else None
        at_ns = time_ns(record.timestamp)
        results = [
            tool_result(block, record, at_ns, self._uses.get(block.tool_use_id), keep_content=self._keep_content)
            for block in (content if isinstance(content, list) else ())
            if block.type == "tool_result" and block.tool_use_id
        ]
        return ResultEntry(results=results) if results else self._prompt(record, message_text(content))

    def _prompt(self, record: Record, text: str) -> PromptEntry:
        kind = prompt_kind(record, text)
        return PromptEntry(
            kind=kind,
            length=len(text),
            command=command_name(text) if kind == "command" else None,
            source=record.promptSource,
            text=text if self._keep_content or kind == "notification" else "",
            digest=text_digest(text),
            interrupted_message_id=record.interruptedMessageId,
        )


def _system(record: Record) -> Entry | None:
    at_ns = time_ns(record.timestamp)
    if record.subtype == "compact_boundary":
        meta = record.compactMetadata
        if meta is None:
            return CompactionEntry(compaction=Compaction(at_ns, "auto"))
        facts = Compaction(at_ns, meta.trigger or "auto", meta.preTokens, meta.postTokens, meta.durationMs)
        return CompactionEntry(compaction=facts)
    if record.subtype == "api_error":
        body = _error_body(record)
        attempt = record.retryAttempt or 0
        is_final = record.maxRetries is not None and attempt > record.maxRetries
        return ErrorEntry(
            error=ApiError(at_ns, _error_type(body), _status(body), attempt, record.retryInMs, is_final)
        )
    if record.subtype == "stop_hook_summary":
        failed = bool(record.hookErrors)
        return HookEntry(
            hooks=tuple(
                HookRun(at_ns, "Stop", "Stop", "error" if failed else "success", info.durationMs)
                for info in record.hookInfos or ()
            )
        )
    return None


def _attachment(record: Record) -> Entry | None:
    attachment = record.attachment
    if attachment is None:
        return None
    if attachment.type == "queued_command":
        return QueuedEntry()
    outcome = _HOOK_OUTCOMES.get(attachment.type or "")
    if outcome is None:
        return None
    event = attachment.hookEvent or ""
    run = HookRun(
        time_ns(record.timestamp),
        event,
        attachment.hookName or event,
        outcome,
        attachment.durationMs,
        attachment.toolUseID if event.endswith("ToolUse") or event == "PermissionRequest" else None,
    )
    return HookEntry(hooks=(run,))


def _pull_request_link(record: Record) -> Entry | None:
    if record.prNumber is None or not record.prRepository:
        return None
    pull = PullRequest(record.prRepository, record.prNumber, record.prUrl or "")
    return LinkEntry(link=PullRequestLink(pull, time_ns(record.timestamp)))


def _final_error(record: Record) -> ApiError:
    body = _error_body(record)
    kind = body if isinstance(body, str) else _error_type(body)
    return ApiError(time_ns(record.timestamp), kind, record.apiErrorStatus, is_final=True)


def _error_body(record: Record) -> _ErrorBody | str | None:
    raw = bytes(record.error)
    try:
        return _decode_error(raw) if raw else None
    except msgspec.MsgspecError:
        return None


def _error_type(body: _ErrorBody | str | None) -> str:
    """Return the innermost type: the API wraps ``overloaded_error`` in objects of type ``error``."""
    kind = None
    status = _status(body)
    while isinstance(body, _ErrorBody):
        kind = body.type if body.type not in (None, "error") else kind
        body = body.error
    return kind or (f"http_{status}" if status else "_OTHER")


def _status(body: _ErrorBody | str | None) -> int | None:
    return body.status if isinstance(body, _ErrorBody) else None
