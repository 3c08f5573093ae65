"""One event → one value of the model: model calls, errors, hooks, compactions (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from otel_bridge.model import (
    STANDARD_TERMS,
    ApiError,
    Compaction,
    HookRun,
    ModelCall,
    RecordContext,
    Terms,
    ToolCall,
    Usage,
)
from otel_bridge.reported import CallSources, ReportedCall
from otel_bridge.sources.native.assemble.lanes import source_kind
from otel_bridge.sources.native.assemble.once import KeyedRequest
from otel_bridge.sources.native.records import AnyEvent, ApiFailure, ApiRequest, CompactionDone, HookDone, NativeSpan
from otel_bridge.sources.native.spans import SpanIndex, text, whole
from otel_bridge.sources.transcript.calls import Pricer

OTHER = "_OTHER"
"""Error type where none is known, as OpenTelemetry has it."""
REFUSAL = "refusal"


def usage_of(request: ApiRequest) -> Usage:
    """Return the tokens; cache writes whose lifetime is not told are 5-minute ones, as in transcripts."""
    long = min(request.cache_write_1h_tokens or 0, request.cache_write_tokens)
    return Usage(
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        cache_read_tokens=request.cache_read_tokens,
        cache_write_5m_tokens=request.cache_write_tokens - long,
        cache_write_1h_tokens=long,
    )


def terms_of(request: ApiRequest) -> Terms:
    """Return the speed, the one term that events name: ``normal`` is the standard one."""
    return Terms(speed="fast") if request.speed == "fast" else STANDARD_TERMS


def model_call(
    keyed: KeyedRequest,
    tools: tuple[ToolCall, ...],
    spans: SpanIndex,
    price: Pricer | None,
    *,
    is_refused: bool = False,
    follows_compaction: bool = False,
) -> ModelCall:
    """Return the call an event reports, with the client's own tokens and cost; one it does not price, we do."""
    request = keyed.request
    usage, terms, cost = usage_of(request), terms_of(request), request.cost_usd
    if cost is None and price is not None:
        cost = price(request.model, usage, request.time_ns, terms, ())
    span = spans.by_request.get(keyed.key)
    reason = text(span, "stop_reason") if span is not None else None
    asked_for = text(span, "model") if span is not None else None
    return ModelCall(
        key=keyed.key,
        message_id="",
        model=request.model,
        started_ns=keyed.started_ns,
        ended_ns=request.time_ns,
        usage=usage,
        terms=terms,
        cost_usd=cost,
        requested_model=asked_for if asked_for != request.model else None,
        request_id=request.request_id,
        stop_reason=REFUSAL if is_refused else reason,
        effort=request.effort,
        skill=request.skill,
        mcp_server=request.mcp_server,
        follows_compaction=follows_compaction,
        tool_calls=tools,
        context=RecordContext(version=request.version),
        reported=_reported(request, span, spans.word),
    )


def _reported(request: ApiRequest, span: NativeSpan | None, word: str) -> ReportedCall:
    return ReportedCall(
        query_source=source_kind(request.query_source),
        is_unrecorded=True,
        cost_is_own=request.cost_usd is not None,
        ttft_ms=request.ttft_ms,
        trace_id=span.trace_id.hex() if span is not None else "",
        span_id=span.span_id.hex() if span is not None else "",
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links) if span is not None else (),
        attempts=max(1, (whole(span, "attempt") or 1) if span is not None else 1),
        sources=CallSources(word, word, word, word, word),
    )


def api_errors(events: Iterable[AnyEvent]) -> tuple[ApiError, ...]:
    """Return the requests that failed for good: each is reported once, after the last attempt."""
    return tuple(
        ApiError(event.time_ns, event.error_type or OTHER, event.status, event.attempt or 0, is_final=True)
        for event in events
        if isinstance(event, ApiFailure)
    )


def hook_run(hook: HookDone) -> HookRun:
    """Return the hooks of one occasion as one run, its outcome the worst of theirs."""
    outcomes = (("blocking_error", hook.blocking), ("error", hook.failed), ("cancelled", hook.cancelled))
    outcome = next((word for word, count in outcomes if count), "success")
    return HookRun(hook.time_ns, hook.hook_event, hook.hook_name or hook.hook_event, outcome, hook.duration_ms)


def compactions(events: Iterable[AnyEvent]) -> tuple[Compaction, ...]:
    """Return the compactions that took place."""
    return tuple(
        Compaction(event.time_ns, event.trigger or "auto", event.pre_tokens, event.post_tokens, event.duration_ms)
        for event in events
        if isinstance(event, CompactionDone) and event.succeeded
    )
