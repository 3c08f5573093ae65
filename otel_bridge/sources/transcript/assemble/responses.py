"""The model calls of one lane, with the tool calls they asked for (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct, structs

from otel_bridge.model import (
    IDLE_TURN_NS,
    Agent,
    ApiError,
    Content,
    Iteration,
    ModelCall,
    Terms,
    ToolCall,
    Usage,
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
from otel_bridge.sources.transcript.calls import CallDraft

Pricer = Callable[[str, Usage, int, Terms, tuple[Iteration, ...]], Decimal | None]
"""Model, tokens, time, terms, billed entries → USD, ``None`` for unpriced."""


class Response(Struct):
    """One response of a lane: where it stands and what its lines said."""

    draft: CallDraft
    index: int
    """Position of its first line in the lane."""
    started_ns: int
    first: ResponseEntry
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
    """Position in the lane and result, by tool_use id."""
    final_errors: list[tuple[int, ApiError]] = []
    orphan_results: int = 0


def lane_calls(entries: Sequence[Entry], drafts: Mapping[str, CallDraft]) -> LaneCalls:
    """Collect the responses whose drafts are given; others are another lane's or session's and are passed over."""
    lane = LaneCalls()
    responses: dict[str, Response] = {}
    requests: dict[str, int] = {}
    foreign_tools: set[str] = set()
    asked_ns, is_compacted, prompt_text = 0, False, ""
    retries: list[ApiError] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, ResponseEntry):
            draft = drafts.get(entry.key)
            if draft is None:
                foreign_tools.update(use.id for use in entry.tool_uses)
                continue
            response = responses.get(entry.key)
            if response is None:
                sent_ns = requests.get(entry.request_ref or "", asked_ns)
                response = Response(draft, index, _start_ns(sent_ns, entry.at_ns), entry)
                response.follows_compaction, response.retries, retries = is_compacted, retries, []
                response.request_text, prompt_text = prompt_text, ""
                responses[entry.key] = response
            _absorb(response, entry)
        elif isinstance(entry, ResultEntry):
            asked_ns = entry.at_ns
            for result in entry.results:
                if result.tool_id not in foreign_tools:
                    lane.results.setdefault(result.tool_id, (index, result))
        elif isinstance(entry, PromptEntry | QueuedEntry):
            asked_ns = entry.at_ns
            if isinstance(entry, PromptEntry) and entry.text:
                prompt_text = entry.text
        elif isinstance(entry, RequestEntry):
            requests[entry.id] = entry.at_ns
        elif isinstance(entry, CompactionEntry):
            is_compacted = True
        elif isinstance(entry, ErrorEntry) and entry.error is not None:
            if entry.error.is_final:
                lane.final_errors.append((index, entry.error))
                retries = []
            else:
                retries.append(entry.error)
    lane.responses = list(responses.values())
    return lane


def _start_ns(asked_ns: int, first_line_ns: int) -> int:
    """A response starts when its input was there; after a long pause nobody knows when it was sent."""
    if 0 < asked_ns <= first_line_ns <= asked_ns + IDLE_TURN_NS:
        return asked_ns
    return first_line_ns


def _absorb(response: Response, entry: ResponseEntry) -> None:
    known = {use.id for use in response.uses}
    response.uses = [*response.uses, *(use for use in entry.tool_uses if use.id not in known)]
    response.stop_reason = entry.stop_reason or response.stop_reason
    response.effort = response.effort or entry.effort
    response.skill = response.skill or entry.skill
    response.mcp_server = response.mcp_server or entry.mcp_server
    if entry.text:
        response.texts = [*response.texts, entry.text]


def model_call(
    response: Response, tools: tuple[ToolCall, ...], price: Pricer, merged: CallDraft, *, keep_content: bool
) -> ModelCall:
    """Return the finished call; ``merged`` has the counts over all copies of all files."""
    usage, terms, entries = merged.usage(), merged.terms(), merged.billed_entries()
    content = Content(response.request_text, "\n".join(response.texts)) if keep_content else None
    return ModelCall(
        key=merged.request_id or merged.key,
        message_id=merged.key,
        model=merged.model,
        started_ns=min(response.started_ns, merged.ended_ns),
        ended_ns=merged.ended_ns,
        usage=usage,
        terms=terms,
        iterations=entries,
        cost_usd=price(merged.model, usage, merged.ended_ns, terms, entries),
        requested_model=merged.requested_model,
        request_id=merged.request_id,
        stop_reason=response.stop_reason,
        output_is_lower_bound=not merged.is_stopped,
        effort=response.effort,
        skill=response.skill,
        mcp_server=response.mcp_server,
        follows_compaction=response.follows_compaction,
        retries=tuple(response.retries),
        tool_calls=tools,
        context=response.first.context,
        content=content,
    )


def tool_call(
    use: ToolUse, result: ToolResult | None, response: Response, agent: Agent | None, *, keep_content: bool
) -> ToolCall:
    """Return a tool call with its result, sub-agent and, where asked for, its content."""
    call = finish(use, result, response.first.context)
    content = Content(use.arguments, result.text if result else "") if keep_content else None
    if agent is None and content is None:
        return call
    return structs.replace(call, agent=agent if call.is_finished else None, content=content)
