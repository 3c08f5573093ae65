"""Transcripts and telemetry of recorded runs become one session: every call once, each fact from who knows it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from otel_bridge.convert import ConvertOptions, session_events, session_spans
from otel_bridge.model import ModelCall, Session
from otel_bridge.prices import price_call
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.join import join_session, seats
from otel_bridge.sources.native.match import call_pairs, tool_pairs
from otel_bridge.sources.native.records import ApiRequest, NativeRecord, NativeSpan, UserPrompt
from tests.captures import FAR_FUTURE_NS, RUNS, read_sessions, unpack_transcripts
from tests.client_habits import STEPS
from tests.conformance.judge import judge
from tests.native import native_records
from tests.otlp import otlp_documents
from tests.waterfall import Row, entry_row, exact, joined, native_total, request_row, total, usage_row, version

OLD = [run for run in RUNS if version(run) in {"1.0.60", "2.0.30", "2.1.50"}]
NEW = [run for run in RUNS if run not in OLD]
JOINED_CALLS = {"1.0.60": 31, "2.0.30": 48, "2.1.50": 42, "2.1.181": 42, "2.1.329": 54}
UNRECORDED_CALLS = {"1.0.60": 30, "2.0.30": 0, "2.1.50": 12, "2.1.181": 0, "2.1.329": 6}
COUNTED_BY = {"2.1.50": 1, "2.1.181": 1, "2.1.329": 0}
"""Steps of ``client_habits`` that the joined session has taken already: the final output."""


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Session]]:
    """Sessions of every run as their transcripts have them."""
    folder = tmp_path_factory.mktemp("captures")
    return {run: read_sessions(unpack_transcripts(run, folder)) for run in RUNS}


def join(recorded: Session, records: list[NativeRecord]) -> Session:
    return join_session(recorded, records, price_call, FAR_FUTURE_NS)


def joined_sessions(run: str, transcripts: dict[str, dict[str, Session]]) -> list[tuple[Session, Session]]:
    """Each session of a run as its transcripts have it, and with its telemetry."""
    records = native_records(run)
    return [(recorded, join(recorded, records[recorded.id])) for recorded in transcripts[run].values()]


def row(call: ModelCall) -> Row:
    assert call.cost_usd is not None
    return usage_row(call.usage, call.cost_usd)


def is_unrecorded(call: ModelCall) -> bool:
    return bool(call.reported and call.reported.is_unrecorded)


@pytest.mark.parametrize("client", list(JOINED_CALLS))
def test_every_recorded_call_has_its_event(client: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """Every call of every transcript finds its event, and what is left are the calls no transcript records."""
    sessions = [pair for run in RUNS if version(run) == client for pair in joined_sessions(run, transcripts)]
    calls = [call for _, session in sessions for call in session.calls()]
    assert sum(1 for call in calls if call.reported and not is_unrecorded(call)) == JOINED_CALLS[client]
    assert sum(map(is_unrecorded, calls)) == UNRECORDED_CALLS[client]
    assert len(calls) == JOINED_CALLS[client] + UNRECORDED_CALLS[client]
    sources = [call.reported.query_source for call in calls if call.reported and is_unrecorded(call)]
    assert sources == ["auxiliary"] * UNRECORDED_CALLS[client]


@pytest.mark.parametrize("run", OLD)
def test_time_finds_the_event_that_tokens_prove(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """Without ids, model and nearest end find the event that alone has the call's tokens as that client counts them."""
    for recorded in transcripts[run].values():
        native = native_session(recorded.id, native_records(run)[recorded.id], FAR_FUTURE_NS)
        pairs = call_pairs(list(recorded.calls()), list(native.calls()))
        proven = {entry.call.key: entry.request.at for entry in joined(run, recorded)[0] if entry.request}
        assert {key: call.ended_ns for key, call in pairs.items()} == proven


