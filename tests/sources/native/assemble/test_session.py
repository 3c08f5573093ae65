"""What telemetry says of turns, calls, tools and what went wrong; nothing is made up for what it does not say."""

from __future__ import annotations

from msgspec import UNSET, structs

from otel_bridge.model import Compaction, HookRun
from otel_bridge.sources.native.records import (
    ApiFailure,
    ApiRefusal,
    CompactionDone,
    HookDone,
    ToolDecision,
)
from otel_bridge.vcs import Commit
from tests.builders import at_ns
from tests.sources.native.events import TRACE, assembled, event, prompt, request, result, span

MINUTE = 60


def test_real_start_times() -> None:
    """A call began when its event was stamped less the time it took; without a duration it took none."""
    session = assembled(prompt(), request(3, "r1", for_s=2), request(5, "r2", for_s=0))
    assert [(call.started_ns, call.ended_ns) for call in session.calls()] == [
        (at_ns(1), at_ns(3)),
        (at_ns(5), at_ns(5)),
    ]


def test_tool_belongs_to_the_call_that_asked() -> None:
    """A tool call hangs on the response it names, else on the latest one that had begun."""
    named = assembled(prompt(), request(2, "r1"), request(4, "r2"), result(5, "t1", request_id="r1"))
    assert [[tool.id for tool in call.tool_calls] for call in named.calls()] == [["t1"], []]
    nearest = assembled(prompt(), request(2, "r1"), request(4, "r2"), result(5, "t1"))
    assert [[tool.id for tool in call.tool_calls] for call in nearest.calls()] == [[], ["t1"]]


def test_tool_without_any_call_is_kept() -> None:
    """Where the request was lost, its tool call still counts."""
    session = assembled(prompt(), result(5, "t1"))
    assert [tool.id for tool in session.tool_calls()] == ["t1"]


def test_failed_tool_and_its_commit() -> None:
    """A tool that failed says of what, one that committed what; the names are those of the parameters."""
    failed = result(5, "t1", succeeded=False, error_type="ShellError", executable="make")
    committed = result(6, "t2", commit_sha="abc", branch="main")
    session = assembled(prompt(), request(2, "r1"), failed, committed)
    first, second = session.tool_calls()
    assert (first.error_type, first.executable) == ("ShellError", "make")
    assert second.commits == (Commit("abc", "committed", "main", at_ns(6)),)


def test_wait_for_the_user_is_the_spans() -> None:
    """How long a person was waited for is known from the span that says a person decided, and only from it."""
    asked = event(ToolDecision, 5, name="Bash", tool_id="t1", decision="accept", source="user_temporary")
    spans = [
        span("tool", 2, "tool", tool_use_id="t1"),
        span("tool.blocked_on_user", 2, "wait", "tool", for_s=3, source="user_temporary"),
    ]
    (told,) = assembled(prompt(), request(2, "r1"), asked, result(6, "t1"), *spans).tool_calls()
    assert (told.decision, told.decision_source, told.permission_wait_ns) == ("accept", "user_temporary", 3 * 10**9)
    unsure = [structs.replace(spans[1], attributes={"source": "unknown"}), spans[0]]
    (older,) = assembled(prompt(), request(2, "r1"), asked, result(6, "t1"), *unsure).tool_calls()
    assert older.permission_wait_ns == told.permission_wait_ns
    (alone,) = assembled(prompt(), request(2, "r1"), asked, result(6, "t1")).tool_calls()
    assert (alone.decision, alone.permission_wait_ns) == ("accept", None)


def test_refused_tool_is_denied() -> None:
    """A tool that a person refused never ran: the refusal is its result."""
    refusal = event(ToolDecision, 5, name="Bash", tool_id="t1", decision="reject", source="user_reject")
    (tool,) = assembled(prompt(), request(2, "r1"), refusal).tool_calls()
    assert (tool.error_type, tool.denial, tool.decision) == ("denied", "user-rejected", "reject")
    assert (tool.started_ns, tool.ended_ns) == (at_ns(5), at_ns(5))


