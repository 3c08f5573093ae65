"""Which call is which: ids where there are some, else time, and never both at once."""

from __future__ import annotations

from typing import Any

from otel_bridge.model import ModelCall, RecordContext, ToolCall, Usage
from otel_bridge.prices import price_call
from otel_bridge.reported import ReportedCall, ReportedTool
from otel_bridge.sources.native.join import join_session
from otel_bridge.sources.native.match import call_pairs, counts_rightly, tool_pairs, version_number
from otel_bridge.sources.native.merge import merged_call, merged_tool
from tests.builders import MODEL, at_ns, model_call, session, sub_agent, tool_call, turn
from tests.sources.native.events import LATER_NS, prompt, request, result


def recorded(key: str, ended_s: float, **facts: Any) -> ModelCall:
    return model_call(key, at_s=ended_s - 1, **({"request_id": None} | facts))


def told(key: str, ended_s: float, **facts: Any) -> ModelCall:
    return model_call(key, at_s=ended_s - 1, **({"request_id": None, "message_id": ""} | facts))


def paired(own: list[ModelCall], native: list[ModelCall]) -> dict[str, str]:
    return {key: call.key for key, call in call_pairs(own, native).items()}


def test_ids_decide_whatever_the_time() -> None:
    """Two calls of parallel agents are told by their ids, even where the other one's event is nearer."""
    own = [recorded("r1", 10, request_id="r1"), recorded("r2", 10.2, request_id="r2")]
    events = [told("r1", 10.2, request_id="r1"), told("r2", 10.0, request_id="r2")]
    assert paired(own, events) == {"r1": "r1", "r2": "r2"}


def test_ids_that_differ_are_no_pair() -> None:
    """Two ids are two calls, however near."""
    assert paired([recorded("r1", 10, request_id="r1")], [told("r9", 10, request_id="r9")]) == {}


def test_time_decides_where_one_side_has_no_id() -> None:
    """The nearest end of the same model within 5 ms before and 500 ms after the last line is it."""
    own = [recorded("m1", 10)]
    assert paired(own, [told("e1", 10.4), told("e2", 10.1), told("e3", 10.0, model="other")]) == {"m1": "e2"}
    assert paired(own, [told("e1", 9.996)]) == {"m1": "e1"}
    assert paired(own, [told("e1", 9.99), running("e2", 10.1, 10.6)]) == {}
    assert paired(own, [told("e1", 10.1, request_id="r9")]) == {"m1": "e1"}


def test_a_busy_client_reports_late() -> None:
    """An event up to 10 s after the line is its own if the request ran when the line was written, and nobody's else."""
    own = [recorded("m1", 10)]
    assert paired(own, [running("e1", 9.2, 10.7)]) == {"m1": "e1"}
    assert paired(own, [running("e1", 9.2, 19.9), running("e2", 9.8, 14)]) == {"m1": "e2"}
    assert paired(own, [running("e1", 10.1, 10.7)]) == {}
    assert paired(own, [running("e1", 9.2, 20.1)]) == {}
    assert paired(own, [running("e1", 9.2, 10.7, model="other")]) == {}


def test_who_reports_in_time_goes_first() -> None:
    """A late event never takes a call from the event that came at once."""
    assert paired([recorded("m1", 10)], [running("e1", 9, 10.4), running("e2", 9, 10.6)]) == {"m1": "e1"}
    own = [recorded("m1", 10), recorded("m2", 10.5)]
    assert paired(own, [running("e1", 9, 10.6), running("e2", 9, 10.9)]) == {"m2": "e1", "m1": "e2"}


def running(key: str, started_s: float, ended_s: float, **facts: Any) -> ModelCall:
    """Return a call as telemetry has it that took that long."""
    return model_call(key, at_s=started_s, for_s=ended_s - started_s, request_id=None, message_id="", **facts)


def test_each_event_is_taken_once() -> None:
    """Of two calls and one event the nearer call has it."""
    assert paired([recorded("m1", 10), recorded("m2", 10.1)], [told("e1", 10.11)]) == {"m2": "e1"}


def test_equal_prompts_go_first_where_they_are_counted() -> None:
    """A sub-agent's call and a side call of one model end together: prompts tell them apart from 2.1.50 on."""
    own = [recorded("m1", 10, usage=Usage(5, 9, 700))]
    side, mine = told("e1", 10.0, usage=Usage(5, 9, 100)), told("e2", 10.001, usage=Usage(5, 9, 700))
    assert paired(own, [side, mine]) == {"m1": "e2"}
    assert (counts_rightly("2.1.50"), counts_rightly("1.0.60"), counts_rightly(None)) == (True, False, False)