@pytest.mark.parametrize("run", RUNS)
def test_sum_is_what_is_recorded_and_what_is_not(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """The joined total is the transcript's, plus output its lines have not yet, plus the calls only events know."""
    for recorded, session in joined_sessions(run, transcripts):
        entries, unseen = joined(run, recorded)
        first_steps = list(STEPS[version(run)].values())[: COUNTED_BY.get(version(run), 0)]
        for step in first_steps:
            entries = [step(entry) for entry in entries]
        expected = total([*map(entry_row, entries), *map(request_row, unseen)])
        ours = total(map(row, session.calls()))
        assert Row(exact(ours.usd), *ours.tokens) == Row(exact(expected.usd), *expected.tokens)


@pytest.mark.parametrize("run", NEW)
def test_tokens_are_the_clients_counters(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """From 2.1.181 on the joined tokens are those of the client's counters, auxiliary calls included."""
    for _, session in joined_sessions(run, transcripts):
        assert total(map(row, session.calls())).tokens == native_total(run, session.id).tokens


def test_calls_differ_from_their_events_only_as_named(transcripts: dict[str, dict[str, Session]]) -> None:
    """Of 96 calls joined by id, 8 were answered by another model than priced, 5 have searches that no event counts."""
    calls, other_model, searched = 0, [], []
    for run in NEW:
        for recorded, session in joined_sessions(run, transcripts):
            native = native_session(recorded.id, native_records(run)[recorded.id], FAR_FUTURE_NS)
            told = {call.request_id: call for call in native.calls()}
            for seat in seats(session):
                if is_unrecorded(seat.call):
                    continue
                calls += 1
                event = told[seat.call.request_id]
                assert row(event).tokens == row(seat.call).tokens
                if seat.call.usage.web_searches:
                    searched.append(seat.call)
                if exact(row(event).usd) != exact(row(seat.call).usd):
                    assert seat.agent is not None
                    other_model.append(seat.call)
    assert (calls, len(other_model), len(searched)) == (96, 8, 5)
    assert {call.model for call in other_model} == {"claude-haiku-4-5-20251001"}
    assert sum(call.usage.web_searches for call in searched) == 15


@pytest.mark.parametrize("run", [run for run in RUNS if run.startswith("2.1.329/")])
def test_unrecorded_cost_is_named(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """What the client's total had beyond the recorded calls shrinks by the calls that telemetry names."""
    for recorded, session in joined_sessions(run, transcripts):
        added = sum((call.cost_usd or Decimal(0) for call in session.calls() if is_unrecorded(call)), Decimal(0))
        assert recorded.unrecorded_cost_usd is not None
        assert session.unrecorded_cost_usd == recorded.unrecorded_cost_usd - added
        assert [point.cost_usd for point in session.unrecorded_history][-1:] == [session.unrecorded_cost_usd]
    if run == "2.1.329/compact":
        assert session.unrecorded_cost_usd == 0
        assert session.unrecorded_reasons == ()
        assert [call.reported.query_source for call in session.calls() if call.reported and is_unrecorded(call)] == [
            "auxiliary"
        ] * 6


@pytest.mark.parametrize("run", [run for run in RUNS if run.startswith("2.1.329/")])
def test_telemetry_alone_is_what_the_client_wrote_itself(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """The running total that the client leaves in the transcript is the sum of its telemetry."""
    for recorded in transcripts[run].values():
        native = native_session(recorded.id, native_records(run)[recorded.id], FAR_FUTURE_NS)
        assert recorded.client_cost_usd is not None
        assert exact(total(map(row, native.calls())).usd) == exact(recorded.client_cost_usd)


@pytest.mark.parametrize("run", RUNS)
def test_latency_is_the_clients(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """Every call begins and ends when its event says, and each of its tools too."""
    for recorded, session in joined_sessions(run, transcripts):
        native = native_session(recorded.id, native_records(run)[recorded.id], FAR_FUTURE_NS)
        told = sorted((call.started_ns, call.ended_ns) for call in native.calls())
        assert sorted((call.started_ns, call.ended_ns) for call in session.calls()) == told
        times = {(tool.started_ns, tool.ended_ns) for tool in native.tool_calls()}
        assert times <= {(tool.started_ns, tool.ended_ns) for tool in session.tool_calls()}


@pytest.mark.parametrize("run", RUNS)
def test_every_tool_event_is_a_recorded_tool_call(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """Each tool that ran is one the transcript has: joining adds none and loses none."""
    for recorded, session in joined_sessions(run, transcripts):
        native = native_session(recorded.id, native_records(run)[recorded.id], FAR_FUTURE_NS)
        pairs = tool_pairs(list(recorded.tool_calls()), list(native.tool_calls()))
        assert len(pairs) == len(list(native.tool_calls()))
        assert [tool.id for tool in session.tool_calls()] == [tool.id for tool in recorded.tool_calls()]


@pytest.mark.parametrize("run", RUNS)
def test_joined_session_keeps_the_conventions(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """Without a violation, whatever either side knows."""
    options = ConvertOptions(paths=True)
    for _, session in joined_sessions(run, transcripts):
        assert judge(otlp_documents([*session_spans(session, options), *session_events(session, options)])) == []


@pytest.mark.parametrize("run", ["1.0.60/basic", "2.1.50/turns", "2.1.329/compact"])
@settings(deadline=None)
@given(data=st.data())
def test_arrival_leaves_no_trace(run: str, data: st.DataObject, transcripts: dict[str, dict[str, Session]]) -> None:
    """However records arrive, shuffled, repeated or in pieces joined again and again, the session is the same."""
    recorded = next(iter(transcripts[run].values()))
    records = native_records(run)[recorded.id]
    order = data.draw(st.permutations(records))
    repeats = data.draw(st.lists(st.sampled_from(records), max_size=10))
    assert join(recorded, [*repeats, *order]) == join(recorded, records)


def test_without_records_the_transcript_stays_as_it_is(transcripts: dict[str, dict[str, Session]]) -> None:
    """A session nobody sent telemetry of is not touched."""
    for run in RUNS:
        for recorded in transcripts[run].values():
            assert join(recorded, []) is recorded


def test_transcripts_alone_show_nothing_new(transcripts: dict[str, dict[str, Session]]) -> None:
    """As data a session without telemetry has no field that only telemetry fills; with it, it has."""
    (recorded,) = transcripts["2.1.329/basic"].values()
    assert b"reported" not in msgspec.json.encode(recorded)
    assert b"reported" in msgspec.json.encode(join(recorded, native_records("2.1.329/basic")[recorded.id]))


def test_call_without_duration_keeps_its_start(transcripts: dict[str, dict[str, Session]]) -> None:
    """An event that does not say how long a call took leaves the start to the transcript."""
    (recorded,) = transcripts["2.1.329/basic"].values()
    records = native_records("2.1.329/basic")[recorded.id]
    bare = [structs.replace(r, duration_ms=None) if isinstance(r, ApiRequest) else r for r in records]
    starts = {call.key: call.started_ns for call in recorded.calls()}
    assert {call.key: call.started_ns for call in join(recorded, bare).calls()} == starts


def test_without_transcript_the_records_are_the_session() -> None:
    """A session whose files are gone is what its telemetry tells."""
    for session_id, records in native_records("2.1.329/basic").items():
        empty = Session(session_id, (), 0, 0)
        assert join(empty, records) == native_session(session_id, records, FAR_FUTURE_NS)


def test_lost_agent_file_is_made_up_for(transcripts: dict[str, dict[str, Session]]) -> None:
    """Calls of a sub-agent whose file is gone come from telemetry, below the tool call that started it."""
    run = "2.1.329/basic"
    (recorded,) = transcripts[run].values()
    whole = join(recorded, native_records(run)[recorded.id])
    bare = join(without_agents(recorded), native_records(run)[recorded.id])
    assert agents(bare) == agents(whole)
    assert total(map(row, bare.calls())).tokens == total(map(row, whole.calls())).tokens


def test_prompt_alone_adds_nothing(transcripts: dict[str, dict[str, Session]]) -> None:
    """Records without a call change no figure."""
    (recorded,) = transcripts["2.1.329/basic"].values()
    prompts = [record for record in native_records("2.1.329/basic")[recorded.id] if isinstance(record, UserPrompt)]
    assert list(join(recorded, [*prompts]).calls()) == list(recorded.calls())


def without_agents(session: Session) -> Session:
    turns = tuple(
        structs.replace(
            turn,
            calls=tuple(
                structs.replace(call, tool_calls=tuple(structs.replace(tool, agent=None) for tool in call.tool_calls))
                for call in turn.calls
            ),
        )
        for turn in session.turns
    )
    return structs.replace(session, turns=turns)


def agents(session: Session) -> dict[str, tuple[str, list[str]]]:
    found = [(tool.id, tool.agent) for tool in session.tool_calls() if tool.agent is not None]
    return {tool_id: (agent.id, [call.key for call in agent.calls]) for tool_id, agent in found}


@pytest.mark.parametrize("run", ["2.1.50/basic", "2.1.50/turns"])
def test_a_turn_is_over_when_the_client_says_so(run: str, transcripts: dict[str, dict[str, Session]]) -> None:
    """By the span of the prompt, which ends with it: transcripts of old clients do not tell."""
    for recorded in transcripts[run].values():
        records = native_records(run)[recorded.id]
        last = structs.replace(recorded.turns[-1], end_reason="open", is_complete=False)
        going_on = structs.replace(recorded, turns=(*recorded.turns[:-1], last))
        told = join(going_on, records).turns[-1]
        assert (told.end_reason, told.is_complete) == ("end_turn", True)
        silent = [one for one in records if not isinstance(one, NativeSpan)]
        assert not join(going_on, silent).turns[-1].is_complete
