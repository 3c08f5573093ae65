"""The runs of sub-agents: when they are over, what they did, where they hang."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sources.assemble.shapes import conserved, hosted, loose, starting, working
from tests.transcripts import (
    SID,
    Block,
    Line,
    agent_file,
    agent_progress,
    ask,
    at_ns,
    call_keys,
    compact_boundary,
    count,
    final_error,
    load,
    notification,
    old_agent_file,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)


def is_complete(root: Path, *, now: float, result: Line, last: Line, about: Line | None = None, news: str = "") -> bool:
    """Tell if the one agent is seen as complete at a time."""
    session_file(root, SID, *starting(result=result), *([queue_operation(at=12, content=news)] if news else []))
    agent_file(root, SID, "a1", prompt("look", at=9), last, about=about)
    (agent,) = [tool.agent for tool in load(root, now=now).tool_calls() if tool.agent]
    return agent.is_complete


ASYNC = {"isAsync": True, "agentId": "a1"}
RUNNING = ask("msg_a", tool_use("toolu_a"), at=10)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"result": ASYNC, "last": RUNNING}, False),
        ({"result": ASYNC, "last": response("msg_a", at=10)}, True),
        ({"result": {"agentId": "a1"}, "last": RUNNING}, True),
        ({"result": ASYNC, "last": RUNNING, "about": {"finished": True}}, True),
        ({"result": ASYNC, "last": RUNNING, "news": notification("a1")}, True),
        ({"result": ASYNC, "last": RUNNING, "now": 10 + 1801}, True),
    ],
)
def test_an_agent_may_grow_until_something_says_it_is_over(
    tmp_path: Path, facts: dict[str, Any], expected: bool
) -> None:
    """end_turn, a foreground result, its meta file, a notification, or half an hour of silence."""
    assert is_complete(tmp_path, **({"now": 20} | facts)) is expected


def test_agents_beside_the_session_are_linked_too(tmp_path: Path) -> None:
    """2.0.x: the file lies among the sessions."""
    session_file(tmp_path, SID, *starting(result={"agentId": "cd3fd3df"}))
    old_agent_file(tmp_path, SID, "cd3fd3df", *working())
    assert hosted(conserved(tmp_path)) == [("toolu_1", "cd3fd3df", "tool_result", None)]


def test_embedded_lines_are_used_where_the_agents_file_is_gone(tmp_path: Path) -> None:
    """2.1.12-2.1.81 repeat the agent's lines in the parent's file: they link by the embedding record."""
    copies = [agent_progress(line) for line in working()]
    lines = starting(asked="not the prompt")
    session_file(tmp_path, SID, *lines[:2], *copies, *lines[2:])
    session = conserved(tmp_path)
    assert hosted(session) == [("toolu_1", "a1", "progress", None)]
    agent = session.turns[0].calls[0].tool_calls[0].agent
    assert agent is not None
    assert agent.context.branch == "main"


def test_embedded_lines_without_an_agent_id_belong_to_their_call(tmp_path: Path) -> None:
    """The earliest of those versions only name the tool call."""
    copies = [agent_progress(line, agent_id=None) for line in working()]
    lines = starting(asked="not the prompt")
    session_file(tmp_path, SID, *lines[:2], *copies, *lines[2:])
    assert hosted(conserved(tmp_path)) == [("toolu_1", "embedded-toolu_1", "progress", None)]


def test_embedded_copies_add_nothing_to_the_agents_file(tmp_path: Path) -> None:
    """Where the file is there, its lines count, and a copy only adds what the file lacks."""
    whole = [*working("a"), ask("msg_b", tool_use("toolu_b"), at=4), tool_result("toolu_b", at=5)]
    lines = starting()
    session_file(tmp_path, SID, *lines[:2], *[agent_progress(line) for line in whole], *lines[2:])
    agent_file(tmp_path, SID, "a1", *whole[:2])
    session = conserved(tmp_path)
    assert call_keys(session) == ["msg_1", "msg_a", "msg_b", "msg_2"]
    assert [tool.id for tool in session.tool_calls()] == ["toolu_1", "toolu_b"]


def test_fragments_of_one_agent_are_one(tmp_path: Path) -> None:
    """An agent split over several folders is merged by its id and time, each line once."""
    session_file(tmp_path, SID, *starting(result={"agentId": "a1"}))
    first, second = working("a"), working("b", at=5)
    agent_file(tmp_path, SID, "a1", *first, second[0])
    agent_file(tmp_path, SID, "a1", *second, under="subagents/more")
    session = conserved(tmp_path)
    agent = session.turns[0].calls[0].tool_calls[0].agent
    assert agent is not None
    assert [call.message_id for call in agent.calls] == ["msg_a", "msg_b"]
    assert session.quality.duplicate_records == 1


def test_unlinked_agents_go_to_the_turn_of_their_prompt(tmp_path: Path) -> None:
    """Workflow agents have no tool call: the prompt id, else the time, says which turn they worked for."""
    turns = [
        *[prompt("One", at=0, promptId="p1"), response("msg_1", at=1)],
        *[prompt("Two", at=100, promptId="p2"), response("msg_2", at=101)],
    ]
    session_file(tmp_path, SID, *turns)
    agent_file(tmp_path, SID, "w1", *working("w1", at=110, promptId="p1"), under="subagents/workflows/wf_1")
    agent_file(tmp_path, SID, "w2", *working("w2", at=110), under="subagents/workflows/wf_1")
    agent_file(tmp_path, SID, "w3", *working("w3", at=-50))
    first, second = conserved(tmp_path).turns
    assert ([agent.id for agent in first.agents], [agent.id for agent in second.agents]) == (["w3", "w1"], ["w2"])
    assert [agent.link for agent in first.agents] == ["none", "none"]


def test_agents_whose_main_file_is_gone_make_a_turn(tmp_path: Path) -> None:
    """What they used is counted and shown, in one turn named by their prompt."""
    for agent_id in ("a1", "a2"):
        agent_file(tmp_path, SID, agent_id, *working(agent_id, promptId="p1"))
    session = conserved(tmp_path)
    (turn,) = session.turns
    assert (turn.key, [agent.id for agent in turn.agents], turn.is_complete) == ("p1", ["a1", "a2"], True)
    assert (turn.started_ns, turn.context.branch) == (at_ns(2), "main")


def test_an_agents_usage_is_that_of_its_calls(tmp_path: Path) -> None:
    """TotalTokens and usage of a result are those of the last response only: they are never taken."""
    session_file(
        tmp_path, SID, *starting(result={"agentId": "a1", "totalTokens": 999_999, "usage": {"output_tokens": 7}})
    )
    agent_file(tmp_path, SID, "a1", *working("a"), *working("b", at=5))
    assert count(tmp_path).totals.output_tokens == 4 * 50
    assert sum(call.usage.output_tokens for call in load(tmp_path).calls()) == 4 * 50


def test_the_type_of_an_agent_is_found_where_it_is_written(tmp_path: Path) -> None:
    """Meta, else the call's subagent_type, else what its own lines are attributed to, else nothing."""

    def kind_of(arguments: dict[str, str], attributed: str | None, about: Line | None) -> str | None:
        use = tool_use("toolu_1", "Agent", **arguments)
        session_file(tmp_path, SID, prompt(), ask("msg_1", use, at=1), tool_result(result={"agentId": "a1"}, at=9))
        fields: dict[str, Any] = {"attributionAgent": attributed} if attributed else {}
        agent_file(tmp_path, SID, "a1", *working(**fields), about=about or {})
        return next(tool.agent.type for tool in load(tmp_path).tool_calls() if tool.agent)

    assert kind_of({"subagent_type": "b"}, "c", {"agentType": "a"}) == "a"
    assert kind_of({"subagent_type": "b"}, "c", None) == "b"
    assert kind_of({}, "c", None) == "c"
    assert kind_of({}, None, None) is None


