"""A collector before the bridge as well as behind it: what is Claude Code's goes to the bridge, and nothing goes round.

The bridge here is a stand-in that sends everything back at once under the scope of the real one.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from otel_bridge.semconv import SCOPE
from tests.otlp_server import ACCEPT, Received, RecordingServer, Reply
from tests.stack.otlp import SYNC, counter, log_record, send_grpc, send_http, spans, string
from tests.stack.recorded import SIGNALS, Recording
from tools.stack import configured
from tools.stack.configured import local
from tools.stack.servers import free_port
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

DAY_S = 86_400
QUIET_S = 1.0
"""What goes round comes back within milliseconds."""
TOKEN = "let-me-in"
NATIVE = "com.anthropic.claude_code.tracing"


class Bridge:
    """Takes OTLP over HTTP and sends all of it back, each point as a series of its own."""

    def __init__(
        self, target: str, scope: str | None = SCOPE.name, headers: Mapping[str, str] = SYNC, *, listening: bool = True
    ) -> None:
        self.answers: list[int | str] = []
        """What the collector said to what was sent back."""
        self._target, self._scope, self._headers = target, scope, headers
        self._numbers = count()
        self._sender = ThreadPoolExecutor(1)
        self.server = RecordingServer("http/protobuf", self._take, listening=listening)

    def _take(self, request: Received) -> Reply:
        self._sender.submit(self._send_back, request)
        return ACCEPT

    def _send_back(self, request: Received) -> None:
        message = type(request.message).FromString(request.message.SerializeToString())
        for scope in scopes_of(message):
            scope.scope.name = self._scope or scope.scope.name
        for metric in Received(request.signal, message, 0, {}, "").metrics if request.signal == "metrics" else ():
            metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
            for point in metric.sum.data_points:
                point.attributes.append(string("number", str(next(self._numbers))))
        self.answers.append(send_http(self._target, message, self._headers).status)

    def items(self, signal: str) -> list[Any]:
        """Return what it was sent, in order; what came twice is there twice."""
        return [item for each in list(self.server.requests) if each.signal == signal for item in each.items]

    def signals(self) -> list[str]:
        return [each.signal for each in list(self.server.requests)]

    def count(self) -> int:
        return sum(len(self.items(signal)) for signal in SIGNALS)

    def close(self) -> None:
        self.server.close()
        self._sender.shutdown()


def scopes_of(message: Message) -> Iterator[Any]:
    ((_, resources),) = message.ListFields()
    for resource in resources:
        ((_, scopes),) = [each for each in resource.ListFields() if each[0].name.startswith("scope_")]
        yield from scopes


class Front:
    """The shipped layers before stand-ins for the bridges, a recording trace store and the Prometheus of a stack."""

    def __init__(self, stack: Stack, folder: Path, *more: str) -> None:
        self.metrics = stack.metrics
        self.traces = RecordingServer("grpc")
        self.ports = configured.with_own_collector(stack.ports)
        self.http, self.grpc = f"http://{local(self.ports.collector_http)}", local(self.ports.collector_grpc)
        self._return = free_port()
        self.return_http = f"http://{local(self._return)}"
        self.bridges: list[Bridge] = []
        self._folder, self._more = folder, more
        self.server = self._collector({})

    def start(self, *bridges: Bridge) -> Front:
        self.bridges = list(bridges)
        first = {"BRIDGE_ENDPOINT": bridges[0].server.endpoint}
        several = {f"BRIDGE_{number}_ENDPOINT": each.server.endpoint for number, each in enumerate(bridges)}
        self.server = self._collector({**first, **several})
        self.server.start()
        return self

    def _collector(self, endpoints: Mapping[str, str]) -> Any:
        environment = {
            "TRACES_ENDPOINT": self.traces.endpoint.removeprefix("http://"),
            "RETURN_GRPC": local(free_port()),
            "RETURN_HTTP": local(self._return),
            "OTEL_BRIDGE_RECEIVE_TOKEN": TOKEN,
            **endpoints,
        }
        return configured.collector(self._folder, self.ports, ("agent.yaml", "front.yaml", *self._more), environment)

    def close(self) -> None:
        self.server.kill()
        self.traces.close()
        for bridge in self.bridges:
            bridge.close()

    def send(self, requests: Iterable[Message]) -> None:
        for request in requests:
            assert send_http(self.http, request).status == 200

    def stored_points(self, service: str) -> int:
        """Return how many series Prometheus has: one for each point that a stand-in sent."""
        return len(self.metrics.query(f'last_over_time({{job="{service}", number!=""}}[1h])', time.time() + 60))

    def stored_spans(self) -> Counter[tuple[str, str]]:
        """Return how often the trace store has each span, by scope."""
        found: Counter[tuple[str, str]] = Counter()
        for request in list(self.traces.requests):
            for scope in scopes_of(request.message):
                found.update((scope.scope.name, span.span_id.hex()) for span in scope.spans)
        return found


NewFront = Callable[..., Front]


@pytest.fixture
def new_front(stack: Stack, tmp_path: Path) -> Iterator[NewFront]:
    """Return what makes a collector with the layers, and more of them; bridges are given when it starts."""
    made: list[Front] = []

    def make(*more: str) -> Front:
        made.append(Front(stack, tmp_path / str(len(made)), *more))
        return made[-1]

    yield make
    for front in made:
        front.close()


def requests_of(*recordings: Recording) -> list[Message]:
    return [message for each in recordings for signal in SIGNALS for message in each.requests(signal)]


@pytest.mark.parametrize(
    ("scope", "headers", "is_own_port"),
    [
        (SCOPE.name, SYNC, True),
        (None, {}, True),
        (SCOPE.name, SYNC, False),
        (SCOPE.name, {}, False),
        (None, SYNC, False),
    ],
    ids=["as the bridge does", "unchanged", "where clients send", "by its scope alone", "by its header alone"],
)
def test_everything_goes_round_once(
    new_front: NewFront, scope: str | None, headers: Mapping[str, str], is_own_port: bool
) -> None:
    """To the bridge all that the client sent and nothing else; what it sends back to the backends, and never again."""
    service = f"front {scope} {len(headers)} {is_own_port}"
    recordings = [Recording(run, service) for run in ("2.1.329/basic", "2.1.50/turns")]
    front = new_front()
    front.start(bridge := Bridge(front.return_http if is_own_port else front.http, scope, headers))
    front.send(requests_of(*recordings))
    sent_spans = {span["spanId"] for each in recordings for span in each.spans()}
    sent_points = sum(len(each.points()) for each in recordings)
    sent = len(sent_spans) + sent_points + sum(len(each.records()) for each in recordings)
    eventually(
        lambda: (bridge.count(), sum(front.stored_spans().values())), lambda it: it == (sent, len(sent_spans)), 20
    )
    eventually(lambda: front.stored_points(service), lambda points: points == sent_points, 20)
    time.sleep(QUIET_S)
    assert bridge.count() == sent
    assert {span.span_id.hex() for span in bridge.items("traces")} == sent_spans
    assert front.stored_spans() == Counter({(scope or NATIVE, span_id): 1 for span_id in sent_spans})
    assert front.stored_points(service) == sent_points
    assert Counter(bridge.answers) == Counter(
        200 if signal != "logs" or not is_own_port else 404 for signal in bridge.signals()
    )
    assert {each.headers["authorization"] for each in bridge.server.requests} == {f"Bearer {TOKEN}"}


def test_what_other_programs_send_goes_past_the_bridge(new_front: NewFront) -> None:
    """Even under Claude Code's service name; over HTTP and gRPC."""
    front = new_front()
    front.start(bridge := Bridge(front.http))
    now = round(time.time())
    front.send([spans("claude-code", now, 3, key="past the bridge"), counter("past the bridge", [(now, 2)])])
    assert send_grpc(front.grpc, counter("past the bridge", [(now + 1, 5)])).status == "OK"
    assert send_http(front.http, log_record("past the bridge")).status == 200
    assert eventually(lambda: sum(front.stored_spans().values()), lambda stored: stored == 3, 20) == 3
    ask = 'last_over_time(coding_agent_cost_USD_total{session_id="past the bridge"}[1h])'
    assert eventually(lambda: front.metrics.value(ask, now + 2), lambda value: value == "5", 20) == "5"
    time.sleep(QUIET_S)
    assert bridge.count() == 0


