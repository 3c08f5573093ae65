"""The whole way to a receiver, in every protocol: nothing lost, nothing doubled, everything accounted for."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.otlp import delivery as delivery_module
from otel_bridge.sinks.otlp.packing import Limits
from otel_bridge.sinks.otlp.retry import RetryPolicy
from otel_bridge.telemetry import Signal
from tests.otlp_server import (
    ACCEPT,
    BAD,
    DROP,
    HANG,
    UNAVAILABLE,
    Received,
    RecordingServer,
    Reply,
    bad_items,
    larger_than,
    partial,
)
from tests.sinks.otlp.official import official_request
from tests.sinks.samples import OTHER_RESOURCE, PROTOCOLS, SCOPE, batch, ids, record, sink_to, span, spans

TEN_AT_A_TIME = Limits(max_items=10)
HUNDRED = ids(spans(100))


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def deliver(server: RecordingServer, env: dict[str, str] | None = None, **options: Any) -> Delivery:
    """Send a hundred spans in requests of ten."""
    sink = sink_to(server, env, **{"limits": TEN_AT_A_TIME} | options)
    sink.send(batch(spans(100)))
    return sink.close()


def of_traces(**counts: int) -> Delivery:
    return Delivery({Signal.TRACES: Counts(**counts)})


def test_everything_arrives_once_and_as_it_was(protocol: str) -> None:
    """Spans and log records of several resources reach a healthy receiver unchanged and in order."""
    batches = [batch(spans(25)), batch([record(1), record(2)]), batch([span(26)], OTHER_RESOURCE), batch([span(27)])]
    with RecordingServer(protocol) as server:
        sink = sink_to(server)
        for one in batches:
            sink.send(one)
        delivery = sink.close()
        received = {request.signal: request.message for request in server.requests}
    assert delivery == Delivery({Signal.TRACES: Counts(accepted=27), Signal.LOGS: Counts(accepted=2)})
    assert delivery.is_complete
    assert received["traces"] == official_request([batches[0], *batches[2:]], SCOPE, Signal.TRACES)
    assert received["logs"] == official_request([batches[1]], SCOPE, Signal.LOGS)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_headers_and_compression_are_on_each_request(protocol: str, compression: str) -> None:
    """Configured headers travel with every request; compressed or not, the receiver reads the same."""
    env = {"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20x", "OTEL_EXPORTER_OTLP_COMPRESSION": compression}
    with RecordingServer(protocol) as server:
        assert deliver(server, env).is_complete
        assert sorted(server.span_ids()) == HUNDRED
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer x"] * 10
        assert all(request.headers["user-agent"].startswith("otel-bridge/") for request in server.requests)
        if protocol != "grpc":
            assert {request.headers.get("content-encoding", "none") for request in server.requests} == {compression}


PASSING_FAULTS = {
    "busy": [Reply(429, "RESOURCE_EXHAUSTED", "slow down", retry_after_s=0)] * 7,
    "unavailable": [UNAVAILABLE] * 7,
    "dropped": [DROP] * 7,
    "changing": [UNAVAILABLE, DROP, ACCEPT, Reply(504, "DEADLINE_EXCEEDED"), ACCEPT, Reply(502, "ABORTED")],
}


@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_passing_faults_lose_and_double_nothing(protocol: str, fault: str) -> None:
    """What a receiver refuses for the moment is sent again until it is taken, and only then, in its order."""
    with RecordingServer(protocol, PASSING_FAULTS[fault]) as server:
        assert deliver(server) == of_traces(accepted=100)
        assert sorted(server.span_ids()) == HUNDRED
        assert all(ids(request.items) == sorted(ids(request.items)) for request in server.requests)


def test_silence_is_a_passing_fault(protocol: str) -> None:
    """A receiver that does not answer in time is asked again."""
    with RecordingServer(protocol, [HANG]) as server:
        assert deliver(server, {"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}) == of_traces(accepted=100)
        assert sorted(server.span_ids()) == HUNDRED


def test_a_receiver_that_starts_late_gets_everything(protocol: str) -> None:
    """Refused connections are tried again until somebody listens."""
    with RecordingServer(protocol, listening=False) as server:
        later = threading.Timer(0.15, server.listen)
        later.start()
        assert deliver(server) == of_traces(accepted=100)
        later.join()
        assert sorted(server.span_ids()) == HUNDRED


def test_partial_success_counts_as_rejected_and_is_never_sent_again(protocol: str) -> None:
    """Items the receiver counted out are reported with its words; the request is not repeated."""
    with RecordingServer(protocol, [partial(3, "too old")]) as server:
        delivery = deliver(server, in_flight=1)
        assert len(server.requests) == 10
        assert sorted(server.span_ids()) == HUNDRED[:7] + HUNDRED[10:]
    assert delivery.of(Signal.TRACES) == Counts(accepted=97, rejected=3)
    [rejection] = delivery.rejections
    assert (rejection.signal, rejection.reason) == (Signal.TRACES, "too old")
    assert rejection.item.startswith("3 of 10 items, the first of them chat claude (trace 00")
    assert not delivery.is_complete


def test_bad_items_are_found_and_named_and_the_others_delivered(protocol: str) -> None:
    """A request refused for its content is halved until the culprits stand alone."""
    bad = {3, 4, 77}
    with RecordingServer(protocol, bad_items(lambda sent: sent.span_id[-1] in bad)) as server:
        delivery = deliver(server)
        assert sorted(server.span_ids()) == [i for number, i in enumerate(HUNDRED, 1) if number not in bad]
    assert delivery.of(Signal.TRACES) == Counts(accepted=97, rejected=3)
    assert sorted(rejection.item[-17:-1] for rejection in delivery.rejections) == [HUNDRED[n - 1] for n in sorted(bad)]
    assert all(rejection.reason.endswith("bad item") for rejection in delivery.rejections)


def test_requests_too_large_are_halved(protocol: str) -> None:
    """A receiver with a lower limit gets smaller requests; an item that is too large by itself is named."""
    huge = span(101, attributes={"text": "x" * 3000})
    with RecordingServer(protocol, larger_than(2500)) as server:
        sink = sink_to(server, limits=Limits(max_items=50))
        sink.send(batch([*spans(100), huge]))
        delivery = sink.close()
        assert sorted(server.span_ids()) == HUNDRED
    assert delivery.of(Signal.TRACES) == Counts(accepted=100, rejected=1)
    assert ids([huge])[0] in delivery.rejections[0].item


REFUSALS = {
    401: ("UNAUTHENTICATED", "check the credentials in OTEL_EXPORTER_OTLP_HEADERS"),
    403: ("PERMISSION_DENIED", "check what the credentials"),
    404: (
        "UNIMPLEMENTED",
        "check that an OTLP receiver with a pipeline|check the path of the endpoint",
    ),
    405: ("UNIMPLEMENTED", "check t"),
    415: ("UNIMPLEMENTED", "check t|choose another OTEL_EXPORTER_OTLP_PROTOCOL"),
    307: ("RESOURCE_EXHAUSTED", "set the endpoint to where it redirects|a quota of the receiver"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_answers_about_us_stop_everything_at_once(protocol: str, status: int) -> None:
    """Neither halving nor waiting helps: one sentence says what to check, and nothing more is sent."""
    code, advice = REFUSALS[status]
    with RecordingServer(protocol, lambda _: Reply(status, code, "go away")) as server:
        delivery = deliver(server, in_flight=2)
        assert len(server.requests) <= 2
    assert delivery.of(Signal.TRACES) == Counts(undelivered=100)
    assert not delivery.rejections
    [sentence] = delivery.failures
    assert "go away" in sentence
    assert any(part in sentence for part in advice.split("|"))
    assert sentence.startswith("traces: ")
    assert server.endpoint.removeprefix("http://") in sentence


def test_a_dead_receiver_is_given_up_once(protocol: str) -> None:
    """After the time to give up, the rest is not tried: a long history fails as fast as a short one."""
    with RecordingServer(protocol, lambda _: UNAVAILABLE) as server:
        started = time.monotonic()
        delivery = deliver(server, retry=RetryPolicy(first_s=0.05, give_up_s=0.2))
        assert time.monotonic() - started < 2
        assert len({tuple(ids(request.items)) for request in server.requests}) <= 4
    assert delivery.of(Signal.TRACES) == Counts(undelivered=100)
    assert "did not take the data within 0.2 s" in delivery.failures[0]
    assert "shutting down" in delivery.failures[0]


def test_one_request_that_never_passes_does_not_stop_the_others(protocol: str) -> None:
    """Where others are accepted meanwhile, only the request that was given up is undelivered."""

    def script(request: Received) -> Reply:
        time.sleep(0.01)
        return UNAVAILABLE if ids(request.items)[0] == HUNDRED[0] else ACCEPT

    with RecordingServer(protocol, script) as server:
        delivery = deliver(server, in_flight=2, retry=RetryPolicy(first_s=0.02, give_up_s=0.05))
        assert sorted(server.span_ids()) == HUNDRED[10:]
    assert delivery.of(Signal.TRACES) == Counts(accepted=90, undelivered=10)
    assert len(delivery.failures) == 1


def test_a_receiver_that_refuses_every_item_is_left_alone(protocol: str) -> None:
    """When each of the first items is refused by itself it is not about the items: the search ends."""
    with RecordingServer(protocol, lambda _: BAD) as server:
        delivery = deliver(server, in_flight=1)
        assert len(server.requests) < 60
    counts = delivery.of(Signal.TRACES)
    assert counts == Counts(rejected=16, undelivered=84)
    assert "refuses every item" in delivery.failures[0]


def test_a_run_of_bad_items_is_not_taken_for_a_bad_receiver(protocol: str) -> None:
    """Even if the history begins with many bad items, all good ones behind them are found."""
    with RecordingServer(protocol, bad_items(lambda sent: sent.span_id[-1] <= 40)) as server:
        delivery = deliver(server, in_flight=1)
        assert server.span_ids() == HUNDRED[40:]
    assert delivery.of(Signal.TRACES) == Counts(accepted=60, rejected=40)


def test_one_batch_per_request_on_demand(protocol: str) -> None:
    """Batches share requests unless told not to."""
    batches = [batch([span(1)]), batch([span(2)]), batch([span(3)], OTHER_RESOURCE), batch([span(4)])]
    for apart, requests in ((False, 1), (True, 4)):
        with RecordingServer(protocol) as server:
            sink = sink_to(server, limits=Limits(one_batch_per_request=apart), in_flight=1)
            for one in batches:
                sink.send(one)
            assert sink.close().is_complete
            assert server.span_ids() == ids(spans(4))
            assert len(server.requests) == requests


@pytest.fixture
def hanging(protocol: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    monkeypatch.setattr(delivery_module, "_ABORT_S", 0.05)
    with RecordingServer(protocol, lambda _: HANG) as server:
        yield server


def test_abort_leaves_at_once(hanging: RecordingServer) -> None:
    """An abort hardly waits for what is under way, and the account still adds up."""
    sink = sink_to(hanging, limits=TEN_AT_A_TIME)
    sink.send(batch(spans(25)))
    started = time.monotonic()
    sink.abort()
    delivery = sink.close()
    assert time.monotonic() - started < 1
    assert delivery.of(Signal.TRACES) == Counts(undelivered=25)
    assert delivery.failures == ("traces: stopped before everything was sent",)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise, though a shell may have it ignored for what runs in its background."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_sending_blocks_is_an_abort(hanging: RecordingServer) -> None:
    """Ctrl-C reaches a sender that waits for a full window, and leaves a sink that can be closed."""
    sink = sink_to(hanging, limits=TEN_AT_A_TIME, in_flight=1)
    main = threading.main_thread().ident
    assert main is not None
    interrupt = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        sink.send(batch(spans(100)))
    assert sink.close().of(Signal.TRACES) == Counts(undelivered=100)
