from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.model import Agent, Session
from tests.sources.assemble.shapes import conserved, hosted, loose, starting, working
from tests.transcripts import (
    SID,
    Line,
    agent_file,
    ask,
    at_ns,
    attachment,
    call_keys,
    notification,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)


def test_the_meta_file_names_the_call(tmp_path: Path) -> None:
    """Rule 1: toolUseId of agent-<id>.meta.json, whatever else is there; type and description come from it."""
    session_file(tmp_path, SID, *starting())
    about = {"toolUseId": "toolu_1", "agentType": "reviewer", "description": "Review", "spawnDepth": 1}
    agent_file(tmp_path, SID, "a1", *working(), about=about)
    session = conserved(tmp_path)
    assert hosted(session) == [("toolu_1", "a1", "meta", None)]
    (agent,) = [tool.agent for tool in session.tool_calls()]
    assert agent is not None
    assert (agent.type, agent.description, agent.tool_call_id) == ("reviewer", "Review", "toolu_1")


def test_the_result_names_the_agent(tmp_path: Path) -> None:
    """Rule 2: toolUseResult.agentId on the parent's line."""
    session_file(
        tmp_path, SID, *starting(result={"agentId": "a1", "totalTokens": 19_831, "usage": {"input_tokens": 5}})
    )
    agent_file(tmp_path, SID, "a1", *working())
    session = conserved(tmp_path)
    assert hosted(session) == [("toolu_1", "a1", "tool_result", None)]
    assert (session.turns[0].calls[0].tool_calls[0].agent or Agent("", None, 0, 0)).type == "Explore"


@pytest.mark.parametrize("content", ["Done.\nagentId: a1 (for resuming)", [{"type": "text", "text": "agentId: a1"}]])
def test_the_text_of_the_result_names_the_agent(tmp_path: Path, content: object) -> None:
    """Rule 3: nested agents' results have no field, only the line `agentId: …`."""
    session_file(tmp_path, SID, *starting(content=content))
    agent_file(tmp_path, SID, "a1", *working(asked="other"))
    assert hosted(conserved(tmp_path)) == [("toolu_1", "a1", "result_text", None)]


@pytest.mark.parametrize(
    "news",
    [
        prompt(notification("a1", tool_id="toolu_1"), at=9.5),
        queue_operation("remove", at=9.5, content=notification("a1", tool_id="toolu_1")),
        attachment("queued_command", at=9.5, prompt=notification("a1", tool_id="toolu_1")),
        attachment("queued_command", at=9.5, prompt=[{"type": "text", "text": notification("a1", tool_id="toolu_1")}]),
        prompt(notification("b9") + notification("a1", tool_id="toolu_1"), at=9.5),
    ],
)
def test_the_notification_names_both(tmp_path: Path, news: Line) -> None:
    """Rule 4: the news of a background task carries task and tool call, as a prompt, in the queue or attached."""
    session_file(tmp_path, SID, *starting(result={"isAsync": True}, news=news))
    agent_file(tmp_path, SID, "a1", prompt("something else", at=2), response("msg_a", at=3, stop=None))
    session = conserved(tmp_path)
    assert hosted(session) == [("toolu_1", "a1", "notification", None)]


def test_inline_sidechains_are_found_by_their_prompt(tmp_path: Path) -> None:
    """Rule 5: 1.x wrote agents into the main file; the first prompt is the one the tool call gave."""
    root, *rest = [line | {"isSidechain": True} for line in working()]
    rest = [line | {"parentUuid": root["uuid"]} for line in rest]
    lines = starting(asked=" look\n")
    session_file(tmp_path, SID, *lines[:2], root, *rest, *lines[2:])
    session = conserved(tmp_path)
    ((tool_id, agent_id, link, _),) = hosted(session)
    assert (tool_id, link, agent_id) == ("toolu_1", "prompt", f"inline-{root['uuid']}")
    assert [call.message_id for call in session.turns[0].calls] == ["msg_1", "msg_2"]


def test_equal_prompts_go_to_the_latest_free_call(tmp_path: Path) -> None:
    """Two agents with one prompt hang on two calls, each on one that was made before it."""
    lines: list[Line] = [prompt("Go", at=0)]
    for n, at in ((1, 1), (2, 20)):
        lines.append(ask(f"msg_{n}", tool_use(f"toolu_{n}", "Task", prompt="look"), at=at))
        lines += [line | {"isSidechain": True, "parentUuid": None} for line in working(str(n) + "a", at=at + 1)[:1]]
        lines.append(tool_result(f"toolu_{n}", at=at + 9))
    lines[2] |= {"agentId": "a1"}
    lines[5] |= {"agentId": "a2"}
    agent_calls = [response(f"msg_a{n}", at=at, isSidechain=True, agentId=f"a{n}") for n, at in ((1, 3), (2, 23))]
    session_file(tmp_path, SID, *lines[:3], agent_calls[0], *lines[3:6], agent_calls[1], lines[6])
    assert hosted(conserved(tmp_path)) == [("toolu_1", "a1", "prompt", None), ("toolu_2", "a2", "prompt", None)]