def test_the_bridge_hears_what_prometheus_says(new_front: NewFront) -> None:
    """On either port: its metrics pass no queue, and the status is that of Prometheus."""
    front = new_front().start(Bridge("http://unused"))
    now = time.time()
    old = counter("front answers", [(now - 401 * DAY_S, 1)])
    for target in (front.return_http, front.http):
        assert send_http(target, counter("front answers", [(now, 1)]), SYNC).status == 200
        assert send_http(target, old, SYNC).status == 400
        assert send_http(target, old).status == 200
    assert send_grpc(front.grpc, old, SYNC).status == "INVALID_ARGUMENT"


@pytest.mark.slow
def test_a_bridge_that_is_away_misses_nothing(new_front: NewFront) -> None:
    """Not even over a crash of the collector: what clients were thanked for is on its disk."""
    recording = Recording("2.1.329/basic", "front away")
    front = new_front()
    front.start(bridge := Bridge(front.return_http, listening=False))
    front.send(requests_of(recording))
    front.server.kill()
    front.server.start()
    bridge.server.listen()
    sent = len(recording.spans()) + len(recording.points()) + len(recording.records())
    assert eventually(bridge.count, lambda number: number >= sent, 60) == sent


def test_all_signals_of_a_session_reach_one_bridge(new_front: NewFront) -> None:
    """By a hash of the session's id: the same one from every collector, and nothing is lost or doubled."""
    recordings = [
        Recording(run, "front bridges")
        for run in ("2.1.329/basic", "2.1.329/turns", "2.1.181/turns", "2.1.50/turns", "2.0.30/turns", "1.0.60/turns")
    ]
    collectors = [new_front("front-bridges.yaml"), new_front("front-bridges.yaml")]
    bridges = [Bridge(collectors[0].http), Bridge(collectors[0].http)]
    for front in collectors:
        front.start(*bridges)
    for number, request in enumerate(requests_of(*recordings)):
        collectors[number % 2].send([request])
    sent = sum(len(each.spans()) + len(each.points()) + len(each.records()) for each in recordings)
    eventually(lambda: sum(bridge.count() for bridge in bridges), lambda number: number >= sent, 20)
    time.sleep(QUIET_S)
    assert sum(bridge.count() for bridge in bridges) == sent
    places: dict[str, set[int]] = defaultdict(set)
    for place, bridge in enumerate(bridges):
        for item in (item for signal in SIGNALS for item in bridge.items(signal)):
            places[session_of(item)].add(place)
    assert places == {session: {int(hash_of(session) >= "8")} for session in places}
    assert len(places) > 10
    assert {place for where in places.values() for place in where} == {0, 1}


