"""Commits and pull requests that tool calls made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sources.assemble.shapes import called
from tests.transcripts import (
    ask,
    at_ns,
    count,
    load_lines,
    pr_link,
    prompt,
    response,
    text,
    tool_result,
    tool_use,
)

URL = "https://github.com/acme/widgets/pull/7"


@pytest.mark.parametrize(
    ("command", "content", "result", "expected"),
    [
        ("gh pr create --fill", f"Creating …\n{URL}\n", None, [("acme/widgets", 7, "created")]),
        ("git push && gh pr create", f"{URL}/files", None, [("acme/widgets", 7, "created")]),
        ("gh pr view 7", URL, None, []),
        ("echo hello", URL, None, []),
        (
            "gh pr create",
            "https://github.com/acme/widgets/pull/" + "9" * 5000,
            None,
            [("acme/widgets", 999999999, "created")],
        ),
        (
            "x",
            "",
            {"gitOperation": {"pr": {"number": 7, "url": URL, "action": "edited"}}},
            [("acme/widgets", 7, "edited")],
        ),
        ("x", "", {"gitOperation": {"pr": {"number": 7, "url": None}}}, []),
    ],
)
def test_pull_requests_are_told_by_how_they_were_touched(
    tmp_path: Path, command: str, content: str, result: object, expected: list[tuple[str, int, str]]
) -> None:
    """Created by `gh pr create` or as the client says; looking at one creates nothing."""
    call = called(tmp_path, tool_use(command=command), tool_result(content=content, result=result))
    found = [(link.pull_request.repository, link.pull_request.number, link.action) for link in call.pull_requests]
    assert found == expected


def test_links_of_a_session_are_told_once(tmp_path: Path) -> None:
    """A pr-link is repeated dozens of times: the first time counts, and creating it says more than touching it."""
    lines = [
        prompt(),
        pr_link(7, at=0.5),
        ask("msg_1", tool_use(command="gh pr create"), at=1),
        tool_result(content=URL, at=2),
        pr_link(7, at=3),
        pr_link(8, at=4),
        pr_link(8, at=5),
        pr_link(7, at=6, repository="acme/gadgets"),
    ]
    links = load_lines(tmp_path, *lines).pull_requests
    assert [(link.pull_request.repository, link.pull_request.number, link.at_ns, link.action) for link in links] == [
        ("acme/widgets", 7, at_ns(0.5), "created"),
        ("acme/widgets", 8, at_ns(4), "linked"),
        ("acme/gadgets", 7, at_ns(6), "linked"),
    ]


@pytest.mark.parametrize("field", [{"prNumber": "7"}, {"prNumber": None}, {"prRepository": None}, {"prNumber": -1}])
def test_a_link_that_names_nothing_is_none(tmp_path: Path, field: dict[str, Any]) -> None:
    """Wrong types and missing names make no pull request."""
    session = load_lines(tmp_path, prompt(), pr_link(**field))
    assert session.pull_requests == ()
    assert len(session.problems) == (field.get("prNumber") is not None)


def test_a_tool_counts_once_however_often_its_lines_are_repeated(tmp_path: Path) -> None:
    """One id is one call, also where a second response claims it again."""
    use, result = ask("msg_1", tool_use(), at=1), tool_result(at=2)
    claimed = ask("msg_2", tool_use(), at=3)
    session = load_lines(tmp_path, prompt(), use, result, use, result, claimed, tool_result(at=4, is_error=True))
    assert [tool.ended_ns for tool in session.tool_calls()] == [at_ns(2)]
    assert count(tmp_path).totals.tool_calls == 1


def test_results_without_a_call_are_only_counted(tmp_path: Path) -> None:
    """A result whose call is in no file makes no tool call; the session's quality says so."""
    session = load_lines(tmp_path, prompt(), tool_result("toolu_x", at=1), ask("msg_1", tool_use(), at=2))
    assert not [tool for tool in session.tool_calls() if tool.is_finished]
    assert (session.quality.orphan_tool_results, session.quality.unfinished_tool_calls) == (1, 1)


def test_content_is_kept_only_on_request(tmp_path: Path) -> None:
    """Arguments and output are read when asked for, as they were written."""
    lines = [
        prompt("Please list"),
        ask("msg_1", text("Listing."), tool_use(command="ls"), at=1),
        tool_result(content=[text("a"), {"type": "image"}, text("b")]),
        response("msg_2", text("Two files."), at=3),
    ]
    session = load_lines(tmp_path, *lines, keep_content=True)
    (tool,) = session.tool_calls()
    assert tool.content is not None
    assert (json.loads(tool.content.request), tool.content.response) == ({"command": "ls"}, "a\nb")
    first, second = session.calls()
    assert first.content is not None
    assert second.content is not None
    assert (first.content.request, first.content.response) == ("Please list", "Listing.")
    assert second.content.response == "Two files."
    prompted = session.turns[0].prompt.content
    assert prompted is not None
    assert prompted.request == "Please list"
    bare = load_lines(tmp_path, *lines)
    contents = [call.content for call in bare.calls()] + [tool.content for tool in bare.tool_calls()]
    assert contents == [None, None, None]
    assert bare.turns[0].prompt.content is None
