from __future__ import annotations

import pytest

from otel_bridge import semconv
from otel_bridge.pipeline.index import ledger as ledger_module
from otel_bridge.pipeline.index.ledger import Item, Ledger, item_key
from otel_bridge.store.database import transaction
from otel_bridge.telemetry import (
    Batch,
    DataPoint,
    Instrument,
    LogRecord,
    Metric,
    Resource,
    Signal,
    Span,
    SpanKind,
)
from tests.pipeline.index.receiver import OTHER_PLACES, PLACES
from tests.pipeline.index.world import World, append
from tests.transcripts import FAR_FUTURE_S, OTHER, SID, ask, at_ns, prompt, response, session_file, tool_use

TOKENS = Metric("tokens", "{token}", Instrument.COUNTER)
COST = Metric("cost", "USD", Instrument.COUNTER)
NOW_NS = at_ns(FAR_FUTURE_S)
OF_SESSION = {semconv.SESSION_ID: SID}


def span(number: int) -> Span:
    return Span(b"t" * 16, number.to_bytes(8, "big"), b"", "chat", SpanKind.CLIENT, 1, 2, dict(OF_SESSION))


def event(number: int) -> LogRecord:
    return LogRecord("x", 1, 9, OF_SESSION | {semconv.EVENT_UID: f"{number:032x}"})


def point(at_ms: float, metric: Metric = TOKENS, **labels: str) -> DataPoint:
    return DataPoint(metric, OF_SESSION | labels, 0, round(at_ms * 1_000_000), 1)


def batch(*items: Item) -> Batch:
    signals = {Span: Signal.TRACES, LogRecord: Signal.LOGS, DataPoint: Signal.METRICS}
    return Batch(signals[type(items[0])], Resource(), items)  # type: ignore[arg-type]  # of one kind


@pytest.fixture
def known(world: World) -> World:
    """Return an index of one session."""
    session_file(world.root, SID, prompt(), response(at=1))
    world.update()
    return world


def sent(ledger: Ledger, *items: Item) -> list[Item]:
    """Return what is to be sent of some items of a session, and say that all was taken."""
    signal = batch(*items).signal
    ledger.start(signal, SID)
    missing = ledger.missing(SID, batch(*items))
    ledger.end(signal, SID)
    found = list(missing.items) if missing else []
    ledger.settle(signal, found)
    ledger.note()
    return found


def later(world: World) -> Ledger:
    """Return the ledger as another run finds it."""
    return Ledger(world.connection, PLACES)


# --- what is known by its id -----------------------------------------------------------------------------------------


def test_spans_and_events_are_known_by_their_ids() -> None:
    """Of 8 and of 16 bytes."""
    assert item_key(span(7)) == bytes(7) + b"\x07"
    assert item_key(event(7)) == bytes(15) + b"\x07"


@pytest.mark.parametrize("make", [span, event])
def test_what_was_taken_is_not_missing_any_more(known: World, make: type[Span]) -> None:
    """For later runs too, and whatever else it says."""
    ledger = later(known)
    assert sent(ledger, make(1), make(2)) == [make(1), make(2)]
    again = make(1)
    again.attributes["more"] = "facts"
    assert sent(ledger, again, make(3)) == [make(3)]
    assert sent(later(known), again, make(2), make(3)) == []


def test_one_id_is_sent_once_at_a_time(known: World) -> None:
    """Though a damaged transcript gives it twice."""
    assert sent(later(known), span(1), span(1)) == [span(1)]


def test_targets_and_signals_are_apart(known: World) -> None:
    """What one has says nothing of another."""
    sent(later(known), span(1))
    assert sent(Ledger(known.connection, OTHER_PLACES), span(1)) == [span(1)]
    traces, logs = (later(known).lacking(signal, SID) for signal in (Signal.TRACES, Signal.LOGS))
    assert (traces, logs) == (False, True)


# --- points ----------------------------------------------------------------------------------------------------------


def test_points_are_missing_that_are_later_than_those_sent(known: World) -> None:
    """Series by series: by metric and labels, in whatever order these stand."""
    ledger = later(known)
    first = [point(1), point(5), point(1, COST), point(5, model="a", lane="b")]
    assert sent(ledger, *first) == first
    same = DataPoint(TOKENS, {"lane": "b", "model": "a", **OF_SESSION}, 0, 5_000_000, 1)
    new = [point(6), point(2, COST), point(6, model="a", lane="b"), point(1, model="b")]
    assert sent(later(known), *first, same, *new) == new


def test_a_store_keeps_milliseconds(known: World) -> None:
    """Two points in one of them are one there."""
    assert sent(later(known), point(5.2), point(5.9)) == [point(5.2)]


