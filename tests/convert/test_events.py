from inline_snapshot import snapshot

from otel_bridge.convert import ConvertOptions, session_events, turn_events
from otel_bridge.convert.ids import agent_span_id, tool_span_id, turn_span_id, turn_trace_id
from otel_bridge.model import ApiError, Compaction, HookRun, RecordContext, Session
from otel_bridge.telemetry import LogRecord, Signal
from otel_bridge.vcs import Commit, PullRequest, PullRequestLink
from tests.builders import at_ns, model_call, session, sub_agent, tool_call, turn

OPTIONS = ConvertOptions()
WIDGETS = PullRequest("acme/widgets", 7, "https://github.com/acme/widgets/pull/7")


def events_of(whole: Session, options: ConvertOptions = OPTIONS) -> list[LogRecord]:
    return [item for batch in session_events(whole, options) for item in batch.items if isinstance(item, LogRecord)]


def one(name: str, whole: Session) -> LogRecord:
    (record,) = (record for record in events_of(whole) if record.event_name == name)
    return record


def test_a_session_starts_once_and_never_ends() -> None:
    """The first own record proves the start; no transcript proves an end, because sessions are resumed."""
    whole = session(turn("p", at_s=1), turn("q", at_s=50, index=1))
    (start,) = events_of(whole)
    assert (start.event_name, start.time_ns, start.severity_number) == ("session.start", at_ns(1), 9)
    assert "session.previous_id" not in start.attributes


def test_the_start_of_a_fork_names_its_origin() -> None:
    """A fork starts where another session was."""
    start = one("session.start", session(turn("p"), forked_from="origin"))
    assert start.attributes["session.previous_id"] == "origin"


def test_a_session_without_turns_has_no_events() -> None:
    """Nothing happened, nothing is said."""
    assert list(session_events(session(), OPTIONS)) == []


def test_an_error_for_good_is_an_exception_of_its_turn() -> None:
    """Final API errors are warnings with a bounded type, the status and how often it was tried."""
    error = ApiError(at_ns(4), "overloaded_error", 529, attempt=10, is_final=True)
    record = one("gen_ai.client.operation.exception", session(turn("p", errors=(error,)), session_id="s"))
    assert (record.time_ns, record.severity_number) == (at_ns(4), 13)
    assert record.trace_id == turn_trace_id("s", "p", 0)
    assert record.span_id == turn_span_id("s", "p", 0)
    assert record.attributes == snapshot(
        {
            "gen_ai.conversation.id": "s",
            "session.id": "s",
            "coding_agent.turn.key": "p",
            "coding_agent.turn.index": 0,
            "coding_agent.entrypoint": "cli",
            "exception.type": "overloaded_error",
            "http.response.status_code": 529,
            "coding_agent.retry.attempt": 10,
            "log.record.uid": "da54592be2f5e06311cfcaf1fcdb19dc",
        }
    )


def test_what_happens_in_a_sub_agent_is_on_its_span() -> None:
    """Errors and compactions of a sub-agent point to its run and carry its id."""
    agent = sub_agent("a1", compactions=(Compaction(at_ns(3), "auto", 1000, 50, 2500.0),))
    record = one("coding_agent.compaction", session(turn("p", agents=(agent,)), session_id="s"))
    assert record.span_id == agent_span_id("s", "a1")
    assert record.attributes["coding_agent.agent.id"] == "a1"
    assert record.attributes["coding_agent.compaction.trigger"] == "auto"
    assert record.attributes["coding_agent.compaction.tokens_before"] == 1000
    assert record.attributes["coding_agent.compaction.tokens_after"] == 50
    assert record.attributes["coding_agent.compaction.duration"] == 2.5


def test_hooks_are_events_and_failing_ones_warnings() -> None:
    """Hooks have no spans; stop hooks run when the turn is over and are told all the same."""
    good = HookRun(at_ns(2), "PreToolUse", "PreToolUse:Bash", "success", 12.5, "toolu_1")
    bad = HookRun(at_ns(11), "Stop", "Stop", "blocking_error")
    first, second = (
        record
        for record in events_of(session(turn("p", hooks=(good,), closing_hooks=(bad,))))
        if record.event_name == "coding_agent.hook"
    )
    assert (first.severity_number, second.severity_number) == (9, 13)
    assert first.attributes["coding_agent.hook.duration"] == 0.0125
    assert first.attributes["gen_ai.tool.call.id"] == "toolu_1"
    assert second.attributes["coding_agent.hook.outcome"] == "blocking_error"
    assert "coding_agent.hook.duration" not in second.attributes


