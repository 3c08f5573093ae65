from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.transcripts import (
    SID,
    USAGE,
    Line,
    agent_file,
    ask,
    call_keys,
    count,
    fork_1_0_60,
    fork_2_0_30,
    fork_2_1_50,
    fork_2_1_181,
    fork_2_1_329,
    fork_oh_my_posh,
    iso,
    library,
    prompt,
    queue_operation,
    response,
    session_file,
    text,
    tool_result,
    tool_use,
)

ORIGIN = SID
EARLY, LATE = "00000000-0000-4000-8000-00000000000f", "ffffffff-0000-4000-8000-00000000000f"
"""Ids of a fork that sort before and after the origin's: the smaller name is read first."""

Copy = Callable[[list[Line]], list[Line]]
COPIES: dict[str, Copy] = {
    "1.0.60": lambda lines: fork_1_0_60(lines, at=100),
    "2.0.30": lambda lines: fork_2_0_30(lines, origin=ORIGIN),
    "2.1.50": lambda lines: fork_2_1_50(lines, origin=ORIGIN),
    "2.1.181": fork_2_1_181,
    "2.1.329": lambda lines: fork_2_1_329(lines, prompt_id="prompt-fork"),
    "oh-my-posh": fork_oh_my_posh,
}


def history() -> list[Line]:
    """Two turns, the first with a tool call."""
    return [
        prompt("One", at=0, promptId="prompt-1"),
        ask("msg_1", tool_use("toolu_1", command="ls"), at=1),
        tool_result("toolu_1", at=2, promptId="prompt-1"),
        response("msg_2", at=3),
        prompt("Two", at=10, promptId="prompt-2"),
        response("msg_3", at=11),
    ]


def own_turn(*, at: float = 100, prompt_id: str = "prompt-fork") -> list[Line]:
    """Build the turn a fork goes on with."""
    return [queue_operation(at=at), prompt("Fork", at=at + 1, promptId=prompt_id), response("msg_f", at=at + 2)]


def keys(root: Path) -> dict[str, list[str]]:
    """Message ids by session, which both ways of reading must agree on."""
    sessions = {session.id: session for session in library(root)}
    stats = {session.session_id: session for session in count(root).sessions}
    for session_id, session in sessions.items():
        calls = list(session.calls())
        row = stats[session_id]
        tools = sum(tool.is_finished for tool in session.tool_calls())
        assert (row.calls, row.tool_calls, row.forked_from) == (len(calls), tools, session.forked_from)
        assert row.cost_usd == sum(call.cost_usd or 0 for call in calls)
    return {session_id: call_keys(session) for session_id, session in sessions.items()}


@pytest.mark.parametrize("version", COPIES)
@pytest.mark.parametrize("fork_id", [EARLY, LATE])
@pytest.mark.parametrize("is_queued", [True, False])
def test_a_call_belongs_to_the_session_it_was_born_in(
    tmp_path: Path, version: str, fork_id: str, is_queued: bool
) -> None:
    """However a version copies history, in either order of files, each call is counted where it was made."""
    birth = [queue_operation(at=0)] if is_queued else []
    session_file(tmp_path, ORIGIN, *birth, *history())
    session_file(tmp_path, fork_id, *COPIES[version](history()), *own_turn())
    assert keys(tmp_path) == {ORIGIN: ["msg_1", "msg_2", "msg_3"], fork_id: ["msg_f"]}
    totals = count(tmp_path).totals
    assert (totals.calls, totals.tool_calls, totals.output_tokens) == (4, 1, 200)


@pytest.mark.parametrize("version", COPIES)
@pytest.mark.parametrize("fork_id", [EARLY, LATE])
def test_a_fork_says_where_it_came_from(tmp_path: Path, version: str, fork_id: str) -> None:
    """The fork's first own turn follows the origin's turn that holds the latest call it copied."""
    session_file(tmp_path, ORIGIN, queue_operation(at=0), *history(), prompt("Three", at=20), response("msg_4", at=21))
    session_file(tmp_path, fork_id, *COPIES[version](history()), *own_turn())
    sessions = library(tmp_path)
    origin, fork = sessions[ORIGIN], sessions[fork_id]
    (turn,) = fork.turns
    assert fork.forked_from == ORIGIN
    assert turn.key == "prompt-fork"
    assert (turn.previous_session_id, turn.previous_key, turn.previous_ordinal) == (ORIGIN, origin.turns[1].key, 0)
    assert origin.turns[1].key == "prompt-2"
    assert fork.quality.foreign_calls == 3
    assert origin.forked_from is None


