"""Spans of the client that are none of ours go beside them, uncounted; what it said itself is there on demand."""

from __future__ import annotations

from msgspec import structs

from otel_bridge import semconv
from otel_bridge.convert import ConvertOptions, session_events, session_spans
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.model import Session
from otel_bridge.reported import ReportedCall, ReportedSpan, ReportedTool, ReportedTurn
from otel_bridge.telemetry import Link, Span, SpanKind
from tests.builders import at_ns, model_call, session, tool_call, turn

TRACE, OTHER_TRACE = "0f" * 16, "0e" * 16
ROOT, CALL, TOOL, RUN, WAIT, FAILED, ALONE = ("1f" * 8, "2f" * 8, "3f" * 8, "4f" * 8, "5f" * 8, "6f" * 8, "7f" * 8)
API = ("ab" * 16, "ab" * 8)
ORIGINALS = ConvertOptions(original_attributes=True)


def told(span_id: str, span_type: str, parent_id: str = ROOT, trace_id: str = TRACE, **facts: object) -> ReportedSpan:
    plain = ReportedSpan(trace_id, span_id, parent_id, span_type, at_ns(1), at_ns(2))
    return structs.replace(plain, **facts)


def told_session(*more: ReportedSpan, call_trace: str = TRACE, turn_trace: str = TRACE) -> Session:
    """Return a call with a tool, each told by spans of the client, and spans of it that are neither."""
    tool = tool_call(reported=ReportedTool(RUN, outer_span_id=TOOL, trace_id=TRACE))
    call = model_call("req_1", tool, reported=ReportedCall("main", trace_id=call_trace, span_id=CALL))
    own = (
        told(ROOT, "interaction", ""),
        told(CALL, "llm_request", trace_id=call_trace),
        told(TOOL, "tool"),
        told(WAIT, "tool.blocked_on_user", TOOL),
        told(RUN, "tool.execution", TOOL),
    )
    root = ROOT if turn_trace else ""
    return session(turn("p1", call, reported=ReportedTurn(turn_trace, root, spans=(*own, *more))))


def spans(told_by: Session, options: ConvertOptions = ConvertOptions()) -> dict[tuple[str, str], Span]:  # noqa: B008
    found = [item for batch in session_spans(told_by, options) for item in batch.items if isinstance(item, Span)]
    assert len({span.span_id for span in found}) == len(found)
    return {(span.trace_id.hex(), span.span_id.hex()): span for span in found}


def test_each_span_of_the_client_is_sent_once() -> None:
    """As a turn, a call or a tool call where it is one, else as itself: with its own ids, parent and times."""
    found = spans(told_session())
    assert {place: span.name for place, span in found.items()} == {
        (TRACE, ROOT): "invoke_agent claude-code",
        (TRACE, CALL): "chat claude-sonnet-4-5-20250929",
        (TRACE, RUN): "execute_tool Bash",
        (TRACE, TOOL): "coding_agent.native tool",
        (TRACE, WAIT): "coding_agent.native tool.blocked_on_user",
    }
    wait = found[TRACE, WAIT]
    assert (wait.parent_id.hex(), wait.start_ns, wait.end_ns) == (TOOL, at_ns(1), at_ns(2))
    assert wait.kind is SpanKind.INTERNAL


def test_nobody_counts_them() -> None:
    """They have no operation, no tokens and no cost, and neither metrics nor events are made of them."""
    whole, bare = told_session(), told_session()
    (first,) = bare.turns
    assert first.reported
    bare = structs.replace(bare, turns=(structs.replace(first, reported=structs.replace(first.reported, spans=())),))
    wait = spans(whole)[TRACE, WAIT]
    assert wait.attributes.keys() == {
        semconv.CONVERSATION_ID,
        semconv.SESSION_ID,
        semconv.TURN_KEY,
        semconv.TURN_INDEX,
        semconv.ENTRYPOINT,
        semconv.NATIVE_SPAN_TYPE,
    }
    assert list(session_metrics(whole, ConvertOptions())) == list(session_metrics(bare, ConvertOptions()))
    assert list(session_events(whole, ConvertOptions())) == list(session_events(bare, ConvertOptions()))
    assert {place: span for place, span in spans(whole).items() if semconv.OPERATION_NAME in span.attributes} == spans(
        bare
    )


