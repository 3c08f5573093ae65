from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.model import IDLE_TURN_NS, Session
from tests.transcripts import (
    SID,
    Block,
    Line,
    agent_file,
    api_error,
    ask,
    at_ns,
    attachment,
    call_keys,
    compact_boundary,
    final_error,
    hook,
    interrupt,
    load,
    load_lines,
    notification,
    progress,
    prompt,
    queue_operation,
    response,
    session_file,
    stop_hooks,
    system,
    text,
    tool_result,
    tool_use,
)

HALF_HOUR_S = 1800


def shape(session: Session) -> list[tuple[str, int, str, list[str]]]:
    """Key, ordinal, end reason and message ids of each turn."""
    return [
        (turn.key, turn.ordinal, turn.end_reason, [call.message_id for call in turn.calls]) for turn in session.turns
    ]


def asked(text_or_blocks: str | list[Block] = "Do it", *, at: float, name: str) -> Line:
    """Build a prompt whose turn is called ``name``."""
    return prompt(text_or_blocks, at=at, promptId=name)


def test_a_turn_ends_when_the_model_says_so(tmp_path: Path) -> None:
    """end_turn with no tool open closes the turn at that line."""
    session = load_lines(tmp_path, asked(at=0, name="p1"), response("msg_1", at=4), now=5)
    (turn,) = session.turns
    assert (turn.key, turn.end_reason, turn.is_complete) == ("p1", "end_turn", True)
    assert (turn.started_ns, turn.ended_ns) == (at_ns(0), at_ns(4))


def test_a_turn_ends_when_the_next_prompt_comes(tmp_path: Path) -> None:
    """Two thirds of real turns never say end_turn."""
    lines = [
        asked(at=0, name="p1"),
        ask("msg_1", tool_use(), at=1),
        tool_result(at=2),
        asked(at=9, name="p2"),
        response("msg_2", at=10),
    ]
    assert shape(load_lines(tmp_path, *lines)) == [
        ("p1", 0, "next_prompt", ["msg_1"]),
        ("p2", 0, "end_turn", ["msg_2"]),
    ]


def test_end_turn_with_an_open_tool_does_not_close(tmp_path: Path) -> None:
    """A response that says end_turn while a tool still runs waits for the result."""
    lines = [
        asked(at=0, name="p1"),
        response("msg_1", tool_use(), at=1, stop="end_turn"),
        tool_result(at=2),
        response("msg_2", at=3),
    ]
    assert shape(load_lines(tmp_path, *lines)) == [("p1", 0, "end_turn", ["msg_1", "msg_2"])]


def test_a_late_line_of_the_last_response_still_belongs_to_it(tmp_path: Path) -> None:
    """Every block's line carries the stop reason: the first of them does not end the turn for the others."""
    lines = [asked(at=0, name="p1"), response("msg_1", text("a"), at=1), response("msg_1", text("b"), at=2)]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "end_turn", ["msg_1"])]
    assert session.turns[0].ended_ns == at_ns(2)


def test_thirty_quiet_minutes_end_a_turn(tmp_path: Path) -> None:
    """What comes after the pause is a continuation under the same key, with the next ordinal."""
    lines = [
        asked(at=0, name="p1"),
        ask("msg_1", tool_use(), at=1),
        tool_result(at=2),
        response("msg_2", at=2 + HALF_HOUR_S + 1),
    ]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "idle", ["msg_1"]), ("p1", 1, "end_turn", ["msg_2"])]
    assert (session.turns[1].previous_key, session.turns[1].previous_ordinal) == ("p1", 0)
    assert session.turns[1].prompt.length == 0


def test_exactly_thirty_minutes_do_not_end_a_turn(tmp_path: Path) -> None:
    """The pause must be longer than the limit."""
    lines = [asked(at=0, name="p1"), response("msg_1", at=HALF_HOUR_S, stop=None)]
    assert [entry[1] for entry in shape(load_lines(tmp_path, *lines))] == [0]


