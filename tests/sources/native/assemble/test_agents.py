"""Sub-agents are told apart by what events and spans say, and by nothing where they say nothing."""

from __future__ import annotations

from otel_bridge.model import Agent, Session
from otel_bridge.sources.native.assemble.lanes import source_kind
from otel_bridge.sources.native.records import ApiFailure, SubagentCompleted
from tests.builders import at_ns
from tests.sources.native.events import TRACE, assembled, event, prompt, request, result, span

OF_AGENT = {"query_source": "agent:builtin:Explore", "agent_name": "Explore"}
MAIN_SPAN, AGENT_SPAN = b"main....", b"agent..."


def agent_of_tool(session: Session) -> dict[str, Agent]:
    return {tool.id: tool.agent for tool in session.tool_calls() if tool.agent is not None}


def test_events_name_their_agent() -> None:
    """Calls, tools and errors of an agent are its own, not the main agent's."""
    mine = request(2, "r1", query_source="sdk")
    own = [
        request(4, "r2", agent_id="a1", **OF_AGENT),
        result(5, "t2", agent_id="a1", request_id="r2"),
        event(ApiFailure, 6, agent_id="a1", error_type="overloaded_error"),
    ]
    (turn,) = assembled(prompt(), mine, *own).turns
    (agent,) = turn.agents
    assert [call.key for call in turn.calls] == ["r1"]
    assert ([call.key for call in agent.calls], agent.type, agent.link) == (["r2"], "Explore", "none")
    assert [tool.id for call in agent.calls for tool in call.tool_calls] == ["t2"]
    assert (agent.error_type, turn.error_type) == ("overloaded_error", None)


def test_span_above_tells_the_tool_call() -> None:
    """An agent hangs on the tool call below whose span its requests are."""
    spans = [
        span("tool", 2, "tool", tool_use_id="t1"),
        span("tool.execution", 2, "run", "tool", tool_use_id="t1"),
        span("llm_request", 3, "llm", "run", agent_id="a1", request_id="r2"),
    ]
    records = [prompt(), request(2, "r1"), result(9, "t1", name="Agent", for_s=7), request(4, "r2", **OF_AGENT)]
    session = assembled(*records, *spans)
    agent = agent_of_tool(session)["t1"]
    assert (agent.id, agent.link, agent.tool_call_id) == ("a1", "span", "t1")
    assert [call.key for call in agent.calls] == ["r2"]


def test_shared_span_is_an_agents() -> None:
    """Requests of an agent that share a span which is not the main agent's are one run, their tools too (2.1.181)."""
    records = [
        prompt(trace_id=TRACE, span_id=MAIN_SPAN),
        request(2, "r1", query_source="sdk", trace_id=TRACE, span_id=MAIN_SPAN),
        request(4, "r2", trace_id=TRACE, span_id=AGENT_SPAN, **OF_AGENT),
        result(5, "t2", trace_id=TRACE, span_id=AGENT_SPAN),
    ]
    (turn,) = assembled(*records).turns
    (agent,) = turn.agents
    assert [tool.id for call in agent.calls for tool in call.tool_calls] == ["t2"]


def test_one_run_that_fits_has_the_call() -> None:
    """Without any id a request belongs to the run of its kind that was going on, and that to the tool it began with."""
    done = event(SubagentCompleted, 6, agent_type="Explore", duration_ms=4000)
    tool = result(6, "t1", name="Task", for_s=4, subagent_type="Explore")
    session = assembled(prompt(), request(1.5, "r1", query_source="sdk"), request(4, "r2", **OF_AGENT), done, tool)
    agent = agent_of_tool(session)["t1"]
    assert (agent.link, agent.started_ns, agent.ended_ns) == ("time", at_ns(2), at_ns(6))
    assert [call.key for call in agent.calls] == ["r2"]


def test_two_runs_that_fit_have_nothing() -> None:
    """Between two runs of one kind at one time nothing decides: the call stays with the turn, marked as an agent's."""
    runs = [event(SubagentCompleted, at_s, agent_type="Explore", duration_ms=4000) for at_s in (6, 6.01)]
    (turn,) = assembled(prompt(), request(4, "r2", **OF_AGENT), *runs).turns
    (call,) = turn.calls
    assert call.reported
    assert call.reported.query_source == "subagent"


def test_agents_of_agents() -> None:
    """An agent that names its parent is shown below it; background runs are marked."""
    records = [
        prompt(),
        request(2, "r1", agent_id="a1", **OF_AGENT),
        request(4, "r2", agent_id="a2", parent_agent_id="a1", **OF_AGENT),
        event(SubagentCompleted, 5, agent_id="a2", parent_agent_id="a1", agent_type="Plan", is_async=True),
    ]
    (turn,) = assembled(*records).turns
    (outer,) = turn.agents
    (inner,) = outer.agents
    assert (inner.id, inner.type, inner.is_background, inner.parent_agent_id) == ("a2", "Plan", True, "a1")


def test_circular_parents_lose_no_call() -> None:
    """Agents that damaged ids put below each other are shown side by side."""
    records = [
        prompt(),
        request(2, "r1", agent_id="a1", parent_agent_id="a2", **OF_AGENT),
        request(4, "r2", agent_id="a2", parent_agent_id="a1", **OF_AGENT),
    ]
    session = assembled(*records)
    assert sorted(call.key for call in session.calls()) == ["r1", "r2"]


def test_run_in_progress_is_open() -> None:
    """A run whose end nobody reported may still grow, and its turn with it."""
    records = [prompt(), request(2, "r1", agent_id="a1", **OF_AGENT), prompt(10, "p2")]
    live = assembled(*records, now_ns=at_ns(60))
    assert (live.turns[0].agents[0].is_complete, live.turns[0].is_complete) == (False, False)
    assert assembled(*records).turns[0].is_complete


def test_sources_are_the_counters_words() -> None:
    """Fine query sources have the three words that the client's own counters use."""
    expected = {
        None: None,
        "sdk": "main",
        "repl_main_thread": "main",
        "repl_main_thread:outputStyle:custom": "main",
        "agent:builtin:Explore": "subagent",
        "compact": "auxiliary",
        "generate_session_title": "auxiliary",
    }
    assert {source: source_kind(source) for source in expected} == expected


def test_several_agents_of_one_tool_call_are_all_there() -> None:
    """Of several agents below one tool call the first is shown at it, the others beside it."""
    spans = [
        span("tool.execution", 2, "run", tool_use_id="t1"),
        span("llm_request", 3, "llm1", "run", agent_id="a1", request_id="r1"),
        span("llm_request", 3, "llm2", "run", agent_id="a2", request_id="r2"),
    ]
    failure = event(ApiFailure, 6, span_id=b"run.....", error_type="overloaded_error")
    records = [
        prompt(),
        request(2, "r0"),
        result(9, "t1", name="Workflow", for_s=7),
        request(4, "r1"),
        request(4, "r2"),
    ]
    session = assembled(*records, *spans, failure)
    assert sorted(call.key for call in session.calls()) == ["r0", "r1", "r2"]
    assert [agent.id for agent in agent_of_tool(session).values()] == ["a1"]
    assert [(agent.id, agent.link) for agent in session.turns[0].agents] == [("a2", "span")]
    assert session.turns[0].errors
