"""What holds for every session there can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from otel_bridge.convert import ConvertOptions, session_events, session_spans, turn_spans
from otel_bridge.model import ModelCall, Session
from otel_bridge.telemetry import LogRecord, Span
from tests.convert.strategies import sessions
from tests.otlp import otlp_lines

OPTIONS = ConvertOptions()


def spans_of(session: Session) -> Iterator[Span]:
    return (span for batch in session_spans(session, OPTIONS) for span in batch.items if isinstance(span, Span))


def chats(session: Session) -> dict[object, Span]:
    return {span.attributes["gen_ai.response.id"]: span for span in spans_of(session) if span.name.startswith("chat ")}


@given(session=sessions)
def test_every_call_is_one_chat_span_with_its_tokens_and_money(session: Session) -> None:
    """Nothing is lost, doubled or rounded on the way: tokens per call and in sum, and dollars to the last digit."""
    calls: dict[object, ModelCall] = {call.message_id: call for call in session.calls()}
    spans = chats(session)
    assert spans.keys() == calls.keys()
    for key, span in spans.items():
        usage, facts = calls[key].usage, span.attributes
        assert facts["gen_ai.usage.input_tokens"] == usage.prompt_tokens
        assert facts["gen_ai.usage.output_tokens"] == usage.output_tokens
        assert facts["gen_ai.usage.cache_read.input_tokens"] == usage.cache_read_tokens
        assert facts.get("coding_agent.usage.cache_write_5m.input_tokens", 0) == usage.cache_write_5m_tokens
        assert facts.get("coding_agent.usage.cache_write_1h.input_tokens", 0) == usage.cache_write_1h_tokens
    told = [span.attributes.get("coding_agent.cost.amount") for span in spans.values()]
    costs = [call.cost_usd for call in calls.values() if call.cost_usd is not None]
    assert sum(Decimal(repr(amount)) for amount in told if amount is not None) == sum(costs)


@given(session=sessions)
def test_every_finished_tool_call_is_one_span(session: Session) -> None:
    """Tool calls with a result are counted once, those without not at all."""
    ids = Counter(span.attributes.get("gen_ai.tool.call.id") for span in spans_of(session))
    del ids[None]
    assert ids == Counter(tool.id for tool in session.tool_calls() if tool.is_finished)


@given(session=sessions)
def test_ids_are_unique_and_parents_exist(session: Session) -> None:
    """Span ids are unique within a session, and every parent is in the same trace of the same export."""
    spans = list(spans_of(session))
    known = {(span.trace_id, span.span_id) for span in spans}
    assert len({span.span_id for span in spans}) == len(spans)
    assert all((span.trace_id, span.parent_id) in known for span in spans if span.parent_id)
    assert sum(not span.parent_id for span in spans) == len(session.turns)


@given(session=sessions, drawn=st.data())
def test_other_turns_do_not_matter(session: Session, drawn: st.DataObject) -> None:
    """A turn's spans are the same whatever else is in the session: with fewer turns, more facts, another order."""
    assume(session.turns)
    turn = drawn.draw(st.sampled_from(session.turns))
    alone = replace(session, turns=(turn,), title="other", ended_ns=session.ended_ns + 1)
    assert turn_spans(alone, turn, OPTIONS) == turn_spans(session, turn, OPTIONS)


@given(session=sessions)
def test_ids_depend_on_keys_alone(session: Session) -> None:
    """Times, tokens and outcomes may be corrected without a span changing its identity."""
    turns = tuple(
        replace(turn, ended_ns=turn.ended_ns + 7, error_type="x", calls=_retold(turn.calls)) for turn in session.turns
    )
    retold = spans_of(replace(session, turns=turns))
    assert [(span.trace_id, span.span_id, span.parent_id) for span in retold] == [
        (span.trace_id, span.span_id, span.parent_id) for span in spans_of(session)
    ]


@given(session=sessions)
def test_the_same_session_gives_the_same_bytes(session: Session) -> None:
    """What is read again is sent again byte by byte: duplicates can be recognised anywhere."""
    first, second = (
        list(otlp_lines([*session_spans(session, OPTIONS), *session_events(session, OPTIONS)])) for _ in range(2)
    )
    assert first == second


@given(session=sessions)
def test_event_ids_are_unique(session: Session) -> None:
    """No two events of a session share an id."""
    records = [
        item for batch in session_events(session, OPTIONS) for item in batch.items if isinstance(item, LogRecord)
    ]
    assert len({record.attributes["log.record.uid"] for record in records}) == len(records)


def _retold(calls: tuple[ModelCall, ...]) -> tuple[ModelCall, ...]:
    return tuple(
        replace(
            call,
            cost_usd=None,
            started_ns=call.started_ns - 7,
            tool_calls=tuple(replace(tool, error_type="x", executable="other") for tool in call.tool_calls),
        )
        for call in calls
    )
