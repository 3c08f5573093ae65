"""One span for each call, whoever tells of it first: transcripts, telemetry, or both in pieces."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from msgspec import structs

from otel_bridge import semconv
from otel_bridge.convert import ids as ids_by_key
from otel_bridge.convert.ids import turn_span_id
from otel_bridge.convert.sent import call_span_id, turn_ids
from otel_bridge.model import ModelCall, Prompt, Session, Turn, Usage
from otel_bridge.pipeline.index.as_sent import as_sent, is_told, native_key, possible_ids
from otel_bridge.pipeline.index.ledger import item_key
from otel_bridge.pipeline.index.natives import take_records
from otel_bridge.reported import ReportedCall, ReportedTurn
from otel_bridge.sources.native.records import NativeRecord, NativeSpan
from otel_bridge.telemetry import Span, SpanKind
from tests.captures import RUNS
from tests.pipeline.index.receiver import Receiver, ids, newest, ship
from tests.pipeline.index.test_natives import JOINED, records_of, take, transcripts_come
from tests.pipeline.index.world import World
from tests.transcripts import SID

CHAT = "chat"
BECOMES = {"llm_request": CHAT, "interaction": "invoke_agent", "tool.execution": "execute_tool"}
WITH_SPANS = [run for run in RUNS if run.startswith(("2.1.50/", "2.1.181/", "2.1.329/"))]
ADDED_UP = ("coding_agent.cost", "gen_ai.client.inference.usage")


def kinds(receiver: Receiver) -> Counter[str]:
    named = (span.attributes.get(semconv.OPERATION_NAME) for span in receiver.spans)
    return Counter(str(name) for name in named if name is not None)


def totals(receiver: Receiver) -> dict[str, object]:
    """Return the newest value of each series of money and tokens but those that are 0."""
    points = [point for point in receiver.points if point.metric.name.startswith(ADDED_UP)]
    return {series: value for series, value in newest(points).items() if value}


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at_once(run: str, tmp_path: Path) -> Receiver:
    """Return what is sent when everything was there before."""
    world, receiver = World(tmp_path / "at-once"), Receiver()
    transcripts_come(run, world)
    take(world, records_of(run))
    ship(world, receiver)
    return receiver


def test_telemetry_that_comes_late_doubles_no_span(run: str, at_once: Receiver, tmp_path: Path) -> None:
    """What telemetry alone knows is added to the traces that went before; nothing is sent again under another id."""
    world, receiver = World(tmp_path / "late"), Receiver()
    transcripts_come(run, world)
    ship(world, receiver)
    recorded = kinds(receiver)
    take(world, records_of(run))
    ship(world, receiver)
    assert kinds(receiver) == kinds(at_once)
    assert recorded <= kinds(receiver)
    assert set(ids(receiver.spans).values()) == {1}


def test_transcripts_that_come_late_double_no_span(run: str, at_once: Receiver, tmp_path: Path) -> None:
    """The calls that telemetry told of stay what they are called there."""
    world, receiver = World(tmp_path / "late"), Receiver()
    take(world, records_of(run))
    ship(world, receiver)
    told = kinds(receiver)
    transcripts_come(run, world)
    ship(world, receiver)
    assert kinds(receiver)[CHAT] == kinds(at_once)[CHAT]
    assert told <= kinds(receiver)
    assert set(ids(receiver.spans).values()) == {1}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("run", WITH_SPANS, indirect=True)
def test_spans_of_the_client_keep_their_ids_and_traces(run: str, seed: int, tmp_path: Path) -> None:
    """A program the client started finds its parent, whatever came first and whether or not calls have ids."""
    chance, records, world = random.Random(seed), records_of(run), World(tmp_path / "any")
    chance.shuffle(records)
    pieces: list[list[NativeRecord]] = [records[at::3] for at in range(3)]
    transcripts_at = chance.randrange(4)
    for at, piece in enumerate([*pieces, []]):
        if at == transcripts_at:
            transcripts_come(run, world)
        take(world, piece)
    receiver = Receiver()
    ship(world, receiver)
    sent = {(span.trace_id, span.span_id): span.name.split()[0] for span in receiver.spans}
    told = [record for record in records if isinstance(record, NativeSpan)]
    assert {(span.trace_id, span.span_id) for span in told} <= sent.keys()
    for span in told:
        assert sent[span.trace_id, span.span_id] == BECOMES.get(span.span_type, semconv.NATIVE_SPAN)
    assert kinds(receiver)[CHAT] == sum(1 for session in world.library() for _ in session.calls())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("run", JOINED, indirect=True)
def test_any_order_of_arrival_sends_each_span_once(run: str, at_once: Receiver, seed: int, tmp_path: Path) -> None:
    """Pieces of telemetry, the transcripts somewhere between, something shipped after each step."""
    records = records_of(run)
    assert_once(run, at_once, [records[at::4] for at in range(4)], seed, World(tmp_path / "any"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("run", sorted({*RUNS} - {*JOINED}), indirect=True)
def test_telemetry_without_ids_sends_each_span_once(run: str, at_once: Receiver, seed: int, tmp_path: Path) -> None:
    """As clients send it, one moment after the other: before 2.1.181 calls are known by their times alone."""
    records = sorted(records_of(run), key=ended_ns)
    size = len(records) // 4 + 1
    pieces = [records[at : at + size] for at in range(0, len(records), size)]
    assert_once(run, at_once, pieces, seed, World(tmp_path / "any"), in_order=True)


def ended_ns(record: NativeRecord) -> int:
    return record.end_ns if isinstance(record, NativeSpan) else record.time_ns


def assert_once(
    run: str, at_once: Receiver, pieces: list[list[NativeRecord]], seed: int, world: World, *, in_order: bool = False
) -> None:
    chance, receiver = random.Random(seed), Receiver()
    steps: list[list[NativeRecord] | None] = [*pieces]
    if not in_order:
        chance.shuffle(steps)
    steps.insert(chance.randrange(len(steps) + 1), None)
    for step in steps:
        if step is None:
            transcripts_come(run, world)
        else:
            take_records(world.place, step)
            world.update()
        if chance.random() < 0.7:
            ship(world, receiver)
    ship(world, receiver)
    assert set(ids(receiver.spans).values()) == {1}
    assert kinds(receiver)[CHAT] == kinds(at_once)[CHAT]
    assert totals(receiver) == totals(at_once)


def test_a_call_stays_under_the_id_that_was_sent_before_its_turn_was_told_of() -> None:
    """The client's span of a call may come before the one of its turn, and be sent in a trace of ours."""
    told = ModelCall("req_1", "msg_1", "claude", 1, 2, Usage(), reported=ReportedCall(span_id="ab" * 8))
    turn = Turn("p", 0, 0, 1, 2, is_complete=True, end_reason="end_turn", prompt=Prompt("human"), calls=(told,))
    early = Session(SID, (turn,), 1, 2)
    assert is_told(early)
    named = structs.replace(turn, reported=ReportedTurn(trace_id="cd" * 16, span_id="ef" * 8))
    sent = {turn_span_id(SID, "p", 0), bytes.fromhex("ab" * 8)}
    later = Session(SID, (named,), 1, 2)
    assert sent <= set(possible_ids(later))
    session, traces = as_sent(later, {}, sent)
    assert traces == {}
    assert turn_ids(SID, session.turns[0]) == turn_ids(SID, turn)
    assert call_span_id(session.turns[0].calls[0], turn_ids(SID, turn)[0]) == bytes.fromhex("ab" * 8)


