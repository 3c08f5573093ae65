"""Retries, waits and giving up, against a scripted transport and a clock that only moves when somebody waits."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.otlp.answers import Accepted, Answer, BadItems, Refused, Retry, TooLarge
from otel_bridge.sinks.otlp.courier import Courier, described
from otel_bridge.sinks.otlp.encoder import Group
from otel_bridge.sinks.otlp.packing import Request
from otel_bridge.sinks.otlp.protobuf import ProtobufEncoder
from otel_bridge.sinks.otlp.retry import RetryPolicy
from otel_bridge.telemetry import DataPoint, Instrument, Metric, Signal
from tests.sinks.samples import RESOURCE, SCOPE, record, spans

POLICY = RetryPolicy(first_s=1, longest_s=8, give_up_s=60)


class Luck:
    """Randomness that is not random."""

    def __init__(self, value: float = 1.0) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


class World:
    """A transport that answers as scripted, and a clock that records the waits."""

    def __init__(self, answers: Iterable[Answer], policy: RetryPolicy = POLICY, luck: float = 1.0) -> None:
        self.answers = iter(answers)
        self.sent_at: list[float] = []
        self.waits: list[float] = []
        self.now = 0.0
        self.is_closed = False
        self.encoder = ProtobufEncoder(Signal.TRACES, SCOPE)
        rng: Any = Luck(luck)
        self.courier = Courier(
            Signal.TRACES, "there", self.encoder, self, policy, rng=rng, now=lambda: self.now, wait=self.wait
        )

    def send(self, _body: bytes) -> Answer:
        self.sent_at.append(self.now)
        return next(self.answers)

    def close(self) -> None:
        self.is_closed = True

    def wait(self, _event: threading.Event, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def deliver(self, count: int = 1) -> Delivery:
        items = spans(count)
        group = Group(RESOURCE, self.encoder.head(RESOURCE), list(items), self.encoder.items(items))
        return self.courier.deliver(Request([group]))


def test_waits_double_up_to_the_longest() -> None:
    """Each failure in a row doubles the wait, up to a limit."""
    world = World([*[Retry("down")] * 6, Accepted()])
    assert world.deliver(3) == Delivery({Signal.TRACES: Counts(accepted=3)})
    assert world.waits == [1, 2, 4, 8, 8, 8]


def test_waits_are_spread_by_chance() -> None:
    """The wait lies between half of it and all of it, so that many senders do not come back together."""
    assert [POLICY.delay_s(2, None, luck) for luck in (0.0, 0.5, 1.0)] == [2, 3, 4]
    assert [POLICY.delay_s(2, 10.0, luck) for luck in (0.0, 1.0)] == [10, 11]


def test_the_wait_asked_for_is_kept_by_all() -> None:
    """After Retry-After nothing is sent before that time, by no thread; a little chance comes on top."""
    world = World([Retry("slow down", after_s=20), Accepted(), Accepted()], luck=0.5)
    world.deliver()
    world.now -= 15  # another thread, still within the time
    world.deliver()
    assert world.sent_at == [0, 21, 21]


def test_giving_up_takes_as_long_as_allowed_and_no_longer() -> None:
    """No attempt is made after the time to give up, and then none at all for later requests."""
    world = World([Retry("down")] * 100)
    delivery = world.deliver(2)
    assert delivery.counts == {}
    [sentence] = delivery.failures
    assert sentence.startswith("traces: there did not take the data within 60 s: down; check that a collector listens")
    assert 50 <= world.now <= 60
    attempts = len(world.sent_at)
    assert world.deliver() == Delivery()
    assert len(world.sent_at) == attempts


def test_a_wait_longer_than_our_patience_is_not_begun() -> None:
    """If the receiver asks for more time than we have, we say so at once."""
    world = World([Retry("quota", after_s=3600)])
    [sentence] = world.deliver().failures
    assert "quota (it asks to wait 3600 s)" in sentence
    assert world.waits == []


def test_no_patience_means_one_attempt() -> None:
    """With nothing to spend on retries, the first failure is the end."""
    world = World([Retry("down")], RetryPolicy(give_up_s=0))
    assert world.deliver().failures
    assert world.sent_at == [0]


def test_the_size_limit_learnt_is_half_of_what_was_refused() -> None:
    """One request too large is enough to make the following ones smaller, though never tiny."""
    world = World([TooLarge("too large"), Accepted(), Accepted()])
    assert world.courier.max_bytes > 1 << 30
    world.deliver(4000)
    assert 64 * 1024 < world.courier.max_bytes < 4000 * 60
    small = World([TooLarge("too large"), Accepted(), Accepted()])
    small.deliver(2)
    assert small.courier.max_bytes == 64 * 1024


def test_a_miscounting_receiver_cannot_make_counts_negative() -> None:
    """A partial success of more items than were sent counts as all of them."""
    assert World([Accepted(rejected=99)]).deliver(5).of(Signal.TRACES) == Counts(rejected=5)


def test_one_item_rejected_in_part_is_named_itself() -> None:
    """A partial success of a request with one item is that item's rejection."""
    [rejection] = World([Accepted(rejected=1, message="bad")]).deliver().rejections
    assert rejection.item == f"chat claude (trace {1:032x}, span {1:016x})"