@pytest.mark.parametrize(
    "tick",
    [
        progress("bash_progress", at=1500),
        attachment("total_tokens_reminder", at=1500),
        system("away_summary", at=1500),
        queue_operation(at=1500),
    ],
)
def test_any_record_of_the_lane_breaks_the_silence(tmp_path: Path, tick: Line) -> None:
    """Ticks of a running tool and other records without content say that the session was alive."""
    lines = [
        asked(at=0, name="p1"),
        ask("msg_1", tool_use(), at=1),
        tick,
        tool_result(at=3000),
        response("m2", at=3001),
    ]
    assert shape(load_lines(tmp_path, *lines)) == [("p1", 0, "end_turn", ["msg_1", "m2"])]


@pytest.mark.parametrize(("now", "is_complete", "reason"), [(2, False, "open"), (1802, True, "idle")])
def test_the_clock_only_judges_the_last_turn(tmp_path: Path, now: float, is_complete: bool, reason: str) -> None:
    """The last turn is open until it was silent for half an hour; nothing else of it depends on the clock."""
    lines = [asked(at=0, name="p1"), response("msg_0", at=0), asked(at=1, name="p2"), ask("msg_1", tool_use(), at=1)]
    turns = load_lines(tmp_path, *lines, now=now).turns
    assert [turn.is_complete for turn in turns] == [True, is_complete]
    assert (turns[1].end_reason, turns[1].ended_ns) == (reason, at_ns(1))


def test_a_blocking_stop_hook_opens_a_continuation(tmp_path: Path) -> None:
    """What the model does after a stop hook refused the end is the same turn, ordinal 1."""
    lines = [
        asked(at=0, name="p1"),
        response("msg_1", at=1),
        stop_hooks(at=2, errors=["tests fail"]),
        prompt("Stop hook feedback:\ntests fail", at=3, isMeta=True, promptId="p1"),
        ask("msg_2", tool_use(), at=4),
        tool_result(at=5),
        response("msg_3", at=6),
        stop_hooks(at=7),
    ]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "end_turn", ["msg_1"]), ("p1", 1, "end_turn", ["msg_2", "msg_3"])]
    first, second = session.turns
    assert [run.outcome for run in first.closing_hooks] == ["error"]
    assert [run.outcome for run in second.closing_hooks] == ["success"]
    assert (first.ended_ns, second.index) == (at_ns(1), 1)
    assert second.started_ns <= second.calls[0].started_ns


def test_hooks_within_a_turn_are_told_from_closing_ones(tmp_path: Path) -> None:
    """Hooks up to the end of the turn are its own; those that ran when it was over are known too late for it."""
    lines = [
        asked(at=0, name="p1"),
        hook("UserPromptSubmit", at=0.5),
        ask("msg_1", tool_use(), at=1),
        hook("PostToolUse", at=3, toolUseID="toolu_1", durationMs=250),
        tool_result(at=4),
        hook("PreToolUse", at=5, outcome="hook_blocking_error", toolUseID="toolu_2"),
        response("msg_2", at=6),
        stop_hooks(at=7, commands=2),
    ]
    (turn,) = load_lines(tmp_path, *lines).turns
    assert [(run.event, run.outcome, run.tool_call_id, run.duration_ms) for run in turn.hooks] == [
        ("UserPromptSubmit", "success", None, 12),
        ("PostToolUse", "success", "toolu_1", 250),
        ("PreToolUse", "blocking_error", "toolu_2", 12),
    ]
    assert [(run.event, run.duration_ms) for run in turn.closing_hooks] == [("Stop", 10), ("Stop", 20)]


def test_a_result_in_a_later_part_is_a_late_tool_call(tmp_path: Path) -> None:
    """A tool that outlives its turn is shown where its result came, once, and counted once."""
    lines = [
        asked(at=0, name="p1"),
        ask("msg_1", tool_use("toolu_1"), tool_use("toolu_2"), at=1),
        tool_result("toolu_2", at=2),
        tool_result("toolu_1", at=HALF_HOUR_S + 10),
        response("msg_2", at=HALF_HOUR_S + 11),
    ]
    session = load_lines(tmp_path, *lines)
    first, second = session.turns
    assert [tool.id for tool in first.calls[0].tool_calls] == ["toolu_2"]
    assert [(tool.id, tool.started_ns) for tool in second.late_tool_calls] == [("toolu_1", at_ns(1))]
    assert (second.key, second.ordinal) == ("p1", 1)
    assert len(list(session.tool_calls())) == 2


