"""Sessions of any shape, for properties: every id in them is unique, all else is arbitrary."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal

from hypothesis import strategies as st
from msgspec.structs import replace

from otel_bridge.model import Agent, ModelCall, Prompt, RecordContext, Session, ToolCall, Turn, Usage
from tests.builders import T0_NS, model_call, session, sub_agent, tool_call, turn

tokens = st.integers(0, 10**9)
usages = st.sampled_from([Usage(), Usage(3, 40), Usage(5, 1, 10**9, 7, 0, 1)]) | st.builds(Usage, *[tokens] * 5)
costs = st.sampled_from([None, Decimal(0), Decimal("0.0319246")]) | st.decimals(0, 10**4, places=7)
contexts = st.sampled_from(
    [RecordContext(), RecordContext(branch="HEAD"), RecordContext("/home/dev", "main", "2.1.9", "cli")]
)
prompts = st.sampled_from([Prompt("human", 7), Prompt("command", 9, "/ship"), Prompt("notification"), Prompt("other")])
seconds = st.integers(0, 10**5)


def tool_calls(agents: st.SearchStrategy[Agent | None]) -> st.SearchStrategy[ToolCall]:
    return st.builds(
        tool_call,
        name=st.sampled_from(["Bash", "Read", "Agent"]),
        at_s=seconds,
        ended_ns=st.sampled_from([None, T0_NS]),
        error_type=st.sampled_from([None, "exit_code"]),
        executable=st.sampled_from([None, "déjà vu"]),
        agent=agents,
        context=contexts,
    )


def model_calls(tools: st.SearchStrategy[ToolCall]) -> st.SearchStrategy[ModelCall]:
    return st.builds(
        model_call,
        at_s=seconds,
        usage=usages,
        cost_usd=costs,
        stop_reason=st.sampled_from([None, "end_turn", "something_new"]),
        tool_calls=st.lists(tools, max_size=2).map(tuple),
        context=contexts,
    )


def agents_of(
    calls: st.SearchStrategy[ModelCall], nested: st.SearchStrategy[tuple[Agent, ...]]
) -> st.SearchStrategy[Agent]:
    return st.builds(
        sub_agent,
        type=st.sampled_from([None, "Explore"]),
        calls=st.lists(calls, max_size=2).map(tuple),
        agents=nested,
        error_type=st.sampled_from([None, "rate_limit"]),
        context=contexts,
    )


plain_tools = tool_calls(st.none())
leaf_agents = agents_of(model_calls(plain_tools), st.just(()))
agents = agents_of(model_calls(tool_calls(st.none() | leaf_agents)), st.just(()) | st.tuples(leaf_agents))
turns = st.builds(
    turn,
    calls=st.lists(model_calls(tool_calls(st.none() | agents)), max_size=2).map(tuple),
    agents=st.just(()) | st.tuples(agents),
    late_tool_calls=st.just(()) | st.tuples(plain_tools),
    ordinal=st.integers(0, 2),
    prompt=prompts,
    error_type=st.sampled_from([None, "overloaded_error"]),
    context=contexts,
)


def _numbered(drawn: list[Turn]) -> Session:
    ids = itertools.count(1)
    return session(*(_numbered_turn(turn, index, ids) for index, turn in enumerate(drawn)))


def _numbered_turn(turn: Turn, index: int, ids: Iterator[int]) -> Turn:
    return replace(
        turn,
        key=f"prompt-{index}",
        index=index,
        calls=tuple(_numbered_call(call, ids) for call in turn.calls),
        agents=tuple(_numbered_agent(agent, ids) for agent in turn.agents),
        late_tool_calls=tuple(_numbered_tool(tool, ids) for tool in turn.late_tool_calls),
        previous_key=f"prompt-{index - 1}" if index else None,
    )


def _numbered_call(call: ModelCall, ids: Iterator[int]) -> ModelCall:
    number = next(ids)
    tools = tuple(_numbered_tool(tool, ids) for tool in call.tool_calls)
    return replace(call, key=f"req_{number}", message_id=f"msg_{number}", tool_calls=tools)


def _numbered_tool(tool: ToolCall, ids: Iterator[int]) -> ToolCall:
    agent = _numbered_agent(tool.agent, ids) if tool.agent else None
    return replace(tool, id=f"toolu_{next(ids)}", agent=agent)


def _numbered_agent(agent: Agent, ids: Iterator[int]) -> Agent:
    return replace(
        agent,
        id=f"a{next(ids)}",
        calls=tuple(_numbered_call(call, ids) for call in agent.calls),
        agents=tuple(_numbered_agent(nested, ids) for nested in agent.agents),
    )


sessions = st.lists(turns, max_size=3).map(_numbered)
