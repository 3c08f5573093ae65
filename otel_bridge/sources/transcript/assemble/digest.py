"""One record → one entry (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from otel_bridge.model import ApiError, Compaction, HookRun, RecordContext
from otel_bridge.sources.transcript.assemble.entries import (
    AnyEntry,
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
    ToolResult,
    ToolUse,
)
from otel_bridge.sources.transcript.assemble.prompts import (
    SEARCHABLE_KINDS,
    command_name,
    message_text,
    prompt_kind,
    task_notices,
    text_digest,
)
from otel_bridge.sources.transcript.assemble.texts import TextNotes
from otel_bridge.sources.transcript.assemble.tools import result_text, tool_input, tool_result, tool_use
from otel_bridge.sources.transcript.calls import (
    NO_PROMPT_ID,
    NO_RESULT_ID,
    NO_TOOL_USE_ID,
    Position,
    is_response,
    response_key,
)
from otel_bridge.sources.transcript.decode import DECODE_ERRORS
from otel_bridge.sources.transcript.links import pull_request_link
from otel_bridge.sources.transcript.records import Block, Count, Record

_HOOK_OUTCOMES = {
    "hook_success": "success",
    "async_hook_response": "success",
    "hook_blocking_error": "blocking_error",
    "hook_non_blocking_error": "error",
    "hook_cancelled": "cancelled",
}


OTHER = "_OTHER"
"""Error type where none is known, as OpenTelemetry has it."""

_WORD = re.compile(r"\w{1,64}")
_QUOTED_STATUS = re.compile(r"API Error: (\d{3})\b")
_QUOTED_TYPE = re.compile(r'"type":\s*"(\w{1,57}_error)"')


class _ErrorBody(msgspec.Struct):
    type: str | None = None
    error: _ErrorBody | None = None
    status: Count | None = None


_decode_error = msgspec.json.Decoder(_ErrorBody | str | None).decode
_decode_content = msgspec.json.Decoder(str | list[Block] | None).decode


class Digester:
    """Turns the records of one file into entries; where they were written is put into ``contexts``."""

    def __init__(
        self, contexts: dict[int, RecordContext], *, keep_content: bool, texts: TextNotes | None = None
    ) -> None:
        self._keep_content = keep_content
        self._texts = texts
        self._uses: dict[str, ToolUse] = {}
        self._contexts = contexts
        self._numbers: dict[tuple[str | None, ...], int] = {(None,) * 4: 0}

    def know(self, uses: Iterable[ToolUse]) -> None:
        """Take in tool calls of earlier lines, whose results may come."""
        for use in uses:
            self._uses.setdefault(use.id, use)

    def entry(self, record: Record, at_ns: int, position: Position) -> AnyEntry:
        """Return what to keep of a record; one that says nothing becomes a bare ``Entry``."""
        kind = record.type
        entry: AnyEntry | None = None
        if kind == "assistant":
            entry = self._response(record, at_ns, position)
        elif kind == "user":
            entry = self._user(record, at_ns, position)
        elif kind == "system":
            entry = _system(record, at_ns)
        elif kind == "attachment":
            entry = _attachment(record, at_ns)
        elif kind == "pr-link":
            entry = _link_entry(record, at_ns)
        elif kind == "queue-operation":
            entry = Entry(notices=task_notices(_text(record.content)))
        elif kind == "api-request" and record.id:
            entry = RequestEntry(id=record.id)
        entry = entry or Entry()
        entry.at_ns = at_ns
        entry.uuid = record.uuid
        entry.parent = record.parentUuid or record.logicalParentUuid
        entry.prompt_id = record.promptId
        entry.context = self._context(record)
        return entry

    def _context(self, record: Record) -> int:
        facts = record.cwd, record.gitBranch, record.version, record.entrypoint
        number = self._numbers.get(facts)
        if number is None:
            number = self._numbers[facts] = context_number(facts)
            self._contexts[number] = RecordContext(*facts)
        return number

    def _response(self, record: Record, at_ns: int, position: Position) -> AnyEntry | None:
        message = record.message
        if message is None or not is_response(message):
            return ErrorEntry(error=_final_error(record, at_ns)) if record.isApiErrorMessage else None
        entry = ResponseEntry(
            key=response_key(record, message, position),
            stop_reason=message.stop_reason,
            request_ref=record.requestRef,
            effort=record.effort,
            skill=record.attributionSkill,
            mcp_server=record.attributionMcpServer,
            agent_type=record.attributionAgent,
            text=message_text(message.content) if self._keep_content else "",
        )
        if isinstance(message.content, list):
            asked = [block for block in message.content if block.type == "tool_use"]
            entry.tool_uses = self._tool_uses(asked, at_ns, position) if asked else []
        if self._texts is not None and self._texts.with_answers:
            self._texts.note("answer", at_ns, message_text(message.content))
        return entry

    def _tool_uses(self, blocks: list[Block], at_ns: int, position: Position) -> list[ToolUse]:
        uses = []
        for block in blocks:
            if not block.id:
                position.report("missing_id", NO_TOOL_USE_ID)
                continue
            use = self._uses.get(block.id)
            if use is None:
                use = self._uses[block.id] = self._use(block, at_ns)
            uses.append(use)
        return uses

    def _use(self, block: Block, at_ns: int) -> ToolUse:
        asked = tool_input(block)
        use = tool_use(block, asked, at_ns, keep_content=self._keep_content)
        if self._texts is not None:
            self._texts.note("command", at_ns, asked.command, use.id)
        return use

    def _user(self, record: Record, at_ns: int, position: Position) -> AnyEntry:
        content = record.message.content if record.message is not None else None
        blocks = [block for block in content if block.type == "tool_result"] if isinstance(content, list) else []
        if not blocks:
            return self._prompt(record, message_text(content), at_ns, position)
        results = []
        for block in blocks:
            if block.tool_use_id:
                results.append(self._result(block, block.tool_use_id, record, at_ns))
            else:
                position.report("missing_id", NO_RESULT_ID)
        return ResultEntry(results=results)

    def _result(self, block: Block, tool_id: str, record: Record, at_ns: int) -> ToolResult:
        result, text = tool_result(block, record, at_ns, self._uses.get(tool_id))
        if self._keep_content:
            result.text = text or result_text(block)
        if self._texts is not None and block.is_error:
            self._texts.note("error", at_ns, text, result.tool_id)
        return result

    def _prompt(self, record: Record, text: str, at_ns: int, position: Position) -> PromptEntry:
        kind = prompt_kind(record, text)
        if self._texts is not None and kind in SEARCHABLE_KINDS:
            self._texts.note("prompt", at_ns, text)
        if not record.uuid:
            position.report("missing_id", NO_PROMPT_ID)
        return PromptEntry(
            kind=kind,
            place=position.place,
            length=len(text),
            command=command_name(text) if kind == "command" else None,
            source=record.promptSource,
            text=text if self._keep_content else "",
            digest=text_digest(text),
            interrupted_message_id=record.interruptedMessageId,
            notices=task_notices(text),
        )


def context_number(facts: tuple[str | None, ...]) -> int:
    """Return 63 bits of a hash: no two contexts of a session share them."""
    return int.from_bytes(blake2b(msgspec.msgpack.encode(facts), digest_size=8).digest(), "big") >> 1


def _system(record: Record, at_ns: int) -> AnyEntry | None:
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
        return ErrorEntry(error=ApiError(at_ns, _error_type(body), _status(body), attempt, record.retryInMs, is_final))
    if record.subtype == "stop_hook_summary":
        outcome = "error" if record.hookErrors else "success"
        infos = record.hookInfos or ()
        return HookEntry(hooks=tuple(HookRun(at_ns, "Stop", "Stop", outcome, info.durationMs) for info in infos))
    return None


def _attachment(record: Record, at_ns: int) -> AnyEntry | None:
    attachment = record.attachment
    if attachment is None:
        return None
    if attachment.type == "queued_command":
        return QueuedEntry(notices=task_notices(_text(attachment.prompt)))
    outcome = _HOOK_OUTCOMES.get(attachment.type or "")
    if outcome is None:
        return None
    event = attachment.hookEvent or ""
    tool_id = attachment.toolUseID if event.endswith("ToolUse") or event == "PermissionRequest" else None
    run = HookRun(at_ns, event, attachment.hookName or event, outcome, attachment.durationMs, tool_id)
    return HookEntry(hooks=(run,))


def _text(raw: msgspec.Raw) -> str:
    """Return the text of content that was not decoded with its record."""
    try:
        return message_text(_decode_content(raw)) if bytes(raw) else ""
    except DECODE_ERRORS:
        return ""


def _link_entry(record: Record, at_ns: int) -> AnyEntry | None:
    link = pull_request_link(record, at_ns)
    return None if link is None else LinkEntry(link=link)


def _final_error(record: Record, at_ns: int) -> ApiError:
    """Old clients say ``unknown`` and quote the API's answer in the notice."""
    body = _error_body(record)
    kind = body if isinstance(body, str) and _WORD.fullmatch(body) else _error_type(body)
    status = record.apiErrorStatus or _status(body)
    if kind in ("unknown", OTHER):
        text = message_text(record.message.content) if record.message is not None else ""
        quoted, answered = _QUOTED_TYPE.search(text), _QUOTED_STATUS.match(text)
        kind = quoted[1] if quoted else kind
        status = status or (int(answered[1]) if answered else None)
    return ApiError(at_ns, kind, status, is_final=True)


def _error_body(record: Record) -> _ErrorBody | str | None:
    raw = bytes(record.error)
    try:
        return _decode_error(raw) if raw else None
    except DECODE_ERRORS:
        return None


def _error_type(body: _ErrorBody | str | None) -> str:
    """Return the innermost type: the API wraps ``overloaded_error`` in objects of type ``error``."""
    kind = None
    status = _status(body)
    while isinstance(body, _ErrorBody):
        kind = body.type if body.type and body.type != "error" and _WORD.fullmatch(body.type) else kind
        body = body.error
    return kind or (f"http_{status}" if status else OTHER)


def _status(body: _ErrorBody | str | None) -> int | None:
    return body.status if isinstance(body, _ErrorBody) else None