def test_a_late_tool_call_keeps_its_agent_and_its_pull_request(tmp_path: Path) -> None:
    """What hangs on a tool call moves with it."""
    url = "https://github.com/acme/widgets/pull/9"
    lines = [
        asked(at=0, name="p1"),
        ask("msg_1", tool_use("toolu_1", "Agent"), tool_use("toolu_2", command="gh pr create"), at=1),
        tool_result("toolu_1", at=HALF_HOUR_S + 10, result={"agentId": "a1"}),
        tool_result("toolu_2", f"{url}\n", at=HALF_HOUR_S + 10),
    ]
    session_file(tmp_path, SID, *lines)
    agent_file(tmp_path, SID, "a1", prompt("x", at=2), response("msg_a", at=3))
    session = load(tmp_path)
    assert [tool.agent is not None for tool in session.turns[1].late_tool_calls] == [True, False]
    assert call_keys(session) == ["msg_1", "msg_a"]
    assert [(link.pull_request.number, link.action) for link in session.pull_requests] == [(9, "created")]


def test_a_task_notification_opens_a_turn_of_its_own(tmp_path: Path) -> None:
    """The client wakes the model when a background task ends: a new turn, linked to the one before."""
    told = prompt(notification("a1"), at=10, promptId="p2", origin={"kind": "task-notification"})
    lines = [asked(at=0, name="p1"), response("msg_1", at=1), told, response("msg_2", at=11)]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "end_turn", ["msg_1"]), ("p2", 0, "end_turn", ["msg_2"])]
    assert session.turns[1].prompt.kind == "notification"
    assert (session.turns[1].previous_key, session.turns[1].previous_session_id) == ("p1", None)


@pytest.mark.parametrize("as_kind", ["attachment", "queue"])
def test_news_inside_a_turn_opens_none(tmp_path: Path, as_kind: str) -> None:
    """A notification absorbed in the middle of a turn is an attachment or a queue operation, not a prompt."""
    news = (
        attachment("queued_command", at=5, prompt=notification("a1"), commandMode="task-notification")
        if as_kind == "attachment"
        else queue_operation("remove", at=5, content=notification("a1"))
    )
    lines = [asked(at=0, name="p1"), ask("msg_1", tool_use(), at=1), tool_result(at=4), news, response("msg_2", at=6)]
    assert shape(load_lines(tmp_path, *lines)) == [("p1", 0, "end_turn", ["msg_1", "msg_2"])]


COMMAND = (
    "<command-message>review</command-message>\n<command-name>/review</command-name>\n<command-args>7</command-args>"
)


def test_a_slash_command_with_an_answer_is_a_turn(tmp_path: Path) -> None:
    """It is opened by the command, whose expansion is no prompt of its own."""
    expansion = prompt("Review the pull request", at=1, isMeta=True, promptId="p1")
    lines = [asked(COMMAND, at=0, name="p1"), expansion, response("msg_1", at=2)]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "end_turn", ["msg_1"])]
    assert (session.turns[0].prompt.kind, session.turns[0].prompt.command) == ("command", "review")


def test_a_local_command_is_no_turn(tmp_path: Path) -> None:
    """/model and its output never reach the model."""
    lines = [
        prompt("Caveat: the messages below", at=0, isMeta=True),
        asked("<command-name>/model</command-name>\n<command-args></command-args>", at=0, name="p0"),
        prompt("<local-command-stdout>Set model to opus</local-command-stdout>", at=0),
        prompt("<bash-input>ls</bash-input>", at=1),
        prompt("<bash-stdout>a</bash-stdout>", at=2),
        asked("Go", at=3, name="p1"),
        response("msg_1", at=4),
    ]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "end_turn", ["msg_1"])]
    assert session.turns[0].index == 0


def test_a_prompt_without_an_answer_is_a_turn(tmp_path: Path) -> None:
    """Somebody asked and pressed Esc: the turn exists, costs nothing and ends with the next prompt."""
    lines = [
        asked("Wait, no", at=0, name="p1"),
        prompt([text("[Request interrupted by user]")], at=1),
        asked("Yes", at=2, name="p2"),
        response("msg_1", at=3),
    ]
    assert shape(load_lines(tmp_path, *lines)) == [("p1", 0, "next_prompt", []), ("p2", 0, "end_turn", ["msg_1"])]