def test_a_receiver_that_refuses_any_item_but_no_empty_request_is_given_up_in_the_end() -> None:
    """If a request without items is welcome the search for good items goes on, but not for ever."""
    world = World([])
    empty = world.encoder.request([])
    world.send = lambda body: BadItems("bad") if body != empty else Accepted()  # type: ignore[method-assign]
    delivery = world.deliver(5000)
    assert delivery.of(Signal.TRACES) == Counts(rejected=1024)
    assert delivery.failures == ("traces: there refuses every item: bad; check that an OTLP receiver listens there",)


def test_closing_closes_the_transport() -> None:
    """The courier owns its transport."""
    world = World([Refused("no", "ask")])
    world.courier.close()
    assert world.is_closed


def test_log_records_are_named_by_what_they_have() -> None:
    """An event is found again by its ids, or by its time where it has none."""
    assert described(record(5)) == "session.start (at 1763000000000000005 ns)"
    with_ids = record(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    assert described(with_ids) == f"session.start (trace {'01' * 16}, span {'02' * 8})"


POINT = DataPoint(Metric("cost", "USD", Instrument.COUNTER), {"session.id": "s"}, 0, 5_000_000, 0.5)
DUPLICATE = BadItems("400 Bad Request: duplicate sample for timestamp 5; overrides not allowed")


class MetricWorld(World):
    """The same for data points; keeps the times of what was sent."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        super().__init__(answers)
        self.times_ms: list[int] = []
        self.encoder = ProtobufEncoder(Signal.METRICS, SCOPE)
        self.courier = Courier(
            Signal.METRICS, "there", self.encoder, self, POLICY, now=lambda: self.now, wait=self.wait
        )

    def send(self, body: bytes) -> Answer:
        for entry in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in entry.scope_metrics[0].metrics:
                self.times_ms += [point.time_unix_nano // 10**6 for point in metric.sum.data_points]
        return super().send(body)

    def deliver_points(self, *points: DataPoint) -> Delivery:
        group = Group(RESOURCE, self.encoder.head(RESOURCE), list(points), self.encoder.items(points))
        return self.courier.deliver(Request([group]))


def test_a_point_whose_place_is_taken_is_booked_a_little_later() -> None:
    world = MetricWorld([DUPLICATE, BadItems("400 Bad Request"), Accepted()])
    assert world.deliver_points(POINT) == Delivery({Signal.METRICS: Counts(accepted=1)})
    assert world.times_ms == [5, 6, 7]


def test_a_point_that_is_too_old_is_refused_at_once_and_named() -> None:
    world = MetricWorld([BadItems("400 Bad Request: too old sample")])
    delivery = world.deliver_points(POINT)
    assert delivery.of(Signal.METRICS) == Counts(rejected=1)
    assert delivery.rejections[0].item == "cost {session.id=s} at 5 ms"
    assert world.times_ms == [5]


def test_who_refuses_every_place_is_not_asked_for_more_of_them() -> None:
    world = MetricWorld([BadItems("400 Bad Request")] * 1000)
    for _ in range(12):
        world.deliver_points(POINT)
    assert len(world.sent_at) == 8 * 4 + 4


def test_good_points_beside_a_bad_one_are_delivered() -> None:
    bad = BadItems("400 Bad Request: out of bounds")
    world = MetricWorld([bad, Accepted(), bad, bad, Accepted()])
    delivery = world.deliver_points(*(replace(POINT, time_ns=ms * 10**6) for ms in (1, 2, 3, 4)))
    assert delivery.of(Signal.METRICS) == Counts(accepted=3, rejected=1)
    assert [rejection.item for rejection in delivery.rejections] == ["cost {session.id=s} at 3 ms"]


def test_any_number_of_points_that_are_too_old_stops_nothing() -> None:
    """Sessions from before the window are refused point by point; those inside it are still sent."""
    too_old = BadItems("400 Bad Request: out of bounds")
    healthy = Accepted()  # the answer to an empty request, asked when 16 in a row were refused
    world = MetricWorld([*[too_old] * 16, healthy, *[too_old] * 2000, Accepted()])
    delivered = [world.deliver_points(POINT) for _ in range(2016)]
    assert all(delivery.of(Signal.METRICS).rejected for delivery in delivered)
    assert world.deliver_points(POINT).of(Signal.METRICS) == Counts(accepted=1)
