from __future__ import annotations

import itertools
import random
from pathlib import Path

import msgspec
import pytest

from tests.transcripts import (
    SID,
    Line,
    agent_file,
    agent_progress,
    ask,
    at_ns,
    call_keys,
    count,
    load,
    load_lines,
    prompt,
    response,
    session_file,
    system,
    text,
    tool_result,
    tool_use,
)


def day_of_work() -> list[Line]:
    """Build three turns with tools, hung one on the other by their parents."""
    lines = []
    for n in range(3):
        at = n * 100
        lines += [
            prompt(f"Prompt {n}", at=at, promptId=f"p{n}"),
            ask(f"msg_{n}a", text("x"), at=at + 1),
            ask(f"msg_{n}a", tool_use(f"toolu_{n}"), at=at + 2),
            tool_result(f"toolu_{n}", at=at + 3),
            response(f"msg_{n}b", at=at + 4),
        ]
    for before, line in itertools.pairwise(lines):
        line["parentUuid"] = before["uuid"]
    return lines


def test_lines_that_are_repeated_change_nothing(tmp_path: Path) -> None:
    """A line written twice, next to itself or anywhere after, is one line; the session only says that it happened."""
    expected = load_lines(tmp_path, *day_of_work())
    stats = count(tmp_path)
    chance = random.Random(3)
    for _ in range(5):
        lines = day_of_work()
        for line in chance.choices(lines, k=8):
            lines.insert(chance.randint(lines.index(line) + 1, len(lines)), line)
        found = load_lines(tmp_path, *lines)
        assert found.quality.duplicate_records == 8
        assert msgspec.structs.replace(found, quality=expected.quality) == expected
        assert count(tmp_path).totals == stats.totals


def test_two_halves_under_two_projects_are_one_lane(tmp_path: Path) -> None:
    """Files of one session are merged by time, each line once, however they overlap and whichever is larger."""
    lines = day_of_work()
    whole = load_lines(tmp_path / "whole", *lines)
    for name, first, second in (("a", lines[:9], lines[6:]), ("b", lines[:4], lines[2:]), ("c", lines, lines[:5])):
        session_file(tmp_path / name, SID, *first, slug="-one")
        session_file(tmp_path / name, SID, *second, slug="-two")
        found = load(tmp_path / name)
        assert found.turns == whole.turns
        assert (found.quality.missing_parents, found.quality.duplicate_records) == (0, len(first) + len(second) - 15)
        assert count(tmp_path / name).totals == count(tmp_path / "whole").totals


def test_one_uuid_on_two_lines_loses_neither(tmp_path: Path) -> None:
    """Damaged ids make two responses, two results and two prompts no duplicates."""
    same = {"uuid": "u-1"}
    lines = [
        prompt("One", at=0, **same),
        ask("msg_1", tool_use("toolu_1"), at=1, **same),
        tool_result("toolu_1", at=2, **same),
        ask("msg_2", tool_use("toolu_2"), at=3, **same),
        tool_result("toolu_2", at=4, **same),
        prompt("Two", at=5, **same),
        response("msg_3", at=6, **same),
    ]
    session = load_lines(tmp_path, *lines)
    assert call_keys(session) == ["msg_1", "msg_2", "msg_3"]
    assert len([tool for tool in session.tool_calls() if tool.is_finished]) == 2
    assert len(session.turns) == 2
    assert len({turn.key for turn in session.turns}) == 2


def test_parents_that_no_file_has_are_counted(tmp_path: Path) -> None:
    """A parent is missing if no line of any file of the session has its uuid; a skipped line has one too."""
    lines = day_of_work()
    del lines[3]
    session = load_lines(tmp_path, *lines, system("x", at=999, parentUuid="nowhere", logicalParentUuid=None))
    assert session.quality.missing_parents == 2
    boundary = system("compact_boundary", at=999, parentUuid=None, logicalParentUuid=lines[-1]["uuid"])
    assert load_lines(tmp_path, *day_of_work(), boundary).quality.missing_parents == 0


