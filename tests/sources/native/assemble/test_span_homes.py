"""Each span of the client is kept with a turn, and none is passed on as itself that will be a call."""

from __future__ import annotations

import random

import pytest
from msgspec import structs

from otel_bridge.convert import ConvertOptions, session_spans
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.records import NativeRecord, NativeSpan, ToolDecision
from otel_bridge.telemetry import Span
from tests.captures import FAR_FUTURE_NS, RUNS
from tests.native import native_records
from tests.sources.native.events import TRACE, assembled, event, prompt, request, result, span

WITH_SPANS = [run for run in RUNS if run.startswith(("2.1.50/", "2.1.181/", "2.1.329/"))]
ROOT = span("interaction", 0, "root", for_s=9)
OTHER_TRACE = b"o" * 16
Names = dict[tuple[bytes, bytes], str]


def sent(*records: NativeRecord) -> Names:
    """Return what is sent of events and spans: names by trace and id."""
    batches = session_spans(assembled(*records), ConvertOptions(include_open=True))
    spans = [item for batch in batches for item in batch.items if isinstance(item, Span)]
    return {(one.trace_id, one.span_id): one.name for one in spans}


def place(told: NativeSpan) -> tuple[bytes, bytes]:
    return told.trace_id, told.span_id


@pytest.mark.parametrize("run", WITH_SPANS)
def test_every_span_of_a_recording_is_in_one_turn(run: str) -> None:
    """Whatever order they came in."""
    for session_id, records in native_records(run).items():
        shuffled = [*records]
        random.Random(2).shuffle(shuffled)
        turns = native_session(session_id, shuffled, FAR_FUTURE_NS).turns
        kept = [one.span_id for turn in turns if turn.reported for one in turn.reported.spans]
        assert sorted(kept) == sorted(one.span_id.hex() for one in records if isinstance(one, NativeSpan))


def test_a_request_is_a_call_before_its_event_has_come() -> None:
    """Under the id of its span, as it is afterwards; and in its turn, whichever events of others have come."""
    llm = span("llm_request", 1, "llm", "root", request_id="r2", model="opus")
    before = sent(ROOT, prompt(trace_id=TRACE), request(1, "r1"), llm)
    after = sent(ROOT, prompt(trace_id=TRACE), request(1, "r1"), request(2, "r2"), llm)
    assert before.keys() == after.keys()
    assert before[place(llm)] == "chat opus"
    assert after[place(llm)].startswith("chat ")


def test_a_request_without_id_waits_for_its_event() -> None:
    """Before 2.1.181 nobody can tell whether an event that is there is of this request."""
    llm = span("llm_request", 1, "llm", "root", model="opus")
    assert place(llm) not in sent(ROOT, prompt(trace_id=TRACE), request(1, "r1"), llm)


def test_a_tool_waits_until_it_ran_or_was_refused() -> None:
    """With what hangs on it; a decision is enough, or its run."""
    tool = span("tool", 2, "tool", "root", tool_use_id="t1")
    wait = span("tool.blocked_on_user", 2, "wait", "tool")
    run = span("tool.execution", 3, "run", "tool", tool_use_id="t1")
    known = (ROOT, prompt(trace_id=TRACE), request(2, "r1"))
    early = sent(*known, tool, wait)
    assert not {place(tool), place(wait)} & early.keys()
    ran = sent(*known, tool, wait, run, result(4, "t1"))
    assert [ran[place(one)].split()[0] for one in (tool, wait, run)] == [
        "coding_agent.native",
        "coding_agent.native",
        "execute_tool",
    ]
    refused = event(ToolDecision, 3, name="Bash", tool_id="t1", decision="reject", source="user_reject")
    denied = sent(*known, tool, wait, refused)
    assert [denied[place(one)].split()[0] for one in (tool, wait)] == ["execute_tool", "coding_agent.native"]


def test_a_second_root_of_a_prompt_is_passed_on_as_it_is() -> None:
    """A tool call that was put off goes on after a resume, under the same prompt."""
    again = structs.replace(span("interaction", 20, "again"), trace_id=OTHER_TRACE)
    found = sent(ROOT, prompt(trace_id=TRACE), request(2, "r1"), request(21, "r2", trace_id=OTHER_TRACE), again)
    assert found[place(ROOT)].startswith("invoke_agent")
    assert found[place(again)] == "coding_agent.native interaction"


def test_a_failed_request_and_a_hook_are_themselves() -> None:
    """They are nothing that is counted, and somebody may hang on them."""
    failed = span("llm_request", 1, "llm", "root", is_error=True, error_class="overloaded_error")
    hook = span("hook", 1, "hook", "root")
    found = sent(ROOT, prompt(trace_id=TRACE), request(3, "r1"), failed, hook)
    assert found[place(failed)] == "coding_agent.native llm_request"
    assert found[place(hook)] == "coding_agent.native hook"


def test_a_request_outside_a_prompt_keeps_its_own_trace() -> None:
    """A title, say: the call is in the turn that was going on, its span where the API's own hangs on it."""
    alone = structs.replace(span("llm_request", 3, "title", request_id="r2"), trace_id=OTHER_TRACE)
    found = sent(ROOT, prompt(trace_id=TRACE), request(2, "r1"), request(4, "r2", query_source="title"), alone)
    assert found[place(alone)] == "coding_agent.native llm_request"
    assert sum(name.startswith("chat ") for (trace_id, _), name in found.items() if trace_id == TRACE) == 2


def test_what_follows_a_pause_is_found_in_the_clients_trace() -> None:
    """A continuation is a trace of ours; the client knows no pauses."""
    later = 3600
    llm = span("llm_request", later, "llm", "root", request_id="r2")
    found = sent(ROOT, prompt(trace_id=TRACE), request(2, "r1"), request(later + 1, "r2", trace_id=TRACE), llm)
    assert found[place(llm)] == "coding_agent.native llm_request"
    assert sum(name.startswith("chat ") for name in found.values()) == 2
    assert len({trace_id for trace_id, _ in found}) == 2
