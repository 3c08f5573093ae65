"""The model calls of one lane, with the tool calls they asked for (pure)."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from msgspec import Struct, structs

from otel_bridge.model import (
    IDLE_TURN_NS,
    Agent,
    ApiError,
    Content,
    ModelCall,
    RecordContext,
    ToolCall,
)
from otel_bridge.sources.transcript.assemble.entries import (
    CompactionEntry,
    Entry,
    ErrorEntry,
    PromptEntry,
    QueuedEntry,
    RequestEntry,
    ResponseEntry,
    ResultEntry,
    ToolResult,
    ToolUse,
)
from otel_bridge.sources.transcript.assemble.tools import finish
from otel_bridge.sources.transcript.calls import RANK_MAIN, CallDraft, Pricer, fingerprint


class Response(Struct):
    """One response of a lane: where it stands and what its lines said."""

    draft: CallDraft
    index: int
    """Position of its first line in the lane."""
    started_ns: int
    context: RecordContext
    """Where its first line was written."""
    uses: list[ToolUse] = []
    stop_reason: str | None = None
    effort: str | None = None
    skill: str | None = None
    mcp_server: str | None = None
    retries: list[ApiError] = []
    follows_compaction: bool = False
    texts: list[str] = []
    request_text: str = ""


class LaneCalls(Struct):
    """What one lane did."""

    responses: list[Response] = []
    results: dict[str, tuple[int, ToolResult]] = {}
    """Position in the lane and result, by tool_use id; other lanes' and sessions' calls may be among them."""
    final_errors: list[tuple[int, ApiError]] = []
    adopted: dict[str, Response] = {}
    """Copied response by tool_use id, where only this session has the tool's result."""


LateTools = Mapping[str, Container[int]]
"""Fingerprints of the tool calls to adopt, by the key of the copied response that asked for them."""


def lane_calls(
    entries: Sequence[Entry],
    drafts: Mapping[str, CallDraft],
    contexts: Mapping[int, RecordContext],
    late: LateTools,
) -> LaneCalls:
    """Collect the responses whose drafts are given; others are another lane's or session's and are passed over."""
    walk = _Walk(drafts, contexts, late)
    for index, entry in enumerate(entries):
        walk.take(index, entry)
    return LaneCalls(list(walk.responses.values()), walk.results, walk.final_errors, walk.adopted)


class _Walk:
    """Goes through a lane once and keeps what the next response needs to know."""

    def __init__(self, drafts: Mapping[str, CallDraft], contexts: Mapping[int, RecordContext], late: LateTools) -> None:
        self.responses: dict[str, Response] = {}
        self.adopted: dict[str, Response] = {}
        self._late = late
        self.results: dict[str, tuple[int, ToolResult]] = {}
        self.final_errors: list[tuple[int, ApiError]] = []
        self._drafts = drafts
        self._contexts = contexts
        self._requests: dict[str, int] = {}
        self._asked_ns = 0
        self._is_compacted = False
        self._prompt_text = ""
        self._retries: list[ApiError] = []
        self._newest_key = ""
        self._newest_results: list[ToolResult] = []
        """Results of the newest response's tools."""

    def take(self, index: int, entry: Entry) -> None:
        if type(entry) is Entry:
            return
        if type(entry) is ResponseEntry:
            self._take_response(index, entry)
        elif type(entry) is ResultEntry:
            self._take_results(index, entry)
        elif type(entry) is PromptEntry:
            self._take_prompt(entry)
        elif type(entry) is QueuedEntry:
            self._asked_ns = entry.at_ns
        elif type(entry) is RequestEntry:
            self._requests[entry.id] = entry.at_ns
        elif type(entry) is CompactionEntry:
            self._is_compacted = True
        elif type(entry) is ErrorEntry and entry.error is not None:
            self._take_error(index, entry.error)

    def _take_response(self, index: int, entry: ResponseEntry) -> None:
        if entry.key != self._newest_key:
            self._newest_key, self._newest_results = entry.key, []
        draft = self._drafts.get(entry.key)
        if draft is None:
            self._adopt(index, entry)
            return
        response = self.responses.get(entry.key)
        if response is None:
            sent_ns = self._requests.get(entry.request_ref or "", self._asked_ns)
            response = Response(draft, index, _start_ns(sent_ns, entry.at_ns), self._contexts[entry.context])
            response.follows_compaction = self._is_compacted
            response.retries, self._retries = self._retries, []
            response.request_text, self._prompt_text = self._prompt_text, ""
            self.responses[entry.key] = response
        _absorb(response, entry)

    def _adopt(self, index: int, entry: ResponseEntry) -> None:
        wanted = self._late.get(entry.key, ())
        for use in entry.tool_uses:
            if fingerprint(use.id) in wanted:
                copied = CallDraft(entry.key, RANK_MAIN, "", entry.at_ns)
                context = self._contexts[entry.context]
                self.adopted.setdefault(use.id, Response(copied, index, entry.at_ns, context, [use]))

    def _take_results(self, index: int, entry: ResultEntry) -> None:
        self._asked_ns = entry.at_ns
        for result in entry.results:
            _, kept = self.results.setdefault(result.tool_id, (index, result))
            self._newest_results.append(kept)

    def _take_prompt(self, entry: PromptEntry) -> None:
        self._asked_ns = entry.at_ns
        self._prompt_text = entry.text or self._prompt_text
        if entry.kind == "interrupt" and entry.interrupted_message_id:
            for result in self._newest_results:
                _mark_interrupted(result)

    def _take_error(self, index: int, error: ApiError) -> None:
        if error.is_final:
            self.final_errors.append((index, error))
            self._retries = []
        else:
            self._retries.append(error)