def test_inline_sidechains_are_lanes_of_their_own(tmp_path: Path) -> None:
    """Two agents of 1.x in one file are told by their chains of parents, not by their order."""
    chains: list[list[Line]] = []
    for name, at in (("x", 2.0), ("y", 2.5)):
        root = prompt(name, at=at, isSidechain=True)
        first = ask(f"msg_{name}1", tool_use(f"toolu_{name}"), at=at + 1, isSidechain=True, parentUuid=root["uuid"])
        answer = tool_result(f"toolu_{name}", at=at + 2, isSidechain=True, parentUuid=first["uuid"])
        last = response(f"msg_{name}2", at=at + 3, isSidechain=True, parentUuid=answer["uuid"])
        chains.append([root, first, answer, last])
    mixed = [line for pair in zip(*chains, strict=True) for line in pair]
    uses = [tool_use(f"toolu_{name}0", "Task", prompt=name) for name in "xy"]
    lines = [
        prompt(at=0),
        ask("msg_1", *uses, at=1),
        *mixed,
        tool_result("toolu_x0", at=8),
        tool_result("toolu_y0", at=9),
    ]
    session = load_lines(tmp_path, *lines)
    agents = [tool.agent for tool in session.turns[0].calls[0].tool_calls if tool.agent]
    assert [[call.message_id for call in agent.calls] for agent in agents] == [
        ["msg_x1", "msg_x2"],
        ["msg_y1", "msg_y2"],
    ]
    assert [call.message_id for call in session.turns[0].calls] == ["msg_1"]


def test_a_response_split_between_lanes_is_one_with_all_its_tools(tmp_path: Path) -> None:
    """Where a tool call or its result is only in another lane's copy, it is counted and shown with its response."""
    session_file(tmp_path, SID, prompt(at=0), ask("msg_1", tool_use("toolu_1"), at=1))
    copy = [ask("msg_1", tool_use("toolu_2"), at=2), tool_result("toolu_1", at=3), tool_result("toolu_2", at=4)]
    agent_file(tmp_path, SID, "a1", prompt("aside", at=1), *copy, response("msg_a", at=5))
    session = load(tmp_path)
    call = session.turns[0].calls[0]
    assert [(tool.id, tool.ended_ns) for tool in call.tool_calls] == [("toolu_1", at_ns(3)), ("toolu_2", at_ns(4))]
    assert count(tmp_path).totals.tool_calls == 2


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_files_leaves_no_trace(tmp_path: Path, order: int) -> None:
    """Sub-agents come by their first record, whatever their files are called."""
    session_file(tmp_path, SID, prompt(at=0), response("msg_1", at=1))
    for n, agent_id in enumerate(["a", "b", "c"][::order]):
        agent_file(tmp_path, SID, agent_id, prompt(at=n), response(f"msg_{agent_id}", at=n + 0.5))
    assert [agent.id for agent in load(tmp_path).turns[0].agents] == ["a", "b", "c"][::order]


def test_title_project_and_times_agree_in_both_ways_of_reading(tmp_path: Path) -> None:
    """What `stats` says of a session, `show` says too."""
    system_first = system("informational", at=-5, cwd="/elsewhere")
    session = load_lines(tmp_path, system_first, *day_of_work())
    (row,) = count(tmp_path).sessions
    assert (row.project, row.title) == (session.project, session.title) == ("/home/dev/widgets", None)
    assert row.started_at == "2026-03-02T09:00:00.000Z"
    assert session.started_ns == at_ns(0)


def test_a_copy_keeps_what_the_files_own_line_has_lost(tmp_path: Path) -> None:
    """Where a tool call is damaged in the agent's file and whole in the embedded copy, it is counted and shown."""
    whole = ask("msg_a", tool_use("toolu_a"), at=3)
    damaged = ask("msg_a", tool_use("toolu_a") | {"id": None}, at=3)
    lines = [prompt(at=0), ask("msg_1", tool_use(name="Task", prompt="look"), at=1), agent_progress(whole)]
    session_file(tmp_path, SID, *lines, tool_result(at=9, result={"agentId": "a1"}))
    agent_file(tmp_path, SID, "a1", prompt("look", at=2), damaged, tool_result("toolu_a", at=4))
    assert sorted(tool.id for tool in load(tmp_path).tool_calls() if tool.is_finished) == ["toolu_1", "toolu_a"]
    assert count(tmp_path).totals.tool_calls == 2
