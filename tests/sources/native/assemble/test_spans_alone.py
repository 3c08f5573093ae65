"""Who exports traces alone gets the same sessions, priced by us; the client's ids are kept everywhere."""

from __future__ import annotations

import pytest
from msgspec import structs

from otel_bridge.convert import ConvertOptions, session_spans
from otel_bridge.model import HookRun, ModelCall, Session
from otel_bridge.prices import price_call
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.records import NativeRecord, NativeSpan, SpanLink
from otel_bridge.telemetry import Span
from tests.builders import at_ns
from tests.captures import FAR_FUTURE_NS, RUNS
from tests.native import native_records
from tests.sources.native.events import assembled, prompt, request, result, span

WITH_SPANS = [run for run in RUNS if run.startswith(("2.1.50/", "2.1.181/", "2.1.329/"))]
WITH_REQUEST_IDS = [run for run in WITH_SPANS if not run.startswith("2.1.50/")]


def only_spans(records: list[NativeRecord]) -> list[NativeSpan]:
    return [record for record in records if isinstance(record, NativeSpan)]


def tokens(call: ModelCall) -> tuple[int, int]:
    return call.usage.prompt_tokens, call.usage.output_tokens


def whole_and_alone(run: str) -> list[tuple[Session, Session]]:
    found = native_records(run).items()
    return [
        (
            native_session(session_id, own, FAR_FUTURE_NS, price_call),
            native_session(session_id, only_spans(own), FAR_FUTURE_NS, price_call),
        )
        for session_id, own in found
    ]


def sent_spans(session: Session) -> dict[bytes, Span]:
    batches = session_spans(session, ConvertOptions())
    return {span.span_id: span for batch in batches for span in batch.items if isinstance(span, Span)}


@pytest.mark.parametrize("run", WITH_SPANS)
def test_spans_alone_have_the_same_tokens(run: str) -> None:
    """Calls, tokens, tools and turns are those that events tell; what spans do not know is left open."""
    for whole, alone in whole_and_alone(run):
        assert sorted(map(tokens, alone.calls())) == sorted(map(tokens, whole.calls()))
        assert len(alone.turns) == len(whole.turns)
        assert all(call.cost_usd is not None and call.reported for call in alone.calls())
        assert not any(call.reported.cost_is_own for call in alone.calls() if call.reported)


@pytest.mark.parametrize("run", WITH_REQUEST_IDS)
def test_spans_tell_the_model_asked_for(run: str) -> None:
    """Spans name the model that was asked for, events the one that answered: together both are known."""
    for whole, alone in whole_and_alone(run):
        asked = {call.key: call.requested_model or call.model for call in whole.calls()}
        assert {call.key: call.model for call in alone.calls()} == asked


@pytest.mark.parametrize("run", WITH_REQUEST_IDS)
def test_spans_alone_have_the_same_tree(run: str) -> None:
    """Every span of the client that has events too is sent with the same id below the same parent without them."""
    for whole, alone in whole_and_alone(run):
        with_events, without = sent_spans(whole), sent_spans(alone)
        assert {span_id: span.parent_id for span_id, span in without.items()} == {
            span_id: span.parent_id for span_id, span in with_events.items()
        }
        assert {span.name for span in without.values()} <= {span.name for span in with_events.values()} | {
            span.name.rsplit(" ", 1)[0] for span in with_events.values()
        }


@pytest.mark.parametrize("run", WITH_REQUEST_IDS)
def test_every_client_parent_is_sent(run: str) -> None:
    """What a program got as ``TRACEPARENT``, or the API as its parent, is a span that is sent, with the same trace."""
    for session_id, records in native_records(run).items():
        sent = sent_spans(native_session(session_id, records, FAR_FUTURE_NS))
        for record in only_spans(records):
            if record.span_type in ("interaction", "llm_request", "tool.execution"):
                assert sent[record.span_id].trace_id == record.trace_id


@pytest.mark.parametrize("run", WITH_REQUEST_IDS)
def test_costs_are_on_the_clients_spans(run: str) -> None:
    """The span of each request has the cost that its event reports."""
    for session_id, records in native_records(run).items():
        session = native_session(session_id, records, FAR_FUTURE_NS)
        sent = sent_spans(session)
        costs = {call.request_id: call.cost_usd for call in session.calls()}
        for record in only_spans(records):
            if record.span_type == "llm_request":
                amount = sent[record.span_id].attributes["coding_agent.cost.amount"]
                assert amount == float(costs[str(record.attributes["request_id"])] or 0)


def test_failed_request_of_spans_is_an_error() -> None:
    """A request whose span failed is no call."""
    failed = span("llm_request", 2, "llm", "root", is_error=True, error_class="RateLimitError", status_code=429)
    (turn,) = assembled(span("interaction", 0, "root", for_s=9, user_prompt_length=5), failed).turns
    assert turn.calls == ()
    assert (turn.errors[0].error_type, turn.errors[0].status) == ("RateLimitError", 429)
    assert (turn.prompt.length, turn.end_reason) == (5, "end_turn")


def test_hooks_of_spans_are_there() -> None:
    """Hooks, which only detailed tracing has spans of, are told as their events tell them."""
    hook = span("hook", 2, "hook", "root", for_s=0.5, hook_event="PreToolUse", num_non_blocking_error=1)
    (turn,) = assembled(span("interaction", 0, "root", for_s=9), hook).turns
    assert turn.hooks == (HookRun(at_ns(2.5), "PreToolUse", "PreToolUse", "error", 500),)


def test_links_and_attempts_are_kept() -> None:
    """Where the API answered with a span of its own the call points to it; failed attempts are counted."""
    linked = span("llm_request", 1, "llm", "root", request_id="r1", attempt=3)
    records = [prompt(), request(2, "r1"), linked_to(linked, b"a" * 16, b"b" * 8)]
    (sent,) = [span for span in sent_spans(assembled(*records)).values() if span.name.startswith("chat")]
    assert [(link.trace_id, link.span_id) for link in sent.links] == [(b"a" * 16, b"b" * 8)]
    assert sent.attributes["coding_agent.retry.count"] == 2


def test_refused_tool_has_its_own_span() -> None:
    """A tool call that never ran has the span of the call itself."""
    spans = [span("tool", 2, "tool", tool_use_id="t1"), span("tool.execution", 3, "run", "tool", tool_use_id="t2")]
    session = assembled(prompt(), request(2, "r1"), result(4, "t1"), result(5, "t2"), *spans)
    told = [tool.reported.span_id for tool in session.tool_calls() if tool.reported]
    assert told == [b"tool....".hex(), b"run.....".hex()]


def linked_to(record: NativeSpan, trace_id: bytes, span_id: bytes) -> NativeSpan:
    return structs.replace(record, links=(SpanLink(trace_id, span_id),))