def test_a_failed_request_is_an_error_with_its_links() -> None:
    """The API may have answered with a span of its own."""
    failed = told(FAILED, "llm_request", error_type="overloaded_error", links=(API,), agent_id="a1")
    found = spans(told_session(failed))[TRACE, FAILED]
    assert found.is_error
    assert found.attributes[semconv.ERROR_TYPE] == "overloaded_error"
    assert found.attributes[semconv.AGENT_ID] == "a1"
    assert found.links == (Link(bytes.fromhex(API[0]), bytes.fromhex(API[1])),)


def test_links_of_what_became_ours_are_kept() -> None:
    """Of a turn and of the run of a tool, and those of a call not twice."""
    plain = told_session()
    (first,) = plain.turns
    assert first.reported
    linked = tuple(structs.replace(one, links=(API,)) for one in first.reported.spans)
    found = spans(
        structs.replace(plain, turns=(structs.replace(first, reported=structs.replace(first.reported, spans=linked)),))
    )
    assert all([link.span_id.hex() for link in span.links] == [API[1]] for span in found.values())


def test_a_request_in_a_trace_of_its_own_is_found_there() -> None:
    """Its call is in the trace of its turn, under an id of ours; the client's is where the API hangs on it."""
    found = spans(told_session(call_trace=OTHER_TRACE))
    assert found[OTHER_TRACE, CALL].name == "coding_agent.native llm_request"
    (chat,) = [span for span in found.values() if span.name.startswith("chat")]
    assert (chat.trace_id.hex(), chat.parent_id.hex()) == (TRACE, ROOT)


def test_a_turn_in_a_trace_of_ours_leaves_all_to_the_clients_own() -> None:
    """What was sent before telemetry came stays; the client's trace is whole beside it."""
    found = spans(told_session(turn_trace=""))
    assert {span.name for (trace_id, _), span in found.items() if trace_id == TRACE} == {
        "coding_agent.native interaction",
        "coding_agent.native llm_request",
        "coding_agent.native tool",
        "coding_agent.native tool.blocked_on_user",
        "coding_agent.native tool.execution",
    }
    assert len([span for span in found.values() if semconv.OPERATION_NAME in span.attributes]) == 3


def test_what_the_client_said_is_there_on_demand() -> None:
    """Under its own names, on the span that became of its own; a name of ours means what we say."""
    said = {"terminal.type": "xterm", "ttft_ms": 63, "session.id": "other", "gen_ai.usage.cache_creation": 9}
    told_by = told_session()
    (first,) = told_by.turns
    assert first.reported
    spoken = tuple(structs.replace(one, attributes=said) for one in first.reported.spans)
    told_by = structs.replace(
        told_by, turns=(structs.replace(first, reported=structs.replace(first.reported, spans=spoken)),)
    )
    silent, open_hearted = spans(told_by), spans(told_by, ORIGINALS)
    for place, span in open_hearted.items():
        assert span.attributes == silent[place].attributes | {"terminal.type": "xterm", "ttft_ms": 63}


def test_secrets_are_no_words() -> None:
    """What looks like a token or an address is left out, whatever the client calls it."""
    said = {"a": "ghp_0123456789abcdefghij0123456789abcdef", "b": "dev@example.com", "c": "plain"}
    found = spans(told_session(told(ALONE, "hook", attributes=said)), ORIGINALS)[TRACE, ALONE]
    assert {name: value for name, value in found.attributes.items() if name in said} == {"c": "plain"}