def test_a_prompt_given_later_starts_nothing_earlier(tmp_path: Path) -> None:
    """An agent that ran before the call cannot be its work."""
    session_file(tmp_path, SID, *starting())
    agent_file(tmp_path, SID, "a1", *working(at=0.2))
    session = conserved(tmp_path)
    assert (hosted(session), [agent.link for agent in loose(session)]) == ([], ["none"])
    assert session.quality.unlinked_agents == 1


def test_better_rules_win(tmp_path: Path) -> None:
    """Where meta, result and prompt name different calls, the order of §8.2 decides, and each call has one agent."""
    uses = [tool_use(f"toolu_{n}", "Agent", prompt="look") for n in (1, 2, 3)]
    results = [tool_result(f"toolu_{n}", at=9, result={"agentId": "a1"} if n == 2 else None) for n in (1, 2, 3)]
    session_file(tmp_path, SID, prompt(at=0), ask("msg_1", *uses, at=1), *results)
    agent_file(tmp_path, SID, "a1", *working("a1"), about={"toolUseId": "toolu_3"})
    agent_file(tmp_path, SID, "a2", *working("a2"))
    assert hosted(conserved(tmp_path)) == [("toolu_2", "a2", "prompt", None), ("toolu_3", "a1", "meta", None)]


def test_two_agents_that_claim_one_call(tmp_path: Path) -> None:
    """One of them gets it, the first; the other is shown in the turn and nothing is lost."""
    session_file(tmp_path, SID, *starting(asked="quite different"))
    for agent_id, at in (("a2", 3), ("a1", 2)):
        agent_file(tmp_path, SID, agent_id, *working(agent_id, at=at), about={"toolUseId": "toolu_1"})
    session = conserved(tmp_path)
    assert hosted(session) == [("toolu_1", "a1", "meta", None)]
    assert [agent.id for agent in loose(session)] == ["a2"]
    assert session.quality.unlinked_agents == 1


def test_a_resumed_agent_hangs_on_the_call_that_started_it(tmp_path: Path) -> None:
    """A second call that resumes the same agent returns the same id: its work is not shown twice."""
    lines = [
        *starting(result={"agentId": "a1"}),
        ask("msg_3", tool_use("toolu_2", "Agent", prompt="go on", resume="a1"), at=20),
        tool_result("toolu_2", at=29, result={"agentId": "a1"}),
    ]
    session_file(tmp_path, SID, *lines)
    agent_file(tmp_path, SID, "a1", *working("a"), *working("b", at=21))
    session = conserved(tmp_path)
    assert hosted(session) == [("toolu_1", "a1", "tool_result", None)]


def nested_agents(root: Path, *, is_finished: bool, about: Line | None) -> Session:
    """Write an agent that starts another one, flat in the same folder."""
    session_file(root, SID, *starting(result={"agentId": "a1"}))
    inner = [tool_result("toolu_n", "agentId: a2", at=5)] if is_finished else []
    agent_file(
        root,
        SID,
        "a1",
        prompt("look", at=2),
        ask("msg_a1", tool_use("toolu_n", "Agent", prompt="deeper"), at=3),
        *inner,
        response("msg_a1b", at=6),
    )
    agent_file(root, SID, "a2", prompt("deeper", at=4), response("msg_a2", at=4.5), about=about)
    return conserved(root)


def test_nested_agents_hang_below_the_call_of_their_parent(tmp_path: Path) -> None:
    """2.1.172+: agents start agents; the tree follows the tool calls."""
    session = nested_agents(tmp_path, is_finished=True, about=None)
    assert hosted(session) == [("toolu_1", "a1", "tool_result", None), ("toolu_n", "a2", "result_text", "a1")]
    assert call_keys(session) == ["msg_1", "msg_a1", "msg_a2", "msg_a1b", "msg_2"]