def test_points_that_got_no_answer_are_missing_again(known: World) -> None:
    """The series moves on when all of a session has been answered."""
    ledger = later(known)
    ledger.start(Signal.METRICS, SID)
    assert ledger.missing(SID, batch(point(1), point(2))) is not None
    ledger.end(Signal.METRICS, SID)
    ledger.settle(Signal.METRICS, [point(1)])
    ledger.note()
    assert sent(later(known), point(1), point(2)) == [point(1), point(2)]


# --- sessions --------------------------------------------------------------------------------------------------------


def test_a_session_is_pending_until_all_signals_have_it(known: World) -> None:
    """And again after any change of it."""
    ledger = later(known)
    for item in (span(1), event(1)):
        sent(ledger, item)
        assert ledger.pending(NOW_NS) == [SID]
    sent(ledger, point(1))
    assert ledger.pending(NOW_NS) == []
    assert [later(known).lacking(signal, SID) for signal in Signal] == [False] * 3
    append(known.projects / "-home-dev-widgets" / f"{SID}.jsonl", prompt("More", at=60))
    known.update()
    assert ledger.pending(NOW_NS) == [SID]


def test_a_session_that_changes_while_it_is_sent_stays_pending(known: World) -> None:
    """What was answered is its revision of before."""
    ledger = later(known)
    ledger.start(Signal.TRACES, SID)
    known.connection.execute("UPDATE sessions SET revision = revision + 1")
    ledger.end(Signal.TRACES, SID)
    ledger.note()
    assert ledger.lacking(Signal.TRACES, SID)


def test_a_session_without_items_is_done_with(known: World) -> None:
    """There may be nothing of a signal in it."""
    ledger = later(known)
    ledger.start(Signal.LOGS, SID)
    ledger.end(Signal.LOGS, SID)
    ledger.note()
    assert not ledger.lacking(Signal.LOGS, SID)


def test_a_session_that_was_not_handed_over_whole_stays_pending(known: World) -> None:
    """All that was handed over has its answer, but more was to come."""
    ledger = later(known)
    ledger.start(Signal.TRACES, SID)
    ledger.missing(SID, batch(span(1)))
    ledger.settle(Signal.TRACES, [span(1)])
    ledger.note()
    assert later(known).lacking(Signal.TRACES, SID)
    assert sent(later(known), span(1), span(2)) == [span(2)]


def test_a_signal_without_a_place_lacks_nothing(known: World) -> None:
    """Nobody asked for it."""
    ledger = Ledger(known.connection, {Signal.TRACES: PLACES[Signal.TRACES]})
    assert [ledger.lacking(signal, SID) for signal in Signal] == [True, False, False]


def test_sessions_with_an_open_turn_are_idle_after_a_time(world: World) -> None:
    """Others never are."""
    session_file(world.root, SID, prompt(), ask("msg_1", tool_use(), at=10))
    session_file(world.root, OTHER, prompt(), response("msg_2", at=5))
    world.now = 11
    world.update()
    assert [later(world).idle_sessions(1_000_000_000, at_ns(now)) for now in (10, 11)] == [[], [SID]]


# --- writing it down -------------------------------------------------------------------------------------------------


def test_answers_are_written_down_many_at_a_time(known: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash forgets as many at most."""
    monkeypatch.setattr(ledger_module, "_NOTED_AT_ONCE", 10)
    ledger, spans = later(known), [span(number) for number in range(1, 20)]
    ledger.start(Signal.TRACES, SID)
    ledger.missing(SID, batch(*spans))
    ledger.settle(Signal.TRACES, spans[:9])
    assert known.one("SELECT count(*) FROM sent") == 0
    ledger.settle(Signal.TRACES, spans[9:11])
    assert known.one("SELECT count(*) FROM sent") == 11


def test_answers_that_cannot_be_written_down_are_kept(known: World) -> None:
    """Whoever has room again notes them."""
    ledger = later(known)
    ledger.start(Signal.TRACES, SID)
    ledger.missing(SID, batch(span(1)))
    ledger.end(Signal.TRACES, SID)
    known.connection.execute("PRAGMA query_only = ON")
    ledger.settle(Signal.TRACES, [span(1)])
    for _ in range(2):
        with pytest.raises(Exception, match="readonly"):
            ledger.note()
    known.connection.execute("PRAGMA query_only = OFF")
    ledger.note()
    assert not later(known).lacking(Signal.TRACES, SID)
    assert sent(later(known), span(1)) == []


def test_nothing_answered_is_nothing_written(known: World) -> None:
    """Not even an empty transaction: another one may be open."""
    before = known.connection.total_changes
    with transaction(known.connection):
        later(known).note()
    assert known.connection.total_changes == before


def test_asking_writes_nothing(known: World) -> None:
    """A target becomes one when something is sent to it."""
    before = known.connection.total_changes
    ledger = later(known)
    assert ledger.pending(NOW_NS) == [SID]
    ledger.idle_sessions(0, NOW_NS)
    assert ledger.lacking(Signal.TRACES, SID)
    assert known.connection.total_changes == before
    assert known.one("SELECT count(*) FROM targets") == 0