def test_shared_request_id_is_paired_once() -> None:
    """Where a proxy gives all responses one request id, only the call that bears it as its key takes the event."""
    own = [recorded("m1", 9, request_id="r1"), recorded("r1", 10, request_id="r1")]
    assert paired(own, [told("r1", 10, request_id="r1")]) == {"r1": "r1"}


def test_tools_without_id_are_found_by_name_and_end() -> None:
    """A tool's event without an id is the nearest call of that name, and one with an id never."""
    own = [tool_call("t1", "Read", at_s=1), tool_call("t2", "Read", at_s=3), tool_call("t3", "Bash", at_s=3)]
    hashed = [nameless("h1", "Read", 4.1), nameless("h2", "Read", 2.1), nameless("h3", "Grep", 4.0)]
    pairs = tool_pairs(own, [*hashed, tool_call("t9", "Bash", at_s=3)])
    assert {key: tool.id for key, tool in pairs.items()} == {"t1": "h2", "t2": "h1"}


def nameless(tool_id: str, name: str, ended_s: float) -> ToolCall:
    return tool_call(tool_id, name, at_s=ended_s - 1, reported=ReportedTool(is_named=False))


def test_larger_output_is_taken_and_priced() -> None:
    """A placeholder gives way to the final count and its price; a client that counts wrongly changes nothing."""
    placeholder = recorded("m1", 10, usage=Usage(output_tokens=1), output_is_lower_bound=True)
    merged = merged_call(placeholder, told("e1", 10, usage=Usage(output_tokens=138)), price_call)
    assert (merged.usage.output_tokens, merged.output_is_lower_bound) == (138, False)
    assert merged.cost_usd == price_call(MODEL, merged.usage, merged.ended_ns, merged.terms, ())
    assert merged.reported
    assert not merged.reported.cost_is_own
    old = told("e1", 10, usage=Usage(output_tokens=138), context=RecordContext(version="1.0.60"))
    assert merged_call(placeholder, old, price_call).usage.output_tokens == 1


def test_cost_of_an_unknown_model_is_the_clients() -> None:
    """Where we know no price the client's cost fills the gap, and says so."""
    unpriced = recorded("m1", 10, cost_usd=None, model="claude-next")
    event = told("e1", 10, model="claude-next", reported=ReportedCall(is_unrecorded=True, cost_is_own=True))
    merged = merged_call(unpriced, event, price_call)
    assert merged.cost_usd == event.cost_usd
    assert merged.reported
    assert (merged.reported.cost_is_own, merged.reported.is_unrecorded) == (True, False)


def test_result_on_either_side_finishes_a_tool_call() -> None:
    """A tool call whose result the transcript lost is finished by its event."""
    open_tool = tool_call("t1", ended_ns=None)
    own = session(turn("p1", model_call("r1", open_tool)))
    joined = join_session(own, [prompt(), request(2, "r1"), result(4, "t1", succeeded=False)], price_call, LATER_NS)
    (tool,) = joined.tool_calls()
    assert (tool.ended_ns, tool.error_type) == (at_ns(4), "_OTHER")


def test_refusal_leaves_times_to_the_transcript() -> None:
    """A tool that was refused never ran: its event has no start to tell."""
    own = tool_call("t1", at_s=2, for_s=3, denial="user-rejected", error_type="denied")
    refusal = tool_call("t1", at_s=4, for_s=0, denial="user-rejected", decision="reject", permission_wait_ns=7)
    merged = merged_tool(own, refusal)
    assert (merged.started_ns, merged.ended_ns) == (own.started_ns, own.ended_ns)
    assert (merged.decision, merged.permission_wait_ns) == ("reject", 7)


def test_versions_compare_as_numbers() -> None:
    """2.1.181 is newer than 2.1.50; what is no version is older than all."""
    assert version_number("2.1.181") > version_number("2.1.50") > version_number("2.0.30") > version_number("dev")
    assert version_number(None) == version_number("") == ()
    assert version_number("2.1.50-beta.1") == (2, 1, 50)


def test_agent_without_recorded_calls_gets_its_own() -> None:
    """An agent whose file has no call yet takes the calls telemetry knows, and is not shown twice."""
    empty = sub_agent("a1")
    own = session(turn("p1", model_call("r1", tool_call("t1", "Agent", agent=empty))))
    told_calls = [request(2, "r1"), request(4, "r2", agent_id="a1", query_source="agent:builtin:Explore")]
    joined = join_session(own, [prompt(), *told_calls], price_call, LATER_NS)
    (tool,) = joined.tool_calls()
    assert tool.agent is not None
    assert [call.key for call in tool.agent.calls] == ["r2"]
    assert joined.turns[0].agents == ()
