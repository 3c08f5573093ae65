"""A model call as a ``chat`` span: tokens, cost and terms (pure)."""

from __future__ import annotations

from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes, add_context, add_facts, seconds
from otel_bridge.convert.content import messages_json
from otel_bridge.convert.options import ConvertOptions
from otel_bridge.convert.runs import Run
from otel_bridge.convert.sent import call_links, call_span_id
from otel_bridge.model import STANDARD_TERMS, ModelCall, Terms, Usage
from otel_bridge.reported import ReportedCall
from otel_bridge.telemetry import Span, SpanKind

PROVIDER = "anthropic"
"""Whoever serves the model (Bedrock and Vertex too), the client speaks Anthropic's API and counts by its rules."""

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_call",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""Anthropic's stop reason → the word of the conventions' message schema; an unknown one passes as it is."""


EVENT_PREFIX = "event_"
"""Before the id of a response that has none but the hash of the event which tells of it (before 2.1.181)."""


def chat_span(call: ModelCall, run: Run, options: ConvertOptions) -> Span:
    """Return one response as a span: from its request, retries included, to the last line of the answer."""
    model = call.requested_model or call.model
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_CHAT,
        semconv.PROVIDER_NAME: PROVIDER,
        semconv.REQUEST_MODEL: model,
        semconv.RESPONSE_MODEL: call.model,
        **run.common,
        semconv.CALLING_AGENT: run.name,
    }
    add_context(attributes, call.context, options)
    _add_usage(attributes, call.usage)
    _add_cost(attributes, call)
    _add_response(attributes, call)
    _add_cause(attributes, call)
    if call.terms != STANDARD_TERMS:
        _add_terms(attributes, call.terms)
    if call.reported:
        _add_reported(attributes, call.reported)
    if call.retries:
        attributes[semconv.RETRY_COUNT] = len(call.retries)
        attributes[semconv.RETRY_ERROR_TYPES] = tuple(dict.fromkeys(retry.error_type for retry in call.retries))
    if options.content.messages and call.content is not None:
        _add_content(attributes, call, options)
    return Span(
        run.trace_id,
        call_span_id(call, run.trace_id),
        run.span_id,
        f"{semconv.OP_CHAT} {model}",
        SpanKind.CLIENT,
        call.started_ns,
        max(call.started_ns, call.ended_ns),
        attributes,
        call_links(call),
    )


def finish_reasons(call: ModelCall) -> tuple[str, ...]:
    """Return the response's one finish reason; none where the transcript never saw the end."""
    reason = call.stop_reason
    return (FINISH_REASONS.get(reason, reason),) if reason else ()


def _add_usage(attributes: Attributes, usage: Usage) -> None:
    attributes[semconv.INPUT_TOKENS] = usage.prompt_tokens
    attributes[semconv.OUTPUT_TOKENS] = usage.output_tokens
    attributes[semconv.CACHE_READ_TOKENS] = usage.cache_read_tokens
    attributes[semconv.CACHE_WRITE_TOKENS] = usage.cache_write_tokens
    if usage.cache_write_5m_tokens:
        attributes[semconv.CACHE_WRITE_5M_TOKENS] = usage.cache_write_5m_tokens
    if usage.cache_write_1h_tokens:
        attributes[semconv.CACHE_WRITE_1H_TOKENS] = usage.cache_write_1h_tokens
    if usage.reasoning_tokens:
        attributes[semconv.REASONING_TOKENS] = usage.reasoning_tokens
    if usage.web_searches:
        attributes[semconv.USAGE_WEB_SEARCHES] = usage.web_searches


def _add_cost(attributes: Attributes, call: ModelCall) -> None:
    if call.cost_usd is None:
        attributes[semconv.COST_UNPRICED] = True
        return
    attributes[semconv.COST_AMOUNT] = float(call.cost_usd)
    attributes[semconv.COST_CURRENCY] = "USD"
    attributes[semconv.COST_SOURCE] = "reported" if call.reported and call.reported.cost_is_own else "computed"


def _response_id(call: ModelCall) -> str:
    """Return what names the response; where only an event knows of it and names no request, the event itself."""
    is_of_event = call.reported and call.reported.is_unrecorded
    return call.message_id or call.request_id or (f"{EVENT_PREFIX}{call.key}" if is_of_event else "")


def _add_response(attributes: Attributes, call: ModelCall) -> None:
    if response_id := _response_id(call):
        attributes[semconv.RESPONSE_ID] = response_id
    if call.stop_reason:
        attributes[semconv.FINISH_REASONS] = finish_reasons(call)
    if call.request_id:
        attributes[semconv.REQUEST_ID] = call.request_id
    if call.effort:
        attributes[semconv.REASONING_LEVEL] = call.effort
    if call.follows_compaction:
        attributes[semconv.CONVERSATION_COMPACTED] = True
    if call.output_is_lower_bound:
        attributes[semconv.OUTPUT_IS_LOWER_BOUND] = True
    if call.iterations:
        attributes[semconv.USAGE_ITERATIONS] = len(call.iterations)


def _add_reported(attributes: Attributes, reported: ReportedCall) -> None:
    if reported.query_source:
        attributes[semconv.QUERY_SOURCE] = reported.query_source
    if reported.ttft_ms is not None:
        attributes[semconv.TIME_TO_FIRST_CHUNK] = seconds(reported.ttft_ms * 1e6)
    if reported.attempts > 1:
        attributes[semconv.RETRY_COUNT] = reported.attempts - 1


def _add_cause(attributes: Attributes, call: ModelCall) -> None:
    if call.skill:
        attributes[semconv.ATTRIBUTION_SKILL] = call.skill
    if call.mcp_server:
        attributes[semconv.ATTRIBUTION_MCP_SERVER] = call.mcp_server


def _add_terms(attributes: Attributes, terms: Terms) -> None:
    for name, value, usual in (
        (semconv.REQUEST_SPEED, terms.speed, STANDARD_TERMS.speed),
        (semconv.REQUEST_SERVICE_TIER, terms.service_tier, STANDARD_TERMS.service_tier),
        (semconv.REQUEST_GEO, terms.inference_geo, STANDARD_TERMS.inference_geo),
    ):
        if value != usual:
            attributes[name] = value


def _add_content(attributes: Attributes, call: ModelCall, options: ConvertOptions) -> None:
    assert call.content is not None
    add_facts(
        attributes,
        {
            semconv.INPUT_MESSAGES: messages_json("user", call.content.request, options.content),
            semconv.OUTPUT_MESSAGES: messages_json("assistant", call.content.response, options.content),
        },
    )
