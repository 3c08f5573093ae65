"""An agent at work as an ``invoke_agent`` span: the root of a turn, or a sub-agent's run (pure).

No provider, model, cost or cache usage here: consumers would count an agent as one more model call.
"""

from __future__ import annotations

from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes, add_context, add_facts
from otel_bridge.convert.chat import finish_reasons
from otel_bridge.convert.content import messages_json, plain_text
from otel_bridge.convert.links import turn_links
from otel_bridge.convert.options import ContentPolicy, ConvertOptions
from otel_bridge.convert.runs import Run
from otel_bridge.model import Agent, Session, Turn
from otel_bridge.telemetry import Span, SpanKind


def turn_span(session: Session, turn: Turn, run: Run, options: ConvertOptions) -> Span:
    """Return the root of a turn's trace, linked to what came before."""
    attributes = _agent_attributes(run, options)
    attributes[semconv.TURN_END_REASON] = turn.end_reason
    if turn.previous_session_id:
        attributes[semconv.PREVIOUS_SESSION_ID] = turn.previous_session_id
    _add_prompt(attributes, turn)
    if options.content.messages:
        _add_messages(attributes, turn, options.content)
    span = _agent_span(run, attributes)
    span.links = turn_links(session, turn)
    return span


def subagent_span(agent: Agent, run: Run, options: ConvertOptions) -> Span:
    """Return the run of a sub-agent, below the tool call that started it where that is known."""
    attributes = _agent_attributes(run, options)
    attributes[semconv.AGENT_LINK] = agent.link
    add_facts(
        attributes, {semconv.PARENT_AGENT_ID: agent.parent_agent_id, semconv.AGENT_BACKGROUND: agent.is_background}
    )
    if options.content.messages and agent.description:
        attributes[semconv.AGENT_DESCRIPTION] = plain_text(agent.description, options.content)
    return _agent_span(run, attributes)


def _agent_span(run: Run, attributes: Attributes) -> Span:
    return Span(
        run.trace_id,
        run.span_id,
        run.parent_id,
        f"{semconv.OP_INVOKE_AGENT} {run.name}",
        SpanKind.INTERNAL,
        run.started_ns,
        max(run.started_ns, run.ended_ns),
        attributes,
    )


def _agent_attributes(run: Run, options: ConvertOptions) -> Attributes:
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_INVOKE_AGENT,
        semconv.AGENT_NAME: run.name,
        **run.common,
    }
    add_context(attributes, run.context, options)
    add_facts(
        attributes,
        {
            semconv.ERROR_TYPE: run.error_type,
            semconv.COMPACTION_COUNT: len(run.compactions),
            semconv.FINISH_REASONS: finish_reasons(run.calls[-1]) if run.calls else (),
        },
    )
    if options.agent_usage:
        attributes[semconv.INPUT_TOKENS] = sum(call.usage.prompt_tokens for call in run.calls)
        attributes[semconv.OUTPUT_TOKENS] = sum(call.usage.output_tokens for call in run.calls)
    return attributes


def _add_prompt(attributes: Attributes, turn: Turn) -> None:
    prompt = turn.prompt
    attributes[semconv.PROMPT_KIND] = prompt.kind
    attributes[semconv.PROMPT_LENGTH] = prompt.length
    add_facts(attributes, {semconv.PROMPT_COMMAND: prompt.command, semconv.PROMPT_SOURCE: prompt.source})


def _add_messages(attributes: Attributes, turn: Turn, policy: ContentPolicy) -> None:
    prompt = turn.prompt.content.request if turn.prompt.content else ""
    answers = [call.content.response for call in turn.calls if call.content and call.content.response]
    add_facts(
        attributes,
        {
            semconv.INPUT_MESSAGES: messages_json("user", prompt, policy),
            semconv.OUTPUT_MESSAGES: messages_json("assistant", answers[-1] if answers else "", policy),
        },
    )
