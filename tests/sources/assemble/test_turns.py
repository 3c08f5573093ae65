from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.assemble.shapes import asked, shape
from tests.transcripts import (
    SID,
    Line,
    agent_file,
    ask,
    at_ns,
    attachment,
    call_keys,
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
