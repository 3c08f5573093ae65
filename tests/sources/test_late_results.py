"""Tool calls that were asked for before a fork and finished only in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcripts import (
    FORK,
    SID,
    agent_file,
    agent_progress,
    count,
    fork_2_1_181,
    load,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)

ASKED = [prompt(at=0), response("msg_1", tool_use("toolu_1"), stop="tool_use", at=1)]
YOUNGER = FORK[:-1] + "e"


def tool_calls(root: Path) -> dict[str, int]:
    """Return the counted tool calls of each session."""
    return {session.session_id: session.tool_calls for session in count(root).sessions}


def test_a_result_only_the_fork_has_counts_there(tmp_path: Path) -> None:
    """The origin stopped after asking: the response stays the origin's, the tool call is the fork's, once."""
    session_file(tmp_path, SID, queue_operation(at=0), *ASKED)
    own = [tool_result("toolu_1", at=60), response("msg_2", at=61)]
    session_file(tmp_path, FORK, queue_operation(at=50), *fork_2_1_181(ASKED), *own)

    assert {session.session_id: session.calls for session in count(tmp_path).sessions} == {SID: 1, FORK: 1}
    assert tool_calls(tmp_path) == {SID: 0, FORK: 1}
    assert [tool.id for tool in load(tmp_path, FORK).tool_calls() if tool.is_finished] == ["toolu_1"]
    assert not [tool for tool in load(tmp_path, SID).tool_calls() if tool.is_finished]


def test_a_result_both_have_is_the_origins(tmp_path: Path) -> None:
    """A copied result is no second tool call."""
    lines = [*ASKED, tool_result("toolu_1", at=2)]
    session_file(tmp_path, SID, queue_operation(at=0), *lines)
    session_file(tmp_path, FORK, queue_operation(at=50), *fork_2_1_181(lines), response("msg_2", at=61))
    assert tool_calls(tmp_path) == {SID: 1, FORK: 0}


def test_two_forks_with_the_result_count_it_once(tmp_path: Path) -> None:
    """The older fork ran the tool, the younger one copied that."""
    session_file(tmp_path, SID, queue_operation(at=0), *ASKED)
    copied = [*fork_2_1_181(ASKED), tool_result("toolu_1", at=60)]
    session_file(tmp_path, FORK, queue_operation(at=50), *copied)
    session_file(tmp_path, YOUNGER, queue_operation(at=70), *copied)
    assert tool_calls(tmp_path) == {SID: 0, FORK: 1, YOUNGER: 0}


@pytest.mark.parametrize("lane", ["sidechain", "embedded", "agent"])
def test_a_late_result_counts_whatever_lane_it_was_asked_in(tmp_path: Path, lane: str) -> None:
    """Inline sidechains, embedded copies and sub-agent files of a fork lose no tool call; the latest turn shows it."""
    asked = response("msg_1", tool_use("toolu_1"), stop="tool_use", at=1)
    copied = [prompt(at=0), {"sidechain": asked | {"isSidechain": True}}.get(lane, asked)]
    if lane == "embedded":
        copied[1] = agent_progress(asked)
    session_file(tmp_path, SID, queue_operation(at=0), *copied)
    own = [queue_operation(at=50), prompt("Own", at=51, promptId="own"), response("msg_2", at=52)]
    result = tool_result("toolu_1", at=60)
    session_file(tmp_path, FORK, *own, *(fork_2_1_181(copied) if lane != "agent" else []), result)
    if lane == "agent":
        agent_file(tmp_path, FORK, "a1", *copied)
    assert tool_calls(tmp_path) == {SID: 0, FORK: 1}
    shown = [(turn.key, tool.id) for turn in load(tmp_path, FORK).turns for tool in turn.late_tool_calls]
    assert [tool_id for _, tool_id in shown] == ["toolu_1"]


def test_a_late_result_in_an_agents_file_goes_to_the_turn_before_it(tmp_path: Path) -> None:
    """The copied call is shown in the fork's latest turn, or in one of its own where there is none."""
    session_file(tmp_path, SID, queue_operation(at=0), *ASKED)
    own = [prompt("Own", at=51, promptId="own"), response("msg_2", at=52)]
    session_file(tmp_path, FORK, *fork_2_1_181(ASKED), queue_operation(at=50), *own)
    agent_file(tmp_path, FORK, "a1", tool_result("toolu_1", at=60))
    session_file(tmp_path, YOUNGER, *fork_2_1_181(ASKED), queue_operation(at=70))
    assert tool_calls(tmp_path) == {SID: 0, FORK: 1, YOUNGER: 0}
    (turn,) = load(tmp_path, FORK).turns
    assert (turn.key, [tool.id for tool in turn.late_tool_calls]) == ("own", ["toolu_1"])
