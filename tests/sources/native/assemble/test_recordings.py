"""Recorded runs of five client versions, told from their telemetry alone: what the client counted is what we count."""

from __future__ import annotations

from decimal import Decimal

import pytest

from otel_bridge.convert import ConvertOptions, session_events, session_spans
from otel_bridge.model import Agent, ModelCall, Session, ToolCall
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.records import ApiRequest, NativeSpan, ToolDecision, ToolResult, UserPrompt
from tests.captures import FAR_FUTURE_NS, RUNS, native_account
from tests.conformance.judge import judge
from tests.native import native_records
from tests.otlp import otlp_documents
from tests.waterfall import Row, exact, native_total, total, usage_row

WITH_IDS = [run for run in RUNS if run.startswith(("2.1.181/", "2.1.329/"))]
WITH_SPANS = [run for run in RUNS if not run.startswith(("1.0.60/", "2.0.30/"))]


def sessions(run: str) -> list[Session]:
    return [native_session(session_id, own, FAR_FUTURE_NS) for session_id, own in native_records(run).items()]


def row(call: ModelCall) -> Row:
    assert call.cost_usd is not None
    return usage_row(call.usage, call.cost_usd)


@pytest.mark.parametrize("run", RUNS)
def test_sums_are_the_clients_counters(run: str) -> None:
    """Cost and tokens of a session are the client's own counters, to the last digit."""
    for session in sessions(run):
        ours = total(map(row, session.calls()))
        assert Row(exact(ours.usd), *ours.tokens) == native_total(run, session.id)


@pytest.mark.parametrize("run", RUNS)
def test_every_request_is_one_call(run: str) -> None:
    """Each request the client reported is one call of one session, and there are no others."""
    found = sorted((call.ended_ns, call.model) for session in sessions(run) for call in session.calls())
    assert found == sorted((request.at, request.model) for request in native_account(run).api_requests)


@pytest.mark.parametrize("run", RUNS)
def test_every_tool_that_ran_is_one_call(run: str) -> None:
    """Each result of a tool is one finished tool call with the start its duration tells."""
    for session in sessions(run):
        events = [record for record in native_records(run)[session.id] if isinstance(record, ToolResult)]
        expected = sorted((event.time_ns - int((event.duration_ms or 0) * 1e6), event.time_ns) for event in events)
        assert sorted((tool.started_ns, tool.ended_ns) for tool in session.tool_calls()) == expected


@pytest.mark.parametrize("run", RUNS)
def test_every_prompt_is_one_turn(run: str) -> None:
    """Each prompt opens a turn, at its own time and with its own length; nothing lies outside."""
    for session in sessions(run):
        prompts = [record for record in native_records(run)[session.id] if isinstance(record, UserPrompt)]
        assert [turn.prompt.length for turn in session.turns] == [prompt.length for prompt in prompts]
        for turn, prompt in zip(session.turns, prompts, strict=True):
            assert turn.key == prompt.prompt_id or run.startswith(("1.0.60/", "2.0.30/"))
            assert all(turn.started_ns <= call.started_ns for call in turn.calls) or turn.index == 0


@pytest.mark.parametrize("run", WITH_IDS)
def test_sources_are_those_of_the_counters(run: str) -> None:
    """By what a call was for, the sums are again the client's counters."""
    for session in sessions(run):
        for source in ("main", "subagent", "auxiliary"):
            own = [call for call in session.calls() if call.reported and call.reported.query_source == source]
            account = [cost for cost in native_account(run).cost_usage if cost.session_id == session.id]
            client = sum((cost.usd for cost in account if cost.query_source == source), Decimal(0))
            assert exact(total(map(row, own)).usd) == exact(client)