def test_a_span_that_was_passed_on_as_it_is_is_not_made_a_call_too() -> None:
    """Its event came after all: the call has an id of ours beside it, and so has a turn all of its trace."""
    trace, root, call_id = "cd" * 16, "ef" * 8, "ab" * 8
    told = ModelCall("req_1", "msg_1", "claude", 1, 2, Usage(), reported=ReportedCall(trace_id=trace, span_id=call_id))
    named = ReportedTurn(trace_id=trace, span_id=root)
    turn = Turn("p", 0, 0, 1, 2, is_complete=True, end_reason="end_turn", prompt=Prompt("human"), calls=(told,))
    turn = structs.replace(turn, reported=named)
    session = Session(SID, (turn,), 1, 2)
    sent = {native_key(bytes.fromhex(call_id))}
    assert sent <= set(possible_ids(session))
    kept, traces = as_sent(session, {}, sent)
    assert traces == {("p", 0): bytes.fromhex(trace)}
    assert call_span_id(kept.turns[0].calls[0], bytes.fromhex(trace)) == ids_by_key.call_span_id("req_1")
    hashed, traces = as_sent(session, {}, {native_key(bytes.fromhex(root))})
    assert traces == {}
    assert turn_ids(SID, hashed.turns[0])[1] == turn_span_id(SID, "p", 0)


def test_a_clients_span_and_a_call_under_its_id_are_two_things() -> None:
    """What the target has of one says nothing about the other."""
    call = Span(b"t" * 16, b"s" * 8, b"", "chat claude", SpanKind.CLIENT, 1, 2, {semconv.OPERATION_NAME: CHAT})
    own = structs.replace(call, attributes={semconv.NATIVE_SPAN_TYPE: "llm_request"})
    assert item_key(call) != item_key(own)
