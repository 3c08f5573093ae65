"""Promises that hold for any records, however they contradict each other."""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from otel_bridge.convert import ConvertOptions, session_events, session_spans
from otel_bridge.model import Session
from otel_bridge.prices import price_call
from otel_bridge.sources.native.assemble.once import call_key
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.join import join_session
from otel_bridge.sources.native.records import ApiRequest, NativeRecord, NativeSpan, ToolResult, distinct
from otel_bridge.telemetry import Span
from tests.builders import T0_NS
from tests.convert.strategies import sessions
from tests.sources.native.strategies import SESSION, records

LATER_NS = T0_NS + 10**16


def calls_of(session: Session) -> Counter[str]:
    return Counter(call.key for call in session.calls())


def has_events(found: list[NativeRecord]) -> bool:
    return not all(isinstance(record, NativeSpan) for record in found)


def keys_in(found: list[NativeRecord]) -> set[str]:
    return {call_key(record) for record in distinct(found) if isinstance(record, ApiRequest)}


def keys_in_spans(found: list[NativeRecord]) -> set[object]:
    """Return what spans call the requests they are about: their events may still come."""
    return {record.attributes.get("request_id") for record in found if isinstance(record, NativeSpan)}


@settings(deadline=None)
@given(found=records)
def test_every_request_is_one_call(found: list[NativeRecord]) -> None:
    """No request is lost and none is counted twice, whatever agents and prompts its event or its span names."""
    assume(has_events(found))
    calls = calls_of(native_session(SESSION, found, LATER_NS))
    assert keys_in(found) <= calls.keys() <= keys_in(found) | keys_in_spans(found)
    assert max(calls.values(), default=1) == 1


@settings(deadline=None)
@given(found=records)
def test_every_tool_call_is_there_once(found: list[NativeRecord]) -> None:
    """Every result of a tool is in the session once, however many turns and agents claim it."""
    tools = Counter(tool.id for tool in native_session(SESSION, found, LATER_NS).tool_calls())
    named = {record.tool_id for record in found if isinstance(record, ToolResult) and record.tool_id}
    assert named <= tools.keys()
    assert max(tools.values(), default=0) <= 1


@settings(deadline=None)
@given(found=records, data=st.data())
def test_arrival_leaves_no_trace(found: list[NativeRecord], data: st.DataObject) -> None:
    """Shuffled and repeated records give the same session."""
    again = data.draw(st.permutations([*found, *found[:3]]))
    assert native_session(SESSION, again, LATER_NS) == native_session(SESSION, found, LATER_NS)


@settings(deadline=None)
@given(found=records)
def test_spans_have_ids_of_their_own(found: list[NativeRecord]) -> None:
    """No two spans of a session share an id."""
    session = native_session(SESSION, found, LATER_NS)
    assert max(spans_of(session).values(), default=1) == 1


@settings(deadline=None)
@given(recorded=sessions, found=records)
def test_joined_spans_have_ids_of_their_own(recorded: Session, found: list[NativeRecord]) -> None:
    """Nothing that both sides know is sent twice."""
    assert max(spans_of(join_session(recorded, found, price_call, LATER_NS)).values(), default=1) == 1


def spans_of(session: Session) -> Counter[tuple[bytes, bytes]]:
    options = ConvertOptions(include_open=True)
    list(session_events(session, options))
    spans = [span for batch in session_spans(session, options) for span in batch.items if isinstance(span, Span)]
    return Counter((span.trace_id, span.span_id) for span in spans)


@settings(deadline=None)
@given(recorded=sessions, found=records)
def test_joining_loses_no_call(recorded: Session, found: list[NativeRecord]) -> None:
    """Every call of either side is in the joined session, and none is there more often than in its transcript."""
    assume(has_events(found))
    joined = calls_of(join_session(recorded, found, price_call, LATER_NS))
    own = calls_of(recorded)
    assert all(joined[key] == count for key, count in own.items())
    added = [key for key in joined if key not in own]
    assert set(added) <= keys_in(found) | keys_in_spans(found)
    assert all(joined[key] == 1 for key in added)


@settings(deadline=None)
@given(recorded=sessions, found=records, data=st.data())
def test_order_of_joining_leaves_no_trace(recorded: Session, found: list[NativeRecord], data: st.DataObject) -> None:
    """A transcript and the same records give the same session in whatever order they came."""
    again = data.draw(st.permutations(found))
    assert join_session(recorded, again, price_call, LATER_NS) == join_session(recorded, found, price_call, LATER_NS)
