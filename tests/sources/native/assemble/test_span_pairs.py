"""Spans without ids find their calls: nearest in time, by what both say, one to one."""

from __future__ import annotations

import random

import pytest
from msgspec import structs

from otel_bridge.model import Session
from otel_bridge.sources.native.assemble.once import keyed_requests
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.assemble.span_pairs import request_spans, tool_spans
from otel_bridge.sources.native.records import ApiRequest, NativeRecord, NativeSpan
from tests.captures import FAR_FUTURE_NS, RUNS
from tests.native import native_records
from tests.sources.native.events import assembled, prompt, request, result, span

WITHOUT_IDS = [run for run in RUNS if run.startswith("2.1.50/")]
TOKENS = {"input_tokens": 3, "output_tokens": 10, "cache_read_tokens": 7, "cache_creation_tokens": 1}
SAME = {"input_tokens": 3, "output_tokens": 10, "cache_read_tokens": 7, "cache_write_tokens": 1}


def ids_of(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    """Return the client's span of each call and of each tool call, by their keys."""
    calls = {call.key: call.reported.span_id for call in session.calls() if call.reported}
    return calls, {tool.id: tool.reported.span_id for tool in session.tool_calls() if tool.reported}


@pytest.mark.parametrize("run", WITHOUT_IDS)
def test_every_call_and_tool_call_has_its_span(run: str) -> None:
    """In every recording of a client without ids: each span of a request and of a run is one call's, none is left."""
    for session_id, records in native_records(run).items():
        calls, tools = ids_of(native_session(session_id, records, FAR_FUTURE_NS))
        spans = [record for record in records if isinstance(record, NativeSpan)]
        assert sorted(calls.values()) == sorted(s.span_id.hex() for s in spans if s.span_type == "llm_request")
        assert sorted(tools.values()) == sorted(s.span_id.hex() for s in spans if s.span_type == "tool.execution")


@pytest.mark.parametrize("run", WITHOUT_IDS)
def test_a_call_and_its_span_were_over_together(run: str) -> None:
    """The span of a call says the tokens that its event says, and ended within 5 ms of it."""
    for session_id, records in native_records(run).items():
        spans = {record.span_id.hex(): record for record in records if isinstance(record, NativeSpan)}
        for call in native_session(session_id, records, FAR_FUTURE_NS).calls():
            assert call.reported
            told = spans[call.reported.span_id]
            assert told.attributes["output_tokens"] == call.usage.output_tokens
            assert abs(told.end_ns - call.ended_ns) < 5_000_000


@pytest.mark.parametrize("run", WITHOUT_IDS)
def test_the_order_of_arrival_does_not_matter(run: str) -> None:
    """Events and spans may come in any order."""
    for session_id, records in native_records(run).items():
        shuffled: list[NativeRecord] = [*records]
        random.Random(1).shuffle(shuffled)
        assert ids_of(native_session(session_id, shuffled, FAR_FUTURE_NS)) == ids_of(
            native_session(session_id, records, FAR_FUTURE_NS)
        )


def test_tokens_decide_before_nearness() -> None:
    """Of two calls that end together each gets the span with its own tokens, whatever model that was asked for."""
    near, own = (
        span("llm_request", 1, "near", for_s=1.0, **TOKENS | {"output_tokens": 11}),
        span("llm_request", 1, "own", for_s=1.01, model="claude-opus-4-6", **TOKENS),
    )
    keyed = keyed_requests([request(2, model="claude-haiku-4-5", **SAME)])
    assert request_spans(keyed, [near, own]) == {keyed[0].key: own}


def test_a_span_belongs_to_one_call() -> None:
    """Two equal calls and one span: the nearer one has it."""
    one = span("llm_request", 1, "one", **TOKENS)
    keyed = keyed_requests([request(2.004, **SAME), request(2.001, **SAME)])
    assert request_spans(keyed, [one]) == {key.key: one for key in keyed if key.request == request(2.001, **SAME)}


def test_what_failed_or_was_long_ago_is_another() -> None:
    """A failed request has no call; a second is more than any client stops for between the two."""
    keyed = keyed_requests([request(3, **SAME)])
    failed = span("llm_request", 2, "failed", is_error=True, **TOKENS)
    early = span("llm_request", 0.9, "early", **TOKENS)
    assert request_spans(keyed, [failed, early]) == {}


def test_a_busy_client_comes_to_its_event_late() -> None:
    """What is left over is looked for further away, after all that are near have theirs."""
    late, near = request(2.4, **SAME), request(3.001, **SAME)
    first, second = span("llm_request", 1, "first", **TOKENS), span("llm_request", 2, "second", **TOKENS)
    keyed = keyed_requests([late, near])
    assert request_spans(keyed, [first, second]) == {one.key: first if one.request == late else second for one in keyed}


def test_ids_decide_alone_where_there_are_any() -> None:
    """A request that names itself never takes a span by time, and its span is nobody else's."""
    own = span("llm_request", 1, "own", request_id="r1", **TOKENS)
    keyed = keyed_requests([request(2, "r1", **SAME), request(2, "r2", **SAME), request(2, **SAME)])
    assert request_spans(keyed, [own]) == {}
    session = assembled(prompt(), *(one.request for one in keyed), own)
    assert ids_of(session)[0] == {one.key: own.span_id.hex() if one.key == "r1" else "" for one in keyed}


def test_tools_of_one_name_have_their_own_runs() -> None:
    """Two reads at a time are told apart by when they ended; a run is found below the call that has no id either."""
    spans = [
        span("tool", 1, "t1", tool_name="Read"),
        span("tool", 1, "t2", tool_name="Read", for_s=1.005),
        span("tool.execution", 1, "run2", "t2"),
    ]
    first, second = result(2, name="Read"), result(2.005, name="Read")
    assert [s.span_id for s in tool_spans([first, second], spans).values()] == [spans[0].span_id, spans[1].span_id]
    _, tools = ids_of(assembled(prompt(), request(1), first, second, *spans))
    assert set(tools.values()) == {spans[0].span_id.hex(), spans[2].span_id.hex()}


def test_another_number_of_tokens_is_another_call() -> None:
    """An event whose span did not come takes nobody else's."""
    other: ApiRequest = structs.replace(request(2, **SAME), cache_read_tokens=8)
    assert request_spans(keyed_requests([other]), [span("llm_request", 1, "one", **TOKENS)]) == {}