def test_tools_of_a_summary_do_not_count() -> None:
    """The client throws away the tool calls of its own summaries: nobody asked for them, nobody hears of them."""
    refusal = event(ToolDecision, 5, name="Bash", tool_id="t1", decision="reject", source="config", request_id="r1")
    session = assembled(prompt(), request(2, "r1", query_source="compact"), refusal)
    assert list(session.tool_calls()) == []
    (call,) = session.calls()
    assert call.reported
    assert call.reported.query_source == "auxiliary"


def test_tool_taken_up_again_is_one() -> None:
    """A tool call that was put off and ended twice is one, with its last end."""
    session = assembled(prompt(), request(2, "r1"), result(5, "t1"), result(9, "t1"))
    assert [tool.ended_ns for tool in session.tool_calls()] == [at_ns(9)]


def test_stream_reported_in_steps_is_one_call() -> None:
    """Several events of one request are the fullest of them: older clients reported a stream more than once."""
    session = assembled(prompt(), request(2, "r1", output_tokens=1), request(3, "r1", output_tokens=20))
    assert [call.usage.output_tokens for call in session.calls()] == [20]


def test_failed_request_ends_the_turn_in_error() -> None:
    """A request that failed for good is an error of its turn, and the turn's own if nothing came after it."""
    failure = event(ApiFailure, 5, error_type="overloaded_error", status=529, attempt=10)
    (turn,) = assembled(prompt(), request(2, "r1"), failure).turns
    assert (turn.error_type, turn.errors[0].status, turn.errors[0].is_final) == ("overloaded_error", 529, True)
    (recovered,) = assembled(prompt(), failure, request(9, "r1")).turns
    assert (recovered.error_type, len(recovered.errors)) == (None, 1)


def test_refused_request_says_so() -> None:
    """A response the model declined has that as its stop reason."""
    (call,) = assembled(prompt(), request(2, "r1"), event(ApiRefusal, 2, request_id="r1")).calls()
    assert call.stop_reason == "refusal"


def test_compaction_that_took_place() -> None:
    """Only a summary that was made counts, and the calls after it are sent with a compacted conversation."""
    failed = event(CompactionDone, 3, trigger="auto", succeeded=False)
    done = event(CompactionDone, 5, trigger="manual", succeeded=True, pre_tokens=9, post_tokens=1, duration_ms=7)
    session = assembled(prompt(), request(2, "r1"), failed, done, request(8, "r2"))
    assert session.turns[0].compactions == (Compaction(at_ns(5), "manual", 9, 1, 7),)
    assert [call.follows_compaction for call in session.calls()] == [False, True]


def test_hooks_have_the_worst_outcome() -> None:
    """The hooks of an occasion are one run; stop hooks run when the turn is over."""
    before = event(HookDone, 1, hook_event="PreToolUse", hook_name="PreToolUse:Bash", blocking=1, failed=2)
    stop = event(HookDone, 9, hook_event="Stop", duration_ms=5)
    (turn,) = assembled(prompt(), before, request(2, "r1"), stop).turns
    assert turn.hooks == (HookRun(at_ns(1), "PreToolUse", "PreToolUse:Bash", "blocking_error"),)
    assert turn.closing_hooks == (HookRun(at_ns(9), "Stop", "Stop", "success", 5),)


def test_pause_of_half_an_hour_cuts_a_turn() -> None:
    """What follows under the same prompt after 30 quiet minutes is a continuation, as in transcripts."""
    late = result(40 * MINUTE, "t1", request_id="r1")
    session = assembled(prompt(), request(2, "r1"), late, request(41 * MINUTE, "r2"))
    assert [(turn.key, turn.ordinal, turn.index) for turn in session.turns] == [("p1", 0, 0), ("p1", 1, 1)]
    assert session.turns[1].previous_key == "p1"
    assert [turn.prompt.kind for turn in session.turns] == ["human", "other"]
    assert [tool.id for tool in session.turns[1].late_tool_calls] == ["t1"]


