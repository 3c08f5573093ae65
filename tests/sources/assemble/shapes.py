"""Sessions in a few words, and what tests look at in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otel_bridge.model import Agent, Session, ToolCall
from tests.transcripts import (
    Block,
    Line,
    ask,
    call_keys,
    count,
    load,
    load_lines,
    only_tool,
    prompt,
    response,
    tool_result,
    tool_use,
)


def shape(session: Session) -> list[tuple[str, int, str, list[str]]]:
    """Key, ordinal, end reason and message ids of each turn."""
    return [
        (turn.key, turn.ordinal, turn.end_reason, [call.message_id for call in turn.calls]) for turn in session.turns
    ]


def asked(text_or_blocks: str | list[Block] = "Do it", *, at: float, name: str) -> Line:
    """Build a prompt whose turn is called ``name``."""
    return prompt(text_or_blocks, at=at, promptId=name)


def starting(
    *, result: object = None, content: object = "found", news: Line | None = None, asked: str = "look"
) -> list[Line]:
    """Build a turn that starts one agent and goes on."""
    return [
        prompt("Go", at=0, promptId="p1"),
        ask(
            "msg_1",
            tool_use("toolu_1", "Agent", prompt=asked, subagent_type="Explore", description="Look around"),
            at=1,
        ),
        tool_result("toolu_1", content, at=9, result=result),
        *([news] if news else []),
        response("msg_2", at=10),
    ]


def working(agent_id: str = "a", *, at: float = 2, **fields: Any) -> list[Line]:
    """Build what an agent does."""
    return [prompt("look", at=at, **fields), response(f"msg_{agent_id}", at=at + 1, **fields)]


def hosted(session: Session) -> list[tuple[str, str, str, str | None]]:
    """Tool call, agent, link and parent agent of every agent that hangs on a tool call."""
    return [
        (tool.id, tool.agent.id, tool.agent.link, tool.agent.parent_agent_id)
        for tool in session.tool_calls()
        if tool.agent is not None
    ]


def loose(session: Session) -> list[Agent]:
    """Agents that hang on a turn."""
    return [agent for turn in session.turns for agent in turn.agents]


def conserved(root: Path) -> Session:
    """Read the session; what is counted must all be in it."""
    session, stats = load(root), count(root)
    keys = call_keys(session)
    assert len(keys) == len(set(keys)) == stats.totals.calls
    assert sum(tool.is_finished for tool in session.tool_calls()) == stats.totals.tool_calls
    return session


def called(root: Path, use: Block, *after: Line, **fields: Any) -> ToolCall:
    """Run one tool: the use, then the lines given; return what became of it."""
    return only_tool(load_lines(root, prompt(), ask("msg_1", use, at=1, **fields), *after))