def _mark_interrupted(result: ToolResult) -> None:
    """Esc while a tool runs is written as a denial; only the line after it tells that it was none (2.1.270)."""
    if result.denial == "user-rejected":
        result.denial, result.error_type = None, "interrupted"


def _start_ns(asked_ns: int, first_line_ns: int) -> int:
    """Return when the input was there; after a long pause nobody knows when the request was sent."""
    if 0 < asked_ns <= first_line_ns <= asked_ns + IDLE_TURN_NS:
        return asked_ns
    return first_line_ns


def _absorb(response: Response, entry: ResponseEntry) -> None:
    response.stop_reason = entry.stop_reason or response.stop_reason
    response.effort = response.effort or entry.effort
    response.skill = response.skill or entry.skill
    response.mcp_server = response.mcp_server or entry.mcp_server
    add_uses(response, entry.tool_uses)
    if entry.text:
        response.texts = [*response.texts, entry.text]


def add_uses(response: Response, uses: Sequence[ToolUse]) -> None:
    """Add tool calls the response does not have yet."""
    if not uses:
        return
    known = {use.id for use in response.uses}
    response.uses = [*response.uses, *[use for use in uses if use.id not in known]]


def model_call(
    key: str, response: Response, tools: tuple[ToolCall, ...], price: Pricer, merged: CallDraft, *, keep_content: bool
) -> ModelCall:
    """Return the finished call under its key; ``merged`` has the counts over all copies of all files."""
    usage, terms, entries = merged.usage(), merged.terms(), merged.billed_entries()
    content = Content(response.request_text, "\n".join(response.texts)) if keep_content else None
    return ModelCall(
        key=key,
        message_id=merged.key,
        model=merged.model,
        started_ns=min(response.started_ns, merged.ended_ns),
        ended_ns=merged.ended_ns,
        usage=usage,
        terms=terms,
        iterations=entries,
        cost_usd=price(merged.model, usage, merged.ended_ns, terms, entries),
        requested_model=merged.requested_model,
        request_id=response.draft.request_id,
        stop_reason=response.stop_reason,
        output_is_lower_bound=not merged.is_stopped,
        effort=response.effort,
        skill=response.skill,
        mcp_server=response.mcp_server,
        follows_compaction=response.follows_compaction,
        retries=tuple(response.retries),
        tool_calls=tools,
        context=response.context,
        content=content,
    )


def tool_call(
    use: ToolUse, result: ToolResult | None, response: Response, agent: Agent | None, *, keep_content: bool
) -> ToolCall:
    """Return a tool call with its result, sub-agent and, where asked for, its content."""
    call = finish(use, result, response.context)
    content = Content(use.arguments, result.text if result else "") if keep_content else None
    if agent is None and content is None:
        return call
    return structs.replace(call, agent=agent if call.is_finished else None, content=content)
