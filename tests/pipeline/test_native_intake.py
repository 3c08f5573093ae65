"""What is received: records into the index before anybody is thanked, everything else to the next hop as it came."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otel_bridge.pipeline import native_intake
from otel_bridge.pipeline.index.natives import Inbox
from otel_bridge.pipeline.native_intake import NativeIntake
from otel_bridge.receiving.counters import Counters, received
from otel_bridge.receiving.intake import Export, Intake, Refused, Taken
from otel_bridge.receiving.signals import WIRES
from otel_bridge.serving.received import Fate
from otel_bridge.sources.native.wire import SCOPE, read_logs, rest
from otel_bridge.telemetry import Signal
from tests.native import log_requests, metric_requests, trace_requests
from tests.pipeline.index.world import World

RUN = "2.1.329/basic"


def export(signal: Signal, message: Message) -> Export:
    wire = WIRES[signal]
    return Export(signal, message.SerializeToString(), sum(1 for _ in wire.attributed(message)), wire.decode)


def only(record: LogRecord) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    scope.scope.name = SCOPE
    scope.log_records.append(record)
    return request


class NextHop:
    """Takes everything and remembers it."""

    def __init__(self, answer: Taken | Refused = Taken()) -> None:  # noqa: B008 - immutable
        self.answer = answer
        self.exports: list[Export] = []

    def __call__(self, one: Export) -> Taken | Refused:
        self.exports.append(one)
        return self.answer


class Desk:
    """An intake with somebody behind it who stores what lies in its inbox."""

    def __init__(self, folder: Path, onward: Intake | None = None) -> None:
        self.world = World(folder)
        self.inbox = Inbox()
        self.intake = NativeIntake(self.inbox, onward)
        self._threads = ThreadPoolExecutor(1)

    def send(self, signal: Signal, message: Message) -> Taken | Refused:
        answer = self._threads.submit(self.intake, export(signal, message))
        while not answer.done():
            self.inbox.empty_into(self.world.place)
        return answer.result()

    @property
    def stored(self) -> int:
        tables = "native_records", "native_points"
        return sum(int(self.world.one(f"SELECT count(*) FROM {table}")) for table in tables)

    def close(self) -> None:
        self._threads.shutdown()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, NextHop())
    yield made
    made.close()


def next_hop(desk: Desk) -> NextHop:
    hop = desk.intake._onward
    assert isinstance(hop, NextHop)
    return hop


def test_who_is_thanked_has_his_records_on_the_disk(desk: Desk) -> None:
    """And the next pass makes the session of them."""
    kept = 0
    for request in log_requests(RUN):
        answer = desk.send(Signal.LOGS, request)
        assert answer == Taken(kept=len(read_logs(request).records))
        kept += answer.kept
    assert desk.stored == kept > 0
    assert len(desk.world.update().sessions) == 1


def test_what_is_sent_again_is_stored_once(desk: Desk) -> None:
    """A client that heard no answer sends again."""
    (first, *_) = trace_requests(RUN)
    desk.send(Signal.TRACES, first)
    before = desk.stored
    desk.send(Signal.TRACES, first)
    assert desk.stored == before > 0
    assert desk.inbox.fates == {(Signal.TRACES, Fate.STORED): before, (Signal.TRACES, Fate.DUPLICATE): before}


def test_every_item_has_a_fate(tmp_path: Path) -> None:
    """In the index, with the next hop, or told to be wanted by nobody: the sum is what was sent."""
    desk, counters = Desk(tmp_path, NextHop(Taken(1, "too old"))), Counters()
    sent: Counter[Signal] = Counter()
    requests = [(Signal.LOGS, one) for one in log_requests(RUN)]
    requests += [(Signal.TRACES, one) for one in trace_requests(RUN)]
    requests += [(Signal.METRICS, one) for one in metric_requests(RUN)]
    for signal, request in requests:
        answer = desk.send(signal, request)
        assert isinstance(answer, Taken)
        items = export(signal, request).items
        counters.took(signal, items, answer)
        sent[signal] += items
    fates = received(counters.tally(), desk.inbox.fates).items
    for signal in Signal:
        assert sum(fates.get((signal, fate), 0) for fate in Fate) == sent[signal] > 0
    assert sum(fates.get((signal, Fate.STORED), 0) for signal in Signal) == desk.stored
    passing = sum(one.items for one in next_hop(desk).exports)
    refused = len(next_hop(desk).exports)
    assert refused == sum(fates[signal, Fate.REJECTED] for signal in Signal) > 0
    assert passing - refused == sum(fates[signal, Fate.PASSED_ON] for signal in Signal) > 0
    desk.close()


def test_points_that_say_nothing_are_rejected(desk: Desk) -> None:
    """The sender is told how many had no session, no time or no value; the others are taken."""
    (metrics, *_) = metric_requests(RUN)
    point = metrics.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
    point.time_unix_nano = 0
    answer = desk.send(Signal.METRICS, metrics)
    assert isinstance(answer, Taken)
    assert (answer.rejected, answer.kept) == (1, export(Signal.METRICS, metrics).items - 1)
    assert answer.reason == "points without a session, a time or a value"
    assert desk.stored == answer.kept


def test_what_cannot_be_used_is_counted_by_its_reason(desk: Desk) -> None:
    """It goes on as it came."""
    (request, *_) = log_requests(RUN)
    records = request.resource_logs[0].scope_logs[0].log_records
    usable = read_logs(request).records
    timeless = next(record for record in records if read_logs(only(record)).records)
    timeless.time_unix_nano = timeless.observed_time_unix_nano = 0
    answer = desk.send(Signal.LOGS, request)
    assert isinstance(answer, Taken)
    assert (answer.kept, answer.problems) == (len(usable) - 1, {"bad_timestamp": 1})
    counters = Counters()
    counters.took(Signal.LOGS, len(records), answer)
    assert received(counters.tally()).problems == {(Signal.LOGS, "bad_timestamp"): 1}


def test_everything_else_goes_on_as_it_came(desk: Desk) -> None:
    """Other programs' events and metrics."""
    messages, metrics = [*log_requests(RUN)], [*metric_requests(RUN)]
    for request in messages:
        for group in request.resource_logs:
            for scope in group.scope_logs:
                scope.scope.name = "somebody.else"
        desk.send(Signal.LOGS, request)
    for counted in metrics:
        for measured in counted.resource_metrics:
            for place in measured.scope_metrics:
                place.scope.name = "somebody.else"
        desk.send(Signal.METRICS, counted)
    assert [one.message for one in next_hop(desk).exports] == [*messages, *metrics]
    assert desk.stored == 0


