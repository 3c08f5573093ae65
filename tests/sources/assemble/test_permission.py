"""How long a tool call waited for the user's answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.transcripts import ask, load_lines, only_tool, prompt, tool_result, tool_use

SECOND_NS = 1_000_000_000
BY_USER = {"decision": "accept", "source": "user_temporary"}
BY_RULE = {"decision": "accept", "source": "config"}


@pytest.mark.parametrize(
    ("fields", "wait_s"),
    [
        ({"toolDenialKind": "user-rejected"}, 40),
        ({"toolDenialKind": "automode-unavailable"}, None),
        ({"permissionDecision": BY_USER, "result": {"durationMs": 1000}}, 39),
        ({"permissionDecision": BY_RULE, "result": {"durationMs": 1000}}, None),
        ({"permissionDecision": BY_USER}, None),
        ({}, None),
    ],
)
def test_the_wait_is_told_only_where_the_records_tell_it(
    tmp_path: Path, fields: dict[str, Any], wait_s: int | None
) -> None:
    """A rejected call did nothing but wait; an allowed one waited until it began, if it says how long it ran."""
    lines = [prompt(), ask("msg_1", tool_use(), at=1), tool_result("toolu_1", at=41, **fields)]
    wait_ns = only_tool(load_lines(tmp_path, *lines)).permission_wait_ns
    assert wait_ns == (None if wait_s is None else wait_s * SECOND_NS)