def test_turn_ends_with_its_span_or_the_next_prompt() -> None:
    """A turn is over when its span was sent, when the next prompt comes, or when nothing came for 30 minutes."""
    records = [prompt(), request(2, "r1"), prompt(10, "p2"), request(12, "r2", prompt_id="p2")]
    idle = assembled(*records)
    assert [turn.end_reason for turn in idle.turns] == ["next_prompt", "idle"]
    live = assembled(*records, now_ns=at_ns(60))
    assert [(turn.end_reason, turn.is_complete) for turn in live.turns] == [("next_prompt", True), ("open", False)]
    root = span("interaction", 10, "root", user_prompt_length=12)
    told = assembled(*records, root, now_ns=at_ns(60))
    assert [(turn.end_reason, turn.is_complete) for turn in told.turns] == [("next_prompt", True), ("end_turn", True)]


def test_interaction_finds_its_prompt_by_trace() -> None:
    """A span that has no prompt id finds its turn through the events of its trace, however far away in time."""
    root = span("interaction", 500, "root", user_prompt_length=99)
    first, second = assembled(prompt(trace_id=TRACE), prompt(10, "p2"), root).turns
    assert first.reported
    assert first.reported.trace_id == TRACE.hex()
    assert second.reported is UNSET


def test_interaction_finds_its_prompt_by_length_and_time() -> None:
    """Without ids on events it is the nearest prompt of that length, and never one of another length."""
    root = span("interaction", 9, "root", user_prompt_length="7")
    first, second = assembled(prompt(7, "p1", length=12), prompt(10, "p2", length=7), root).turns
    assert (first.reported, bool(second.reported)) == (UNSET, True)


def test_old_events_belong_to_the_prompt_before_them() -> None:
    """Before 2.1.50 no event names its prompt: the last one before it is it, and what comes earlier is the first's."""
    records = [request(1), prompt(2, ""), request(4), prompt(10, ""), request(12)]
    session = assembled(*(structs.replace(record, prompt_id=None) for record in records))
    assert [[call.ended_ns for call in turn.calls] for turn in session.turns] == [[at_ns(1), at_ns(4)], [at_ns(12)]]
    assert len({turn.key for turn in session.turns}) == 2


def test_events_without_any_prompt_are_a_turn() -> None:
    """Where the prompt itself was lost, what it led to is still there."""
    (turn,) = assembled(request(4, "r1")).turns
    assert (turn.key, turn.prompt.kind, len(turn.calls)) == ("p1", "other", 1)


def test_unpriced_call_is_no_free_one() -> None:
    """A request without a cost has none: it is counted as unpriced."""
    session = assembled(prompt(), request(2, "r1", cost_usd=None))
    assert (session.quality.unpriced_calls, session.quality.unpriced_models) == (1, ("claude-opus-4-6",))


def test_nothing_is_no_turn() -> None:
    """A session nobody reported on is empty."""
    session = assembled()
    assert (session.turns, session.started_ns, session.ended_ns) == ((), 0, 0)


def test_lost_root_is_known_from_the_spans_below_it() -> None:
    """Where the interaction never came, the turn's root has the id that its children name, and is not over by that."""
    below = span("llm_request", 1, "llm", "root", request_id="r1", **{"llm_request.context": "interaction"})
    (turn,) = assembled(prompt(trace_id=TRACE), request(2, "r1", trace_id=TRACE), below, now_ns=at_ns(60)).turns
    assert turn.reported
    assert (turn.reported.trace_id, turn.reported.span_id) == (TRACE.hex(), b"root....".hex())
    assert (turn.end_reason, turn.is_complete) == ("open", False)


def test_late_root_changes_no_id() -> None:
    """When the interaction comes at last, its turn keeps the ids it had, and is over."""
    below = span("llm_request", 1, "llm", "root", request_id="r1", **{"llm_request.context": "interaction"})
    records = [prompt(trace_id=TRACE), request(2, "r1", trace_id=TRACE), below]
    (early,) = assembled(*records, now_ns=at_ns(60)).turns
    (late,) = assembled(*records, span("interaction", 0, "root", for_s=9), now_ns=at_ns(60)).turns
    assert late.reported
    assert early.reported
    assert structs.replace(late.reported, spans=()) == structs.replace(early.reported, spans=())
    assert late.is_complete