def test_the_fork_point_names_the_continuation_it_left_from(tmp_path: Path) -> None:
    """Where the origin's turn went on after a stop hook, the link leads to that part of it."""
    lines = [
        prompt("One", at=0, promptId="prompt-1"),
        response("msg_1", at=1),
        prompt("Stop hook feedback", at=2, isMeta=True),
        response("msg_2", at=3),
    ]
    session_file(tmp_path, ORIGIN, queue_operation(at=0), *lines)
    session_file(tmp_path, LATE, *fork_2_1_181(lines), *own_turn())
    (turn,) = library(tmp_path)[LATE].turns
    assert (turn.previous_key, turn.previous_ordinal) == ("prompt-1", 1)


@pytest.mark.parametrize("version", COPIES)
def test_a_fork_whose_origin_is_gone_owns_everything(tmp_path: Path, version: str) -> None:
    """Nothing is lost when the origin's file was cleaned up."""
    session_file(tmp_path, LATE, *COPIES[version](history()), *own_turn())
    assert keys(tmp_path) == {LATE: ["msg_1", "msg_2", "msg_3", "msg_f"]}
    assert library(tmp_path)[LATE].forked_from is None


def test_rewritten_prompt_ids_do_not_merge_turns(tmp_path: Path) -> None:
    """2.1.329 gives all copied prompts the fork's id: where the origin is gone, the earlier ones go by their lines."""
    copied = fork_2_1_329(history(), prompt_id="prompt-fork")
    session_file(tmp_path, LATE, *copied, *own_turn())
    turns = library(tmp_path)[LATE].turns
    assert [turn.key for turn in turns] == [copied[0]["uuid"], copied[4]["uuid"], "prompt-fork"]
    assert [turn.ordinal for turn in turns] == [0, 0, 0]


@pytest.mark.parametrize("middle_id", [EARLY, LATE])
@pytest.mark.parametrize("version", COPIES)
def test_a_fork_of_a_fork(tmp_path: Path, version: str, middle_id: str) -> None:
    """Each generation owns what it made, and follows the one right before it."""
    last_id = "77777777-0000-4000-8000-000000000000"
    middle = [*COPIES[version](history()), *own_turn(prompt_id="prompt-middle")]
    last = [*COPIES[version](history()), *COPIES[version](own_turn(prompt_id="prompt-middle")[1:])]
    session_file(tmp_path, ORIGIN, queue_operation(at=0), *history())
    session_file(tmp_path, middle_id, *middle)
    session_file(tmp_path, last_id, *last, queue_operation(at=200), prompt("Last", at=201), response("msg_l", at=202))
    assert keys(tmp_path) == {ORIGIN: ["msg_1", "msg_2", "msg_3"], middle_id: ["msg_f"], last_id: ["msg_l"]}
    assert library(tmp_path)[last_id].forked_from == middle_id


def test_a_line_that_names_its_origin_decides(tmp_path: Path) -> None:
    """An origin that went on after the fork is younger by its own records; forkedFrom tells, through two copies."""
    named: dict[str, Any] = {"forkedFrom": {"sessionId": ORIGIN, "messageUuid": "x"}}
    named_again: dict[str, Any] = {"forkedFrom": {"sessionId": EARLY, "messageUuid": "x"}}
    session_file(tmp_path, ORIGIN, *history(), prompt("Later", at=900), response("msg_4", at=901))
    session_file(tmp_path, EARLY, *(line | named for line in history()), *own_turn()[1:])
    session_file(tmp_path, LATE, *(line | named_again for line in history()), prompt("x", at=50), response("m", at=51))
    assert keys(tmp_path) == {ORIGIN: ["msg_1", "msg_2", "msg_3", "msg_4"], EARLY: ["msg_f"], LATE: ["m"]}


