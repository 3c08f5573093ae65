"""Placement B with everything real: client → collector → bridges → collector → stores, with the shipped layers.

Two bridges know sessions by what the client tells alone. What must come out is what the client itself said: one span
for each of its requests, under its own id, and its own cost to the last digit. One bridge that has transcripts as well
must tell what an index tells that is given both.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

import pytest
from google.protobuf.message import Message
from prometheus_client.parser import text_string_to_metric_families

from otel_bridge.serving.received import Fate
from tests.cli.commands import environment_of
from tests.stack.conftest import start_stack
from tests.stack.exports import Reader, money
from tests.stack.otlp import counter, send_http, spans
from tests.stack.recorded import SIGNALS, Recording, value_of
from tests.stack.test_natives import Client, chats, told_at_once
from tools.stack import configured
from tools.stack.configured import local
from tools.stack.servers import Server, free_port
from tools.stack.stack import Stack
from tools.stack.stores import StoredSpan, eventually

pytestmark = pytest.mark.slow

TOKEN = "let-me-in"
COST = "coding_agent_cost_USD_total"
LAYERS = ("agent.yaml", "front.yaml")
CALM = ("2.1.329/turns", "2.1.181/basic")
STORMY = ("2.1.181/turns", "2.1.329/basic")
"""Runs with sessions of either bridge."""
WRITTEN = "2.1.329/compact"
"""A run with transcripts, of a session that no other has."""
WITHIN_S = 60.0
QUIET_S = 1.0
"""What goes round comes back within milliseconds."""
OTHER = "another program"


class Bridge:
    """A running `up`, which sends to a collector."""

    def __init__(self, folder: Path, endpoint: str, port: int) -> None:
        own = local(free_port())
        options = ["--grpc", "none", "--http", local(port), "--listen", own, "--endpoint", endpoint]
        self.projects = folder / "client" / "projects"
        self.projects.mkdir(parents=True)
        environment = environment_of(folder / "client", folder / "data") | {"OTEL_BRIDGE_RECEIVE_TOKEN": TOKEN}
        self.url = f"http://{own}"
        self.server = Server(
            "up", [sys.executable, "-m", "otel_bridge", "up", *options], folder, f"{self.url}/healthz", environment
        )

    def received(self) -> Counter[tuple[str, str]]:
        """Return how many items it has received, by signal and by what became of them."""
        with urlopen(f"{self.url}/metrics", timeout=10) as reply:
            families = text_string_to_metric_families(reply.read().decode())
        return +Counter(
            {
                (sample.labels["signal"], sample.labels["fate"]): int(sample.value)
                for family in families
                for sample in family.samples
                if sample.name == "otel_bridge_receive_items_total"
            }
        )


class Placement:
    """Collector and bridges before the stores of a stack. A second bridge sends to where clients send."""

    def __init__(self, stack: Stack, folder: Path, bridges: int) -> None:
        ports, back = configured.with_own_collector(stack.ports), free_port()
        taking = [free_port() for _ in range(bridges)]
        self.http = f"http://{local(ports.collector_http)}"
        environment = {
            "RETURN_GRPC": local(free_port()),
            "RETURN_HTTP": local(back),
            "BRIDGE_ENDPOINT": f"http://{local(taking[0])}",
            **{f"BRIDGE_{number}_ENDPOINT": f"http://{local(port)}" for number, port in enumerate(taking)},
            "OTEL_BRIDGE_RECEIVE_TOKEN": TOKEN,
        }
        layers = (*LAYERS, "front-bridges.yaml") if bridges > 1 else LAYERS
        self.collector = configured.collector(folder / "front", ports, layers, environment)
        targets = (f"http://{local(back)}", self.http)
        self.bridges = [
            Bridge(folder / str(number), target, port)
            for number, (target, port) in enumerate(zip(targets, taking, strict=False))
        ]

    def __enter__(self) -> Placement:
        with ExitStack() as started:
            for server in (self.collector, *(bridge.server for bridge in self.bridges)):
                started.callback(server.kill)
                server.start()
            self._ending = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def send(self, requests: Iterable[Message]) -> None:
        """Send each request once: what is thanked for must not be lost."""
        for request in requests:
            assert send_http(self.http, request).status == 200

    def received(self) -> Counter[tuple[str, str]]:
        return sum((bridge.received() for bridge in self.bridges), Counter())


class Told:
    """What recorded clients said of their sessions."""

    def __init__(self, runs: Iterable[str]) -> None:
        self.recordings = [Recording(run) for run in runs]
        self.cost_usd: dict[str, Decimal] = defaultdict(Decimal)
        self.request_spans: dict[str, set[str]] = defaultdict(set)
        for record in (each for recording in self.recordings for each in recording.records()):
            if value_of(record, "event.name") == "api_request":
                self.cost_usd[value_of(record, "session.id")] += Decimal(str(value_of(record, "cost_usd")))
        for span in (each for recording in self.recordings for each in recording.spans()):
            if span["name"] == "claude_code.llm_request":
                self.request_spans[value_of(span, "session.id")].add(span["spanId"])
        assert self.cost_usd.keys() == self.request_spans.keys()
        assert all(cost_usd > 0 for cost_usd in self.cost_usd.values())

    def requests(self) -> list[Message]:
        """Return all requests, those of events first, as most clients send them."""
        return [
            request
            for signal in ("logs", "metrics", "traces")
            for each in self.recordings
            for request in each.requests(signal)
        ]

    def items(self) -> Counter[str]:
        """Return how many items were sent, by signal."""
        found: Counter[str] = Counter()
        for each in self.recordings:
            found.update(dict(zip(SIGNALS, map(len, (each.spans(), each.points(), each.records())), strict=True)))
        return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with start_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def placement(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Placement]:
    with Placement(stack, tmp_path_factory.mktemp("placement"), 2) as running:
        yield running


def stored(stack: Stack, service: str = "claude-code") -> list[StoredSpan]:
    now = time.time()
    return stack.trace_store.spans(service, now - 86_400, now + 60)


def cost_usd(stack: Stack, session_id: str, expected: Decimal) -> Decimal:
    """Return what a session cost by Prometheus, as soon as it is what is expected."""
    reader = Reader(stack, "claude-code", time.time() + 600)
    last = reader.last(COST, session_id=f'="{session_id}"')
    return eventually(lambda: money(reader.total(last)), lambda value: value == expected, WITHIN_S)


def model_calls(stack: Stack, session_id: str, expected: Counter[str]) -> Counter[str]:
    """Return how often the trace store has each model call of a session, as soon as it is what is expected."""

    def ask() -> Counter[str]:
        chats = (span for span in stored(stack) if span.attributes.get("gen_ai.operation.name") == "chat")
        return Counter(span.span_id for span in chats if span.attributes.get("session.id") == session_id)

    return eventually(ask, lambda found: found == expected, WITHIN_S)


def assert_exact(stack: Stack, told: Told) -> None:
    """Assert that the stores have each request once and what it cost, as the client said."""
    for session_id, said_usd in told.cost_usd.items():
        expected = money(str(said_usd))
        assert cost_usd(stack, session_id, expected) == expected
        once = Counter(dict.fromkeys(told.request_spans[session_id], 1))
        assert model_calls(stack, session_id, once) == once
    assert set(Counter(span.span_id for span in stored(stack)).values()) == {1}


def test_what_clients_say_comes_out_once_and_exactly(stack: Stack, placement: Placement) -> None:
    """Each bridge has sessions of its own, takes every item once, and nothing comes to it a second time."""
    told = Told(CALM)
    before = placement.received()
    placement.send(told.requests())
    assert_exact(stack, told)
    time.sleep(QUIET_S)
    received = placement.received() - before
    assert {signal: sum(received[signal, fate] for fate in Fate) for signal in SIGNALS} == told.items()
    assert sum(received[signal, Fate.DUPLICATE] for signal in SIGNALS) == 0
    assert all(bridge.received()["traces", Fate.STORED] for bridge in placement.bridges)


def test_what_other_programs_send_is_left_as_it_is(stack: Stack, placement: Placement) -> None:
    """It meets no bridge, even with a session's name in it."""
    before, now = placement.received(), round(time.time())
    said = {"session.id": "c0bd6ceb", "gen_ai.operation.name": "chat", "text": "ä ö"}
    sent = spans(OTHER, now, 3, said)
    placement.send([sent, counter("a session of theirs", [(now, 2.5)], OTHER)])
    found = eventually(lambda: stored(stack, OTHER), lambda each: len(each) >= 3, WITHIN_S)
    originals = sent.resource_spans[0].scope_spans[0].spans
    assert sorted((span.span_id, span.name, span.start_ns, span.parent_id) for span in found) == sorted(
        (one.span_id.hex(), one.name, one.start_time_unix_nano, one.parent_span_id.hex() or None) for one in originals
    )
    for span in found:
        assert said.items() <= span.attributes.items()
        assert span.resource["service.name"] == OTHER
    ask = f'{COST}{{job="{OTHER}",session_id="a session of theirs"}}'
    value = eventually(lambda: stack.metrics.value(ask, time.time()), lambda each: each is not None, WITHIN_S)
    assert value == "2.5"
    time.sleep(QUIET_S)
    assert placement.received() == before


