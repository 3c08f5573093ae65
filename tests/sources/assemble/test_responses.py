from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.transcripts import (
    Line,
    api_error,
    ask,
    at_ns,
    attachment,
    load_lines,
    meta,
    only_call,
    prompt,
    response,
    text,
    tool_result,
    tool_use,
)


def starts(root: Path, *lines: Line) -> list[float]:
    """Seconds after the start at which each call of a session began."""
    return [(call.started_ns - at_ns(0)) / 1e9 for call in load_lines(root, *lines).calls()]


def test_a_call_starts_when_its_input_was_there(tmp_path: Path) -> None:
    """After the prompt, after the tool results, after a prompt handed in between; it ends with its last line."""
    lines = [
        prompt(at=0),
        ask("msg_1", tool_use("toolu_1"), at=3),
        tool_result("toolu_1", at=5),
        ask("msg_2", text("a"), at=8),
        ask("msg_2", tool_use("toolu_2"), at=9),
        tool_result("toolu_2", at=10),
        attachment("queued_command", at=11, prompt="and this"),
        response("msg_3", at=15),
    ]
    assert starts(tmp_path, *lines) == [0, 5, 11]
    assert [call.ended_ns for call in load_lines(tmp_path, *lines).calls()] == [at_ns(3), at_ns(9), at_ns(15)]


def test_a_recorded_request_tells_the_start(tmp_path: Path) -> None:
    """2.1.329 writes when each request was sent, and every line of the response names its request."""
    sent = meta("api-request", id="ref-1", timestamp="2026-03-02T09:00:02.500Z")
    assert starts(tmp_path, prompt(at=0), sent, response("msg_1", at=4, requestRef="ref-1")) == [2.5]
    assert starts(tmp_path, prompt(at=0), sent, response("msg_1", at=4, requestRef="ref-9")) == [0]


def test_after_a_long_pause_nobody_knows_the_start(tmp_path: Path) -> None:
    """Half an hour between input and answer says that something else went on."""
    assert starts(tmp_path, prompt(at=0), response("msg_1", at=1801)) == [1801]


def test_a_call_never_starts_after_its_end(tmp_path: Path) -> None:
    """Lines whose times run backwards do not make negative durations."""
    lines = [prompt(at=10), response("msg_1", at=5), response("msg_2", at=20)]
    assert all(call.started_ns <= call.ended_ns for call in load_lines(tmp_path, *lines).calls())


def test_what_a_line_says_about_its_call_is_kept(tmp_path: Path) -> None:
    """Effort, skill, MCP server, stop reason, place and version come from the lines, whichever has them."""
    facts: dict[str, Any] = {"effort": "high", "attributionSkill": "pdf", "attributionMcpServer": "plugin:x"}
    lines = [
        response("msg_1", text("a"), at=1, stop=None),
        response("msg_1", text("b"), at=2, stop="max_tokens", **facts),
    ]
    call = only_call(load_lines(tmp_path, prompt(), *lines))
    assert (call.effort, call.skill, call.mcp_server) == ("high", "pdf", "plugin:x")
    assert (call.stop_reason, call.output_is_lower_bound) == ("max_tokens", False)
    assert (call.context.version, call.context.entrypoint) == ("2.1.181", "cli")


def test_retries_before_a_pause_go_to_the_next_call(tmp_path: Path) -> None:
    """They are one after the other until an answer comes, whatever stands between."""
    lines = [prompt(at=0), api_error(at=1), prompt("Reminder", at=2, isMeta=True), api_error(at=3, attempt=2)]
    call = only_call(load_lines(tmp_path, *lines, response("msg_1", at=4)))
    assert [retry.attempt for retry in call.retries] == [1, 2]


@pytest.mark.parametrize("requested", ["req_1", None])
def test_the_key_of_a_call_is_its_request_else_its_message(tmp_path: Path, requested: str | None) -> None:
    """A call is identified by its request id."""
    call = only_call(load_lines(tmp_path, prompt(), response("msg_1", requestId=requested)))
    assert (call.key, call.request_id, call.message_id) == (requested or "msg_1", requested, "msg_1")


def test_a_later_line_can_bring_the_request_id(tmp_path: Path) -> None:
    """The first line of a response may lack it."""
    lines = [response("msg_1", text("a"), at=1, requestId=None), response("msg_1", text("b"), at=2, requestId="req_1")]
    assert only_call(load_lines(tmp_path, prompt(), *lines)).key == "req_1"


def test_a_price_follows_the_day_of_the_call(tmp_path: Path) -> None:
    """Prices are dated: Sonnet 4.5 above 200k tokens cost double until the end of April 2026."""
    long = {"input_tokens": 300_000, "output_tokens": 0}
    costs = []
    for day in ("2026-04-29", "2026-05-02"):
        moved = [line | {"timestamp": f"{day}T12:00:00.000Z"} for line in (prompt(), response(usage=long))]
        costs.append(only_call(load_lines(tmp_path, *moved)).cost_usd)
    assert [str(cost and cost.normalize()) for cost in costs] == ["1.8", "0.9"]