def test_a_resumed_file_is_one_session(tmp_path: Path) -> None:
    """--resume without fork appends to the file, perhaps by another version, days later."""
    resumed = [prompt("Back", at=500_000, version="2.1.270"), response("msg_9", at=500_001, version="2.1.270")]
    session_file(tmp_path, ORIGIN, queue_operation(at=0), *history(), queue_operation(at=500_000), *resumed)
    (session,) = library(tmp_path)
    assert call_keys(session) == ["msg_1", "msg_2", "msg_3", "msg_9"]
    assert {call.context.version for call in session.calls()} == {"2.1.181", "2.1.270"}
    assert list(count(tmp_path).by_day) == ["2026-03-02", "2026-03-08"]


def test_a_copy_can_know_more_tokens_than_the_owner(tmp_path: Path) -> None:
    """The maximum runs over all copies, while identity and time stay the owner's."""
    session_file(tmp_path, ORIGIN, queue_operation(at=0), prompt(), response("msg_1", stop=None))
    copy = response("msg_1", requestId="req_copy", usage=USAGE | {"output_tokens": 90, "speed": "fast"})
    session_file(tmp_path, EARLY, prompt(), copy, *own_turn())
    (call,) = library(tmp_path)[ORIGIN].calls()
    assert (call.usage.output_tokens, call.output_is_lower_bound, call.key) == (90, False, "req_msg_1")
    assert call.terms.speed == "fast"
    assert [session.output_tokens for session in count(tmp_path).sessions] == [90, 50]


def test_copied_turns_are_not_turns_of_the_fork(tmp_path: Path) -> None:
    """Prompts, hooks and interrupted turns of the copied history are left out, own ones without an answer stay."""
    lines = [*history()[:4], prompt("Never answered", at=8, promptId="prompt-x"), *history()[4:]]
    session_file(tmp_path, ORIGIN, queue_operation(at=0), *lines)
    asked = prompt("Own but not answered", at=120, promptId="prompt-own")
    session_file(tmp_path, LATE, *fork_2_1_181(lines), *own_turn(), asked)
    sessions = library(tmp_path)
    assert [turn.key for turn in sessions[ORIGIN].turns] == ["prompt-1", "prompt-x", "prompt-2"]
    assert [turn.key for turn in sessions[LATE].turns] == ["prompt-fork", "prompt-own"]
    assert [turn.index for turn in sessions[LATE].turns] == [0, 1]
    (fork,) = [row for row in count(tmp_path).sessions if row.session_id == LATE]
    assert fork.started_at == iso(101)


def test_agents_of_copied_turns_stay_with_the_origin(tmp_path: Path) -> None:
    """A fork copies the line that started an agent, not the agent: it is counted and shown once."""
    lines = [
        prompt("One", at=0),
        ask("msg_1", tool_use("toolu_1", "Agent", prompt="look"), at=1),
        tool_result("toolu_1", "found", at=9, result={"agentId": "a1"}),
        response("msg_2", at=10),
    ]
    session_file(tmp_path, ORIGIN, queue_operation(at=0), *lines)
    agent_file(tmp_path, ORIGIN, "a1", prompt("look", at=2), response("msg_a", at=3))
    session_file(tmp_path, EARLY, *fork_2_1_181(lines), *own_turn())
    assert keys(tmp_path) == {ORIGIN: ["msg_1", "msg_a", "msg_2"], EARLY: ["msg_f"]}


def test_two_files_that_are_all_equal_are_counted_once(tmp_path: Path) -> None:
    """A fork nobody went on with, or a backup under another name: the smaller id owns everything."""
    session_file(tmp_path, ORIGIN, *history())
    session_file(tmp_path, EARLY, *history())
    assert keys(tmp_path) == {EARLY: ["msg_1", "msg_2", "msg_3"], ORIGIN: []}
    stats = count(tmp_path)
    assert (stats.totals.calls, len(stats.sessions)) == (3, 2)


def test_tools_whose_result_only_one_side_has(tmp_path: Path) -> None:
    """A fork made while a tool ran: the call is the origin's, and finished if the origin saw its result."""
    lines = [prompt("One", at=0), ask("msg_1", text("x"), tool_use("toolu_1"), at=1)]
    session_file(tmp_path, ORIGIN, queue_operation(at=0), *lines, tool_result("toolu_1", at=2))
    session_file(tmp_path, EARLY, *fork_2_1_181(lines), *own_turn())
    assert keys(tmp_path) == {ORIGIN: ["msg_1"], EARLY: ["msg_f"]}
    assert count(tmp_path).totals.tool_calls == 1
