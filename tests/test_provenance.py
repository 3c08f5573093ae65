"""Whose word a number is, is noted where it was chosen: every note leads to the value it is about."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from otel_bridge.model import ModelCall, Session, ToolCall
from otel_bridge.prices import price_call
from otel_bridge.provenance import (
    call_sources,
    cost_source,
    known_from,
    session_provenance,
    tool_sources,
    usual_sources,
)
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.join import join_session
from otel_bridge.sources.native.match import call_pairs, tool_pairs
from otel_bridge.sources.native.records import NativeSpan
from tests.builders import model_call, session, tool_call, turn
from tests.captures import FAR_FUTURE_NS, RUNS, read_sessions, unpack_transcripts
from tests.native import native_records

Values = dict[str, Any]


def call_values(call: ModelCall) -> Values:
    usage = call.usage
    return {
        "tokens": (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens),
        "output": usage.output_tokens,
        "start": call.started_ns,
        "end": call.ended_ns,
        "first_token": call.reported.ttft_ms if call.reported else None,
    }


def tool_values(tool: ToolCall) -> Values:
    return {
        "start": tool.started_ns,
        "end": tool.ended_ns,
        "outcome": (tool.error_type, tool.denial),
        "decision": tool.decision,
        "permission_wait": tool.permission_wait_ns,
        "result_bytes": tool.result_bytes,
    }


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Session]]:
    folder = tmp_path_factory.mktemp("captures")
    return {run: read_sessions(unpack_transcripts(run, folder)) for run in RUNS}


def assert_true(sources: dict[str, str], said: Values, recorded: Values, told: Values) -> None:
    """Each value is that of the side it is said to come from."""
    for fact, source in sources.items():
        if fact != "cost":
            assert said[fact] == (recorded if source == "transcript" else told)[fact], fact


@pytest.mark.parametrize("run", RUNS)
def test_every_number_is_of_the_side_that_is_named(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """In every recording: tokens, output, times, outcome, decision, wait and size, of each call and tool call."""
    for recorded in transcripts[run].values():
        records = native_records(run)[recorded.id]
        native = native_session(recorded.id, records, FAR_FUTURE_NS, price_call)
        joined = join_session(recorded, records, price_call, FAR_FUTURE_NS)
        before, pairs = {call.key: call for call in recorded.calls()}, call_pairs(recorded.calls(), [*native.calls()])
        for call in joined.calls():
            if known_from(call) == "both":
                told = pairs[call.key]
                sources = call_sources(call)
                ours, theirs = call_values(before[call.key]), call_values(told)
                if sources["start"] == "transcript":  # an event without a duration leaves it to the transcript
                    ours["start"] = min(ours["start"], told.ended_ns)
                assert_true(sources, call_values(call), ours, theirs)
                assert (sources["tokens"], sources["end"]) == ("transcript", "event")
                is_computed = call.cost_usd == price_call(
                    call.model, call.usage, before[call.key].ended_ns, call.terms, call.iterations
                )
                assert sources["cost"] == ("computed" if is_computed else "reported")
            else:
                assert known_from(call) == "telemetry"
                assert {*call_sources(call).values()} <= {"event", "reported", "computed"}
        tools = {tool.id: tool for tool in recorded.tool_calls()}
        tool_partners = tool_pairs(recorded.tool_calls(), [*native.tool_calls()])
        for tool in joined.tool_calls():
            if known_from(tool) == "both":
                partner = tool_partners[tool.id]
                assert_true(tool_sources(tool), tool_values(tool), tool_values(tools[tool.id]), tool_values(partner))
                assert (tool_sources(tool)["outcome"] == "transcript") == tools[tool.id].is_finished
            else:
                assert (known_from(tool) == "transcript") == (tool.id in tools)


@pytest.mark.parametrize("run", [run for run in RUNS if run.startswith("2.1.329/")])
def test_what_spans_alone_tell_is_their_word(run: str) -> None:
    """Who exports no events has numbers of spans, and a cost that we compute."""
    for session_id, records in native_records(run).items():
        spans = [record for record in records if isinstance(record, NativeSpan)]
        for call in native_session(session_id, spans, FAR_FUTURE_NS, price_call).calls():
            sources = call_sources(call)
            assert sources.pop("cost") == "computed"
            assert {*sources.values()} == {"span"}


@pytest.mark.parametrize("run", RUNS)
def test_counts_add_up(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """Every call is known from one place, and its cost is of one kind."""
    for recorded in transcripts[run].values():
        joined = join_session(recorded, native_records(run)[recorded.id], price_call, FAR_FUTURE_NS)
        found, calls = session_provenance(joined), len(list(joined.calls()))
        assert sum(found.calls.values()) == sum(found.cost.values()) == calls
        assert sum(found.tool_calls.values()) == sum(tool.is_finished for tool in joined.tool_calls())
        alone = session_provenance(recorded)
        assert alone.calls.keys() | alone.tool_calls.keys() <= {"transcript"}


def test_a_session_of_transcripts_needs_no_notes() -> None:
    """All is the transcript's, computed at list price or unpriced; what a call has not is not named."""
    plain = session(turn("p", model_call("r1", tool_call()), model_call("r2", cost_usd=None)))
    first, second = plain.calls()
    assert call_sources(first) == {
        **dict.fromkeys(("tokens", "output", "start", "end"), "transcript"),
        "cost": "computed",
    }
    assert cost_source(second) == "unpriced"
    (tool,) = plain.tool_calls()
    assert tool_sources(tool) == dict.fromkeys(("start", "end", "outcome"), "transcript")
    waited = structs.replace(tool, decision="accept", permission_wait_ns=5, result_bytes=7)
    assert tool_sources(waited).keys() - tool_sources(tool).keys() == {"decision", "permission_wait", "result_bytes"}


def test_usual_is_what_most_say() -> None:
    """Ties go to the first in the alphabet, so that two runs say the same."""
    said = [{"end": "event", "wait": "span"}, {"end": "transcript"}, {"end": "transcript", "wait": "event"}]
    assert usual_sources(said) == {"end": "transcript", "wait": "event"}