@pytest.mark.parametrize("run", WITH_IDS)
def test_agents_have_their_calls_and_parents(run: str) -> None:
    """A sub-agent has the calls whose spans name it, and hangs on the tool call whose span is above it."""
    for session in sessions(run):
        records = native_records(run)[session.id]
        requests = [
            record for record in records if isinstance(record, NativeSpan) and record.span_type == "llm_request"
        ]
        named = {str(span.attributes["request_id"]): span.attributes.get("agent_id") for span in requests}
        found = {call.request_id: agent_id for call, agent_id in calls_with_agents(session)}
        assert found == named
        assert all(tool.agent.link == "span" for tool in session.tool_calls() if tool.agent)


@pytest.mark.parametrize("run", WITH_IDS)
def test_agents_are_found_without_spans(run: str) -> None:
    """Events alone give the same agents below the same tool calls: by agent id, by span id, by when a run began."""
    for session in sessions(run):
        events = [record for record in native_records(run)[session.id] if not isinstance(record, NativeSpan)]
        alone = native_session(session.id, events, FAR_FUTURE_NS)
        assert agents_by_tool(alone) == agents_by_tool(session)


@pytest.mark.parametrize("run", [run for run in RUNS if not run.startswith(("1.0.60/", "2.0.30/"))])
def test_decisions_are_with_their_tools(run: str) -> None:
    """Every tool call has the decision that let it run (2.1.50 says so without ids)."""
    for session in sessions(run):
        records = native_records(run)[session.id]
        accepted = [event for event in records if isinstance(event, ToolDecision) and event.decision == "accept"]
        assert [tool.decision for tool in session.tool_calls()] == ["accept"] * len(accepted)
        assert {tool.decision_source for tool in session.tool_calls()} <= {"config"}
        assert all(tool.permission_wait_ns is None for tool in session.tool_calls())  # nobody was asked


@pytest.mark.parametrize("run", [run for run in RUNS if run.startswith("2.1.329/")])
def test_cache_split_is_the_clients(run: str) -> None:
    """Cache writes are split by lifetime where the client says how."""
    for session in sessions(run):
        by_request = {call.request_id: call.usage for call in session.calls()}
        for event in (record for record in native_records(run)[session.id] if isinstance(record, ApiRequest)):
            usage = by_request[event.request_id]
            split = usage.cache_write_5m_tokens, usage.cache_write_1h_tokens
            assert split == (event.cache_write_5m_tokens, event.cache_write_1h_tokens)


@pytest.mark.parametrize("run", RUNS)
def test_spans_keep_the_conventions(run: str) -> None:
    """What is made of telemetry alone is exported without a violation."""
    options = ConvertOptions(paths=True)
    for session in sessions(run):
        assert judge(otlp_documents([*session_spans(session, options), *session_events(session, options)])) == []


@pytest.mark.parametrize("run", WITH_SPANS)
def test_turns_keep_the_clients_ids(run: str) -> None:
    """Where the client sent the span of a prompt, the turn's root has its ids."""
    for session in sessions(run):
        records = native_records(run)[session.id]
        roots = [span for span in records if isinstance(span, NativeSpan) and span.span_type == "interaction"]
        batches = list(session_spans(session, ConvertOptions()))
        made = {(span.trace_id, span.span_id) for batch in batches for span in batch.items if not span.parent_id}
        assert made == {(root.trace_id, root.span_id) for root in roots}


def calls_with_agents(session: Session) -> list[tuple[ModelCall, str | None]]:
    found: list[tuple[ModelCall, str | None]] = []

    def walk(calls: tuple[ModelCall, ...], agent: Agent | None) -> None:
        for call in calls:
            found.append((call, agent.id if agent else None))
            for tool in call.tool_calls:
                if tool.agent is not None:
                    walk(tool.agent.calls, tool.agent)

    for turn in session.turns:
        walk(turn.calls, None)
        assert not turn.agents
    return found


def agents_by_tool(session: Session) -> dict[str, tuple[str | None, list[str]]]:
    def known(tool: ToolCall) -> tuple[str | None, list[str]]:
        assert tool.agent is not None
        return tool.agent.type, [call.key for call in tool.agent.calls]

    return {tool.id: known(tool) for tool in session.tool_calls() if tool.agent is not None}
