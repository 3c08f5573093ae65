from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.invoke import Invoke
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    agent_file,
    api_error,
    ask,
    compact_boundary,
    cost_state,
    final_error,
    fork_2_1_181,
    meta,
    pr_link,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a session with one of everything the tree shows, and a fork of it."""
    lines = [
        prompt(at=0),
        api_error(at=0.5),
        ask("msg_1", tool_use("toolu_1", "Agent", subagent_type="Explore", description="Look around"), at=1),
        tool_result("toolu_1", at=9, result={"agentId": "a1"}),
        ask("msg_2", tool_use("toolu_2", command="pytest -q"), tool_use("toolu_3", "Skill", skill="pdf"), at=10),
        tool_result("toolu_2", "Exit code 1", at=12, is_error=True),
        tool_result("toolu_3", "[main 1a2b3c4] x", at=13),
        compact_boundary(at=14),
        response("msg_3", at=15, model="gpt-99", stop=None),
        prompt("<command-name>/review</command-name>", at=20),
        final_error(at=21),
    ]
    own = [pr_link(7, at=22), meta("ai-title", aiTitle="Fix it"), cost_state("0.5")]
    session_file(tmp_path, SID, queue_operation(at=0), *lines, *own)
    agent_file(tmp_path, SID, "a1", prompt("x", at=2), response("msg_a", at=3))
    session_file(tmp_path, FORK, *fork_2_1_181(lines), queue_operation(at=50), prompt(at=51), response("msg_f", at=52))
    session_file(tmp_path, OTHER, prompt(), response("msg_o"))
    return tmp_path


def test_the_tree_names_everything_that_happened(invoke: Invoke, folder: Path) -> None:
    """Turns, calls, tools, agents, errors and what the numbers leave open, with times, tokens and cost."""
    shown = invoke("show", SID, folder).out
    for words in (
        f"session {SID}  Fix it",
        "turn 1",
        "human prompt",
        "chat claude-sonnet-4-5-20250929",
        "1,210 → 50 tokens",
        "1 retries",
        "Agent",
        "agent Explore  Look around",
        "Bash  pytest  2.0 s  exit_code",
        "Skill  pdf",
        "chat gpt-99",
        "→ ≥ 50 tokens  unpriced",
        "compaction  auto  150,000 tokens before",
        "turn 2  /review",
        "rate_limit",
        "https://github.com/acme/widgets/pull/7 (linked)",
        "0.0055 USD + 1 unpriced at list price",
        "client says",
        "1 calls without a final output count",
    ):
        assert words in shown, words


def test_a_fork_says_whose_it_is(invoke: Invoke, folder: Path) -> None:
    """The copied calls are named as counted elsewhere."""
    shown = invoke("show", FORK, folder).out
    assert f"{SID}, 3 calls are counted there" in shown
    assert shown.count("chat ") == 1


def test_the_object_is_the_session(invoke: Invoke, folder: Path) -> None:
    """--json prints the model as it is: nested turns, calls and tools, money as plain strings."""
    found = invoke("show", SID, folder, "--json").json
    assert (found["id"], found["title"], len(found["turns"])) == (SID, "Fix it", 2)
    calls = found["turns"][0]["calls"]
    assert [call["cost_usd"] for call in calls] == ["0.00183", "0.00183", None]
    agent = calls[0]["tool_calls"][0]["agent"]
    assert (agent["type"], agent["calls"][0]["message_id"]) == ("Explore", "msg_a")
    assert Decimal(found["client_cost_usd"]) == Decimal("0.5")


def test_no_words_of_the_conversation_are_shown(invoke: Invoke, tmp_path: Path) -> None:
    """Neither tree nor object quotes prompts, answers, arguments or output."""
    lines = [
        prompt("SECRET-1"),
        ask("msg_1", {"type": "text", "text": "SECRET-2"}, tool_use(command="cat SECRET-3"), at=1),
        tool_result(content="SECRET-4", result={"stdout": "SECRET-5"}),
    ]
    session_file(tmp_path, SID, *lines)
    assert "SECRET" not in invoke("show", SID, tmp_path).out + invoke("show", SID, tmp_path, "--json").out