@pytest.mark.parametrize("about", [{"parentAgentId": "a1"}, {"toolUseId": "toolu_n", "parentAgentId": "a1"}, None])
def test_nested_agents_without_a_finished_call_hang_below_their_parent(tmp_path: Path, about: Line | None) -> None:
    """While the call has no result, meta or the lane that asked tells the parent agent."""
    session = nested_agents(tmp_path, is_finished=False, about=about)
    assert hosted(session) == [("toolu_1", "a1", "tool_result", None)]
    (outer,) = [tool.agent for tool in session.turns[0].calls[0].tool_calls]
    assert outer is not None
    assert [(agent.id, agent.parent_agent_id) for agent in outer.agents] == [("a2", "a1")]
    assert outer.agents[0].link != "none"
    assert not loose(session)


@pytest.mark.parametrize(
    "parents",
    [
        {"a1": {"parentAgentId": "a2"}, "a2": {"parentAgentId": "a1"}},
        {"a1": {"parentAgentId": "a1"}},
        {"a1": {"parentAgentId": "a2"}, "a2": {"parentAgentId": "a3"}, "a3": {"parentAgentId": "a1"}},
        {"a1": {"parentAgentId": "a2"}, "a2": {"parentAgentId": "a3"}, "a3": {"parentAgentId": "a2"}},
    ],
)
def test_agents_that_point_in_a_circle_are_all_shown(tmp_path: Path, parents: dict[str, Line]) -> None:
    """Damaged meta files hide nobody: the circle is opened at its first agent."""
    session_file(tmp_path, SID, prompt("Go", at=0), response("msg_1", at=1))
    for n, (agent_id, about) in enumerate(parents.items()):
        agent_file(tmp_path, SID, agent_id, *working(agent_id, at=2 + n), about=about)
    session = conserved(tmp_path)
    assert len(call_keys(session)) == 1 + len(parents)
    assert loose(session)


def test_an_agent_whose_own_call_names_it_is_shown(tmp_path: Path) -> None:
    """A result inside the agent's own lane cannot be what started it."""
    session_file(tmp_path, SID, prompt("Go", at=0), response("msg_1", at=1))
    own = [ask("msg_a", tool_use("toolu_1", "Agent"), at=3), tool_result("toolu_1", at=4, result={"agentId": "a1"})]
    agent_file(tmp_path, SID, "a1", prompt("x", at=2), *own)
    session = conserved(tmp_path)
    assert call_keys(session) == ["msg_1", "msg_a"]
    assert [agent.link for agent in loose(session)] == ["none"]


def test_a_parent_that_is_unknown_is_none(tmp_path: Path) -> None:
    """Meta files may name calls and agents that no file has."""
    session_file(tmp_path, SID, *starting(asked="other"))
    agent_file(tmp_path, SID, "a1", *working(), about={"toolUseId": "toolu_x", "parentAgentId": "gone"})
    session = conserved(tmp_path)
    assert [(agent.id, agent.link, agent.tool_call_id) for agent in loose(session)] == [("a1", "none", None)]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"toolUseId": 5}', b"\xff", b'{"agentType": "\xff"}', b"[" * 99999]
)
def test_a_damaged_meta_file_is_a_problem(tmp_path: Path, raw: bytes) -> None:
    """The agent is shown without it."""
    session_file(tmp_path, SID, *starting(result={"agentId": "a1"}))
    path = agent_file(tmp_path, SID, "a1", *working())
    path.with_suffix(".meta.json").write_bytes(raw)
    session = conserved(tmp_path)
    assert [(problem.line, problem.reason) for problem in session.problems] == [(0, "bad_meta")]
    assert session.problems[0].path.endswith("agent-a1.meta.json")
    assert hosted(session) == [("toolu_1", "a1", "tool_result", None)]


def test_background_agents_stay_in_the_turn_that_started_them(tmp_path: Path) -> None:
    """Launched and answered at once, they work on while turns pass, and hang on the launching call all the same."""
    launched = {"isAsync": True, "status": "async_launched", "agentId": "a1"}
    told = [prompt(notification("a1", tool_id="toolu_1"), at=60, promptId="p2"), response("msg_3", at=61)]
    session_file(tmp_path, SID, *starting(result=launched), *told)
    agent_file(tmp_path, SID, "a1", *working("a", at=9), *working("b", at=50), about={"requestShape": "background"})
    session = conserved(tmp_path)
    agent = session.turns[0].calls[0].tool_calls[0].agent
    assert agent is not None
    assert (agent.is_background, agent.ended_ns, session.turns[0].ended_ns) == (True, at_ns(51), at_ns(10))
    assert [turn.key for turn in session.turns] == ["p1", "p2"]