def test_errors_and_compactions_of_an_agent_are_its_own(tmp_path: Path) -> None:
    """They do not fail or compact the turn around it."""
    session_file(tmp_path, SID, *starting(result={"agentId": "a1"}))
    agent_file(tmp_path, SID, "a1", *working(), compact_boundary(at=4), final_error(at=5, error="server_error"))
    session = conserved(tmp_path)
    agent = session.turns[0].calls[0].tool_calls[0].agent
    assert agent is not None
    assert (agent.error_type, len(agent.compactions)) == ("server_error", 1)
    assert (session.turns[0].error_type, session.turns[0].compactions) == (None, ())


def test_an_agent_that_did_nothing_known_is_shown_only_if_it_was_called(tmp_path: Path) -> None:
    """A file without responses makes no agent of its own; one that a call started is there, empty."""
    session_file(tmp_path, SID, *starting(result={"agentId": "a1"}))
    agent_file(tmp_path, SID, "a1", prompt("look", at=2))
    agent_file(tmp_path, SID, "a9", prompt("who am I", at=2))
    session = conserved(tmp_path)
    assert [agent_id for _, agent_id, _, _ in hosted(session)] == ["a1"]
    assert not loose(session)


@pytest.mark.parametrize(
    "block", [tool_use("toolu_1", "Task", prompt="look"), tool_use("toolu_1", "Agent", prompt="look")]
)
def test_both_names_of_the_tool_start_agents(tmp_path: Path, block: Block) -> None:
    """The tool was called Task up to 2.1.62 and is called Agent since."""
    session_file(tmp_path, SID, prompt(), ask("msg_1", block, at=1), tool_result(at=9))
    agent_file(tmp_path, SID, "a1", *working())
    assert hosted(conserved(tmp_path)) == [("toolu_1", "a1", "prompt", None)]