def test_the_answer_of_the_next_hop_is_the_answer(tmp_path: Path) -> None:
    """What is stored already does no harm when it comes again."""
    desk = Desk(tmp_path, NextHop(Refused("busy", is_retryable=True)))
    (request, *_) = log_requests(RUN)
    other = request.resource_logs.add()
    other.scope_logs.add().log_records.add().body.string_value = "x"
    assert desk.send(Signal.LOGS, request) == Refused("busy", is_retryable=True)
    assert desk.stored
    (rest,) = next_hop(desk).exports
    assert rest.message.resource_logs[-1] == other
    assert rest.items < sum(len(scope.log_records) for group in request.resource_logs for scope in group.scope_logs)
    desk.close()


def test_events_that_nobody_knows_hold_nothing_up(tmp_path: Path) -> None:
    """Without a pipeline for them the client would send all its events again and again."""
    desk = Desk(tmp_path, NextHop(Refused("no such pipeline", is_retryable=False)))
    answers = [desk.send(Signal.LOGS, request) for request in log_requests(RUN)]
    assert all(isinstance(answer, Taken) for answer in answers)
    assert sum(answer.rejected for answer in answers if isinstance(answer, Taken)) == sum(
        one.items for one in next_hop(desk).exports
    )
    desk.close()


def test_events_that_nobody_knows_come_again_when_the_next_hop_is_back(tmp_path: Path) -> None:
    """With all that came with them, which is stored once all the same."""
    desk = Desk(tmp_path, NextHop(Refused("away", is_retryable=True)))
    request = max(log_requests(RUN), key=lambda each: len(read_logs(each).left))
    assert desk.send(Signal.LOGS, request) == Refused("away", is_retryable=True)
    before = desk.stored
    next_hop(desk).answer = Taken()
    assert isinstance(desk.send(Signal.LOGS, request), Taken)
    assert desk.stored == before > 0
    desk.close()


def test_events_that_nobody_knows_are_no_failure_when_they_come_alone(tmp_path: Path) -> None:
    """A client would tell its user of one; but where the next hop is away they may come again."""
    unknown = [rest(request, read_logs(request)) for request in log_requests(RUN)]
    (request, *_) = [request for request in unknown if request.resource_logs]
    gone = Desk(tmp_path / "gone", NextHop(Refused("no such pipeline", is_retryable=False)))
    assert gone.send(Signal.LOGS, request) == Taken(export(Signal.LOGS, request).items, "no such pipeline")
    away = Desk(tmp_path / "away", NextHop(Refused("away", is_retryable=True)))
    assert away.send(Signal.LOGS, request) == Refused("away", is_retryable=True)
    for desk in (gone, away):
        desk.close()


def test_without_a_next_hop_it_is_said_what_nobody_takes(tmp_path: Path) -> None:
    """Nothing is dropped silently: the sender is told, and it is counted."""
    desk = Desk(tmp_path)
    (metrics, *_) = metric_requests(RUN)
    metrics.resource_metrics[0].scope_metrics[0].scope.name = "somebody.else"
    answer = desk.send(Signal.METRICS, metrics)
    assert isinstance(answer, Taken)
    assert answer.rejected == export(Signal.METRICS, metrics).items
    assert "no endpoint" in answer.reason
    desk.close()


def test_an_index_that_cannot_be_written_is_no_loss(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is asked to send again, at once where that is known and else after a while."""
    monkeypatch.setattr(native_intake, "_STORED_WITHIN_S", 0.05)
    (request, *_) = trace_requests(RUN)
    assert desk.intake(export(Signal.TRACES, request)) == Refused(
        "the index cannot be written at the moment", is_retryable=True
    )
    desk.world.connection.close()
    with pytest.raises(sqlite3.Error):
        desk.inbox.empty_into(desk.world.place)


def test_what_is_stored_after_its_sender_was_put_off_counts_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index was slow: when the sender comes again, everything is there already."""
    (request, *_) = trace_requests(RUN)
    with monkeypatch.context() as hasty:
        hasty.setattr(native_intake, "_STORED_WITHIN_S", 0.05)
        assert isinstance(desk.intake(export(Signal.TRACES, request)), Refused)
    desk.inbox.empty_into(desk.world.place)
    stored = desk.stored
    assert desk.send(Signal.TRACES, request) == Taken(kept=stored)
    assert desk.inbox.fates == {(Signal.TRACES, Fate.STORED): stored, (Signal.TRACES, Fate.DUPLICATE): stored}
    assert stored > 0