def test_the_load_balancing_exporter_would_tear_sessions_apart(stack: Stack, tmp_path: Path) -> None:
    """Why front-bridges.yaml does not use it: told to place by session, it does so with all signals but logs."""
    recording = Recording("2.1.329/turns", "balanced")
    ports = configured.with_own_collector(stack.ports)
    with RecordingServer("grpc") as first, RecordingServer("grpc") as second:
        servers = (first, second)
        endpoints = [server.endpoint.removeprefix("http://") for server in servers]
        config = tmp_path / "balanced.yaml"
        config.write_text(BALANCED.replace("ENDPOINTS", ", ".join(endpoints)), encoding="utf-8")
        collector = configured.collector(tmp_path, ports, ("agent.yaml", str(config)))
        try:
            collector.start()
            for request in requests_of(recording) * 10:  # where there is no trace id it is a matter of chance
                assert send_http(f"http://{local(ports.collector_http)}", request).status == 200
        finally:
            collector.kill()
        places: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for place, server in enumerate(servers):
            for request in server.requests:
                for item in request.items:
                    places[request.signal][session_of(item)].add(place)
    torn = {signal: any(len(where) > 1 for where in sessions.values()) for signal, sessions in places.items()}
    assert torn == {"traces": False, "metrics": False, "logs": True}


BALANCED = """
exporters:
  loadbalancing:
    routing_key: attributes
    routing_attributes: [session.id]
    protocol: {otlp: {tls: {insecure: true}, sending_queue: {enabled: false}}}
    resolver: {static: {hostnames: [ENDPOINTS]}}
service:
  pipelines:
    traces: {exporters: [loadbalancing, routing/traces]}
    metrics: {exporters: [loadbalancing, routing/metrics]}
    logs: {receivers: [otlp], exporters: [loadbalancing]}
"""


def session_of(item: Any) -> str:
    (session,) = (pair.value.string_value for pair in item.attributes if pair.key == "session.id")
    return str(session)


def hash_of(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()


def test_what_has_no_session_goes_to_the_first(new_front: NewFront) -> None:
    """As when a client leaves the session out of its metrics; it is not lost."""
    front = new_front("front-bridges.yaml")
    front.start(first := Bridge(front.http), second := Bridge(front.http))
    request = spans("no session", time.time(), 2)
    request.resource_spans[0].scope_spans[0].scope.name = NATIVE
    front.send([request])
    assert eventually(first.count, lambda number: number == 2, 20) == 2
    assert second.count() == 0


def test_it_starts_without_a_warning(new_front: NewFront) -> None:
    """Of the bridge that is not there nothing is said before there is something for it."""
    front = new_front("front-bridges.yaml")
    away = f"http://{local(free_port())}"
    front.start(Bridge(away, listening=False), Bridge(away, listening=False))
    lines = front.server.log.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "\twarn\t" in line or "\terror\t" in line] == []