def test_refused_tools_are_events_of_the_tool() -> None:
    """A denial can be counted and alerted on without reading spans."""
    tool = tool_call("toolu_1", "Write", error_type="denied", denial="user-rejected")
    record = one("coding_agent.permission.denied", session(turn("p", model_call("req_1", tool))))
    assert record.span_id == tool_span_id("toolu_1")
    assert record.attributes["gen_ai.tool.name"] == "Write"
    assert record.attributes["coding_agent.permission.denial"] == "user-rejected"


def test_every_commit_of_a_tool_is_an_event() -> None:
    """A span can name one commit, events name all of them."""
    commits = (Commit("aaa1111", "committed", "main", at_ns(2)), Commit("bbb2222", "amended", None, at_ns(3)))
    whole = session(turn("p", model_call("req_1", tool_call(commits=commits))))
    revisions = [record.attributes.get("vcs.ref.head.revision") for record in events_of(whole)]
    assert revisions == [None, "aaa1111", "bbb2222"]


def test_a_pull_request_is_told_once() -> None:
    """The link a tool call made is its event; links of the session alone come without turn and span."""
    tool = tool_call(pull_requests=(PullRequestLink(WIDGETS, at_ns(3), "created"),))
    later = PullRequest("acme/gears", 8, "https://github.com/acme/gears/pull/8")
    links = (PullRequestLink(WIDGETS, at_ns(3), "created"), PullRequestLink(later, at_ns(99)))
    whole = session(turn("p", model_call("req_1", tool)), pull_requests=links)
    created, linked = (record for record in events_of(whole) if record.event_name == "coding_agent.pull_request")
    assert created.attributes["coding_agent.change.action"] == "created"
    assert created.span_id == tool_span_id("toolu_1")
    assert linked.attributes["vcs.change.id"] == "8"
    assert (linked.time_ns, linked.trace_id, linked.span_id) == (at_ns(99), b"", b"")
    assert "coding_agent.turn.key" not in linked.attributes


def test_events_of_open_turns_wait() -> None:
    """Events go out with their turn; an unfinished tool call has none."""
    tool = tool_call(denial="user-rejected", ended_ns=None)
    whole = session(turn("p", model_call("req_1", tool), is_complete=False))
    assert events_of(whole) == []
    assert turn_events(whole, whole.turns[0], OPTIONS) == []
    assert [record.event_name for record in events_of(whole, ConvertOptions(include_open=True))] == ["session.start"]


def test_events_are_in_time_order_under_their_turns_resource() -> None:
    """One batch per turn, each in the order things happened."""
    hooks = (HookRun(at_ns(5), "Stop", "Stop", "success"), HookRun(at_ns(2), "PreToolUse", "x", "success"))
    whole = session(turn("p", hooks=hooks, context=RecordContext(version="2.1.1")))
    (batch,) = session_events(whole, OPTIONS)
    assert batch.signal == Signal.LOGS
    assert dict(batch.resource.attributes)["service.version"] == "2.1.1"
    assert [item.time_ns for item in batch.items if isinstance(item, LogRecord)] == [at_ns(0), at_ns(2), at_ns(5)]


def test_events_have_ids_that_survive_what_comes_later() -> None:
    """An event sent twice is recognised by its id, even when the session knows more the second time."""
    hook = HookRun(at_ns(2), "PreToolUse", "x", "success")
    before = events_of(session(turn("p", hooks=(hook,))))
    after = events_of(session(turn("p", hooks=(hook,), error_type="x"), turn("q", index=1), forked_from="origin"))
    uids = [record.attributes["log.record.uid"] for record in before]
    assert [record.attributes["log.record.uid"] for record in after] == uids
    assert len(set(uids)) == len(uids)


def test_twins_are_two_events() -> None:
    """Two hooks of one name at one time both happened."""
    hook = HookRun(at_ns(2), "PreToolUse", "x", "success")
    records = events_of(session(turn("p", hooks=(hook, hook))))
    assert len({record.attributes["log.record.uid"] for record in records}) == 3