def test_an_interruption_belongs_to_the_turn_it_ended(tmp_path: Path) -> None:
    """The client's line about Esc opens nothing and reaches to its own time."""
    lines = [
        asked("Yes", at=0, name="p1"),
        ask("msg_1", tool_use(), at=1),
        tool_result(at=2, is_error=True),
        interrupt(at=3),
        asked("Again", at=9, name="p2"),
    ]
    session = load_lines(tmp_path, *lines)
    assert shape(session)[0] == ("p1", 0, "next_prompt", ["msg_1"])
    assert session.turns[0].ended_ns == at_ns(3)


def test_compaction_is_kept_where_it_happened(tmp_path: Path) -> None:
    """The boundary is a fact of its turn, the summary is no prompt, and calls after it say so."""
    lines = [
        asked(at=0, name="p1"),
        ask("msg_1", tool_use(), at=1),
        tool_result(at=2),
        compact_boundary(at=3, postTokens=20_000, durationMs=900),
        prompt("This session is being continued from a previous conversation …", at=3, isCompactSummary=True),
        response("msg_2", at=4),
    ]
    (turn,) = load_lines(tmp_path, *lines).turns
    (compaction,) = turn.compactions
    assert (compaction.trigger, compaction.tokens_before, compaction.tokens_after) == ("auto", 150_000, 20_000)
    assert (compaction.duration_ms, compaction.at_ns) == (900, at_ns(3))
    assert [call.follows_compaction for call in turn.calls] == [False, True]


def test_a_boundary_without_details_is_a_compaction(tmp_path: Path) -> None:
    """Older clients wrote less."""
    lines = [asked(at=0, name="p1"), system("compact_boundary", at=1), response("msg_1", at=2)]
    (compaction,) = load_lines(tmp_path, *lines).turns[0].compactions
    assert (compaction.trigger, compaction.tokens_before) == ("auto", None)


def test_retries_go_to_the_call_that_came_of_them(tmp_path: Path) -> None:
    """Each failed attempt is kept with status, type, attempt and delay; the turn did not fail."""
    lines = [
        asked(at=0, name="p1"),
        api_error(at=1, attempt=1),
        api_error(at=2, attempt=2, status=429, kind="rate_limit_error"),
        response("msg_1", at=3),
        asked(at=4, name="p2"),
        response("msg_2", at=5),
    ]
    session = load_lines(tmp_path, *lines)
    first, second = session.calls()
    assert [(retry.error_type, retry.status, retry.attempt, retry.retry_delay_ms) for retry in first.retries] == [
        ("overloaded_error", 529, 1, 500.5),
        ("rate_limit_error", 429, 2, 500.5),
    ]
    assert second.retries == ()
    assert session.turns[0].error_type is None


def test_an_error_that_ends_the_turn_is_its_error(tmp_path: Path) -> None:
    """The final notice names the error of the turn; the retries before it belong to no call."""
    lines = [asked(at=0, name="p1"), api_error(at=1), final_error(at=2), asked(at=9, name="p2"), response("m", at=10)]
    session = load_lines(tmp_path, *lines)
    failed, fine = session.turns
    assert (failed.error_type, [error.status for error in failed.errors]) == ("rate_limit", [429])
    assert failed.errors[0].is_final
    assert (failed.calls, fine.error_type, fine.calls[0].retries) == ((), None, ())


def test_an_error_that_was_overcome_is_not_the_turns_error(tmp_path: Path) -> None:
    """A turn that went on after the error did not fail."""
    lines = [asked(at=0, name="p1"), final_error(at=1), response("msg_1", at=2)]
    (turn,) = load_lines(tmp_path, *lines).turns
    assert (turn.error_type, len(turn.errors)) == (None, 1)


@pytest.mark.parametrize(
    ("error", "status", "words", "expected"),
    [
        ("server_error", 500, "API Error", ("server_error", 500)),
        (
            "unknown",
            None,
            'API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}',
            ("overloaded_error", 529),
        ),
        (None, None, "API Error: Request was aborted.", ("_OTHER", None)),
        ("a whole sentence, not a word", 400, "x", ("_OTHER", 400)),
        ({"type": "error", "error": {"type": "api_error"}}, None, "x", ("api_error", None)),
        ([1], "many", "x", ("_OTHER", None)),
    ],
)
def test_error_types_are_bounded_words(
    tmp_path: Path, error: object, status: object, words: str, expected: tuple[str, int | None]
) -> None:
    """Whatever the client puts there, a type is one word; old notices are read for the API's answer they quote."""
    line = final_error(at=1, error=error) | {"apiErrorStatus": status}
    line["message"]["content"] = [text(words)]
    (found,) = load_lines(tmp_path, asked(at=0, name="p1"), line).turns[0].errors
    assert (found.error_type, found.status) == expected