def test_restarts_in_the_middle_lose_nothing_and_double_nothing(stack: Stack, placement: Placement) -> None:
    """Crashes of both bridges while they are sent to, of the collector with its queue full, and of it as they send."""
    told = Told(STORMY)
    requests = told.requests()
    third = len(requests) // 3
    placement.send(requests[:third])
    for bridge in placement.bridges:
        bridge.server.kill()
    placement.send(requests[third : 2 * third])
    placement.collector.kill()
    placement.collector.start()
    for bridge in placement.bridges:
        bridge.server.start()
    placement.send(requests[2 * third :])
    placement.collector.kill()
    placement.collector.start()
    assert_exact(stack, told)


def test_a_bridge_with_the_transcripts_tells_what_both_say(stack: Stack, tmp_path: Path) -> None:
    """The client writes and sends at once; through the collector comes what came to the bridge directly before."""
    client = Client(WRITTEN)
    expected = told_at_once(client, tmp_path / "index")
    assert expected
    with Placement(stack, tmp_path / "placement", 1) as placement:
        client.write(placement.bridges[0].projects)
        placement.send(request for signal in SIGNALS for request in client.recording.requests(signal))
        for session_id, (calls, both_usd) in expected.items():
            cost = money(str(both_usd))
            assert cost > 0
            assert cost_usd(stack, session_id, cost) == cost
            assert list(chats(stack, session_id, calls).values()) == [1] * calls
