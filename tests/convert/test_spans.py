from msgspec.structs import replace

from otel_bridge.convert import ConvertOptions, session_spans, turn_spans
from otel_bridge.convert.ids import agent_span_id, call_span_id, tool_span_id, turn_span_id, turn_trace_id
from otel_bridge.model import RecordContext, Session
from otel_bridge.telemetry import Signal, Span, SpanKind
from tests.builders import at_ns, model_call, session, sub_agent, tool_call, turn

OPTIONS = ConvertOptions()


def spans_of(whole: Session, options: ConvertOptions = OPTIONS) -> list[Span]:
    return [span for batch in session_spans(whole, options) for span in batch.items if isinstance(span, Span)]


def parents(whole: Session, options: ConvertOptions = OPTIONS) -> dict[str, str]:
    spans = spans_of(whole, options)
    names = {span.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent_id, "") for span in spans}


def test_a_turn_is_one_trace_of_siblings_under_its_root() -> None:
    """Model calls and tools are side by side under the turn: a tool runs after the call that asked for it."""
    root, chat, tool = spans_of(session(turn("p", model_call("req_1", tool_call("toolu_1"), model="claude-x"))))
    assert [span.name for span in (root, chat, tool)] == [
        "invoke_agent claude-code",
        "chat claude-x",
        "execute_tool Bash",
    ]
    assert [span.kind for span in (root, chat, tool)] == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.INTERNAL]
    assert root.parent_id == b""
    assert chat.parent_id == tool.parent_id == root.span_id
    assert {span.trace_id for span in (root, chat, tool)} == {turn_trace_id(session().id, "p", 0)}


def test_span_ids_are_the_hashes_of_their_keys() -> None:
    """Who knows a key finds the span: the native side computes the same ids."""
    agent = sub_agent("a1", model_call("req_2"))
    whole = session(turn("p", model_call("req_1", tool_call("toolu_1", agent=agent))))
    expected = [turn_span_id(whole.id, "p", 0), call_span_id("req_1"), tool_span_id("toolu_1")]
    expected += [agent_span_id(whole.id, "a1"), call_span_id("req_2")]
    assert [span.span_id for span in spans_of(whole)] == expected


def test_spans_have_the_records_times() -> None:
    """Start and end are the model's; an end before the start becomes a span without duration."""
    call = model_call("req_1", tool_call(at_s=3, for_s=-1), at_s=1, for_s=2)
    root, chat, tool = spans_of(session(turn("p", call, at_s=0, for_s=9)))
    assert (root.start_ns, root.end_ns) == (at_ns(0), at_ns(9))
    assert (chat.start_ns, chat.end_ns) == (at_ns(1), at_ns(3))
    assert (tool.start_ns, tool.end_ns) == (at_ns(3), at_ns(3))


def test_a_sub_agent_hangs_under_its_tool_call_with_children_of_its_own() -> None:
    """Sub-agents nest: agent under tool under agent under tool under turn."""
    inner = sub_agent("a2", model_call("req_3", model="inner"), type="Plan")
    outer = sub_agent("a1", model_call("req_2", tool_call("toolu_2", "Task", agent=inner), model="outer"))
    assert parents(
        session(turn("p", model_call("req_1", tool_call("toolu_1", "Agent", agent=outer), model="main")))
    ) == {
        "invoke_agent claude-code": "",
        "chat main": "invoke_agent claude-code",
        "execute_tool Agent": "invoke_agent claude-code",
        "invoke_agent Explore": "execute_tool Agent",
        "chat outer": "invoke_agent Explore",
        "execute_tool Task": "invoke_agent Explore",
        "invoke_agent Plan": "execute_tool Task",
        "chat inner": "invoke_agent Plan",
    }


def test_agents_without_a_finished_tool_hang_under_who_started_them() -> None:
    """A tool call without a result has no span; its agent's parent is then the agent above, or the turn."""
    lost = sub_agent("a2", type="Lost")
    above = sub_agent(
        "a1",
        model_call("req_2", tool_call("toolu_2", ended_ns=None, agent=lost)),
        agents=(sub_agent("a3", type="Stray"),),
    )
    tree = parents(session(turn("p", agents=(above,))))
    assert tree["invoke_agent Explore"] == "invoke_agent claude-code"
    assert tree["invoke_agent Lost"] == tree["invoke_agent Stray"] == "invoke_agent Explore"


def test_unfinished_tool_calls_have_no_span() -> None:
    """A tool call counts when it has a result."""
    assert "execute_tool Bash" not in parents(session(turn("p", model_call("req_1", tool_call(ended_ns=None)))))


def test_a_late_result_is_a_span_of_the_part_it_came_in() -> None:
    """A tool call asked for before a pause and answered after it belongs to the continuation's trace."""
    first = turn("p", model_call("req_1", tool_call("toolu_1", ended_ns=None)))
    second = turn("p", ordinal=1, index=1, late_tool_calls=(tool_call("toolu_1", for_s=7200),))
    (tool,) = (span for span in spans_of(session(first, second)) if span.name == "execute_tool Bash")
    assert tool.trace_id == turn_trace_id(session().id, "p", 1)


def test_open_turns_wait() -> None:
    """What may still grow is not sent, because a span once sent cannot be amended; a preview may ask for it."""
    whole = session(turn("p", model_call()), turn("q", model_call("req_2"), index=1, is_complete=False))
    assert {span.trace_id for span in spans_of(whole)} == {turn_trace_id(whole.id, "p", 0)}
    assert len(spans_of(whole, ConvertOptions(include_open=True))) == 4
    assert turn_spans(whole, whole.turns[1], OPTIONS) == []


def test_open_agents_wait_with_all_below_them() -> None:
    """A background agent outlives its turn: its spans are sent when it is done."""
    running = sub_agent("a1", model_call("req_2"), agents=(sub_agent("a2"),), is_complete=False)
    whole = session(turn("p", model_call("req_1", tool_call(agent=running))))
    assert len(spans_of(whole)) == 3
    assert len(spans_of(whole, ConvertOptions(include_open=True))) == 6


def test_later_knowledge_of_the_session_changes_no_span() -> None:
    """Titles, totals, later turns and links found later leave the spans of a finished turn as they were."""
    whole = session(turn("p", model_call()))
    richer = replace(
        session(turn("p", model_call()), turn("q", model_call("req_2"), at_s=50, index=1)),
        title="Better name",
        project="/elsewhere",
        client_cost_usd=None,
        paths=("x.jsonl",),
        forked_from="another",
    )
    assert turn_spans(richer, richer.turns[0], OPTIONS) == turn_spans(whole, whole.turns[0], OPTIONS)


def test_every_turn_is_a_batch_under_the_resource_of_its_client() -> None:
    """Versions change inside a session; each turn is sent under the one that wrote it."""
    whole = session(
        turn("p", context=RecordContext(version="2.1.1")), turn("q", index=1, context=RecordContext(version="2.1.2"))
    )
    batches = list(session_spans(whole, OPTIONS))
    assert [batch.signal for batch in batches] == [Signal.TRACES, Signal.TRACES]
    assert [dict(batch.resource.attributes)["service.version"] for batch in batches] == ["2.1.1", "2.1.2"]