def test_a_last_attempt_that_failed_is_final(tmp_path: Path) -> None:
    """An attempt beyond the client's own maximum ends the request, with or without a notice."""
    (turn,) = load_lines(tmp_path, asked(at=0, name="p1"), api_error(at=1, attempt=11)).turns
    assert (turn.error_type, turn.errors[0].is_final) == ("overloaded_error", True)


def test_a_file_that_begins_in_the_middle_has_a_first_turn(tmp_path: Path) -> None:
    """Copied or cut files may begin with an answer."""
    session = load_lines(tmp_path, response("msg_1", at=1), asked(at=2, name="p1"), response("msg_2", at=3))
    assert shape(session)[0][1:] == (0, "end_turn", ["msg_1"])
    assert session.turns[0].prompt.kind == "other"
    assert session.turns[0].key == response("msg_1", at=1)["uuid"]


def test_prompts_without_any_id_have_keys_of_their_own(tmp_path: Path) -> None:
    """Turns never share a key, or their spans would be one."""
    lines = [prompt(f"Prompt {n}", at=n, uuid=None) for n in range(3)]
    turns = load_lines(tmp_path, *lines).turns
    assert len({(turn.key, turn.ordinal) for turn in turns}) == len(turns) == 3


def test_keys_are_unique_whatever_ids_repeat(tmp_path: Path) -> None:
    """One prompt id or one uuid on several prompts: the last keeps it, the others are told apart."""
    lines = [prompt(f"Prompt {n}", at=n, uuid="u-1", promptId="p-1") for n in range(4)]
    turns = load_lines(tmp_path, *lines).turns
    assert len({turn.key for turn in turns}) == 4
    assert turns[3].key == "p-1"


def test_a_turn_without_times_at_its_head_starts_with_the_first_time(tmp_path: Path) -> None:
    """A damaged first line does not make a turn of fifty years."""
    lines = [prompt("Go", timestamp=None, promptId="p1"), response("msg_1", at=4), response("msg_1", text("x"), at=5)]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "end_turn", ["msg_1"])]
    assert (session.turns[0].started_ns, session.started_ns, session.ended_ns) == (at_ns(4), at_ns(4), at_ns(5))


def test_times_that_run_backwards_keep_the_order_of_lines(tmp_path: Path) -> None:
    """533 of 796 real files go back in time here and there: within a file, lines decide."""
    lines = [asked(at=10, name="p1"), ask("msg_1", tool_use(), at=11), tool_result(at=10.5), response("msg_2", at=10.8)]
    (turn,) = load_lines(tmp_path, *lines).turns
    assert [call.message_id for call in turn.calls] == ["msg_1", "msg_2"]
    assert turn.ended_ns == at_ns(11)
    assert all(call.started_ns <= call.ended_ns for call in turn.calls)
    assert all(tool.ended_ns and tool.started_ns <= tool.ended_ns for call in turn.calls for tool in call.tool_calls)


def test_the_place_of_a_turn_is_where_its_records_were_written(tmp_path: Path) -> None:
    """Branch, folder and entrypoint can change inside a session: each turn and call tells its own."""
    place = {"cwd": "/home/dev/other", "gitBranch": "feat/x", "entrypoint": "sdk-cli"}
    lines = [
        asked(at=0, name="p1"),
        response("msg_1", at=1),
        asked(at=2, name="p2") | place,
        response("msg_2", at=3) | {"gitBranch": "feat/y"},
    ]
    session = load_lines(tmp_path, *lines)
    assert [turn.context.branch for turn in session.turns] == ["main", "feat/x"]
    assert [call.context.branch for call in session.calls()] == ["main", "feat/y"]
    assert (session.turns[1].context.cwd, session.turns[1].context.entrypoint) == ("/home/dev/other", "sdk-cli")


def test_the_limit_of_a_turn_is_thirty_minutes() -> None:
    """DESIGN §3 says so."""
    assert IDLE_TURN_NS == HALF_HOUR_S * 10**9
