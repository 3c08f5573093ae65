"""In the real stores: transcript, telemetry or both, in any order, end in the same series and in one span per call.

Each way of telling has a running `up` with a service name of its own, and all of them share one stack. What differs
between them has a name and a rule (``tests/views.py``). The client's own metrics are sent as well.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from otel_bridge import semconv
from otel_bridge.model import Session
from otel_bridge.prometheus_names import label, series
from tests.captures import read_sessions
from tests.stack.clients import SENDERS, Bridge, Client
from tests.stack.conftest import start_stack
from tests.stack.exports import LOOK_BACK, money
from tests.views import COMPARABLE, LABELS, METRICS, View, expected_series, named_differences
from tests.waterfall import joined
from tools.stack.stack import Stack
from tools.stack.stores import StoredSpan, eventually

pytestmark = pytest.mark.slow

SIGNALS = ("logs", "traces", "metrics")
WITHIN_S = 90.0
Stored = dict[tuple[str, ...], Decimal]
"""Session, metric as Prometheus spells it, source, model asked for, model that answered → the last value."""


@dataclass
class Telling:
    """A way in which one bridge is told of all runs: what it hears first and, once that is stored, what then."""

    first: Callable[[Client, Bridge], None]
    known_first: View
    then: Callable[[Client, Bridge], None] | None = None

    @property
    def known_last(self) -> View:
        return View.BOTH if self.then else self.known_first


def writes(client: Client, bridge: Bridge) -> None:
    client.write(bridge.projects)


def sends(way: str, *signals: str) -> Callable[[Client, Bridge], None]:
    return lambda client, bridge: client.send(bridge, way, signals or SIGNALS)


def in_turns(client: Client, bridge: Bridge) -> None:
    """Send a request, let each transcript grow by a piece, and so on."""
    requests = [request for signal in ("metrics", "logs", "traces") for request in client.recording.requests(signal)]
    lines = {name: text.splitlines(keepends=True) for name, text in client.transcripts().items()}
    for number, request in enumerate(requests):
        assert SENDERS["json"](bridge, request) == 200
        for name, own in lines.items():
            path = bridge.projects / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.writelines(own[number * len(own) // len(requests) : (number + 1) * len(own) // len(requests)])


def twice(client: Client, bridge: Bridge) -> None:
    """Send and write, and send all of it again over another protocol."""
    for one in (sends("protobuf"), writes, sends("grpc")):
        one(client, bridge)


TELLINGS = {
    "telemetry": Telling(sends("json"), View.TELEMETRY),
    "transcript": Telling(writes, View.TRANSCRIPT),
    "telemetry-first": Telling(sends("grpc"), View.TELEMETRY, writes),
    "transcript-first": Telling(writes, View.TRANSCRIPT, sends("protobuf")),
    "in-turns": Telling(in_turns, View.BOTH),
    "twice": Telling(twice, View.BOTH),
}
BOTH = [name for name, telling in TELLINGS.items() if telling.known_last is View.BOTH]


class World:
    """All runs moved to the present, and the stores that every bridge sends to."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.clients = [Client(run) for run in COMPARABLE]
        self.sessions: list[tuple[str, Session]] = []
        """With the run of each; as the transcripts have them."""
        for number, client in enumerate(self.clients):
            client.write(folder / str(number))
            self.sessions += [(client.run, session) for session in read_sessions(folder / str(number)).values()]

    def expected(self, view: View) -> Stored:
        """Return what a view of all sessions reads."""
        names = {metric.name: series(metric).name for metric in METRICS}
        return {
            (session.id, names[metric], *labels): money(str(value))
            for run, session in self.sessions
            for (metric, *labels), value in expected_series(run, session, view).items()
        }

    def stored(self, service: str) -> Stored:
        """Return the last value of each series of cost and tokens that a service has, those that are 0 left out."""
        names = "|".join(series(metric).name for metric in METRICS)
        ask = f'last_over_time({{__name__=~"{names}", job="{service}"}}[{LOOK_BACK}])'
        labels = ("session_id", "__name__", *map(label, LABELS))
        found = self.stack.metrics.query(ask, time.time() + 600)
        read = [(tuple(own.get(name, "") for name in labels), money(value)) for own, value in found]
        assert len(read) == len(dict(read)), "series that differ by other labels"
        return {own: value for own, value in read if value}

    def settled(self, service: str, view: View) -> Stored:
        """Return the same as soon as it is what is expected of a view."""
        expected = self.expected(view)
        return eventually(lambda: self.stored(service), lambda found: found == expected, within_s=WITHIN_S)

    def calls(self, service: str) -> list[StoredSpan]:
        """Return the spans of model calls that a service has in the trace store."""
        end_s = time.time() + 60
        return [
            span
            for span in self.stack.trace_store.spans(service, end_s - 86_400, end_s)
            if span.attributes.get(semconv.OPERATION_NAME) == semconv.OP_CHAT
            and span.resource[semconv.SERVICE_NAME] == service
        ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the stores after every bridge was told all, what it is told first stored before it is told the rest."""
    with start_stack(tmp_path_factory.mktemp("stack")) as stack, ExitStack() as running:
        world = World(stack, tmp_path_factory.mktemp("recorded"))
        bridges = {name: Bridge(stack, tmp_path_factory.mktemp(name), name) for name in TELLINGS}
        for bridge in bridges.values():
            running.callback(bridge.server.kill)
            bridge.server.start()
        for name, telling in TELLINGS.items():
            for client in world.clients:
                telling.first(client, bridges[name])
        for name, telling in TELLINGS.items():
            assert world.settled(name, telling.known_first) == world.expected(telling.known_first), name
            for client in world.clients if telling.then else ():
                assert telling.then is not None
                telling.then(client, bridges[name])
        yield world


@pytest.mark.parametrize("name", TELLINGS)
def test_the_series_are_those_of_the_rules(name: str, world: World) -> None:
    """Every label and every last value of cost and tokens, and no series beside them."""
    view = TELLINGS[name].known_last
    assert world.settled(name, view) == world.expected(view)


def test_sessions_without_a_named_difference_have_the_same_series(world: World) -> None:
    """However the bridge was told of them."""
    alike = {session.id for run, session in world.sessions if not named_differences(run, session)}
    stored = {name: world.settled(name, telling.known_last) for name, telling in TELLINGS.items()}
    found = {name: {own: usd for own, usd in each.items() if own[0] in alike} for name, each in stored.items()}
    assert all(each == found["transcript"] for each in found.values())
    assert {own[0] for own in found["transcript"]} == alike
    assert len(alike) > 4


@pytest.mark.parametrize("name", BOTH)
def test_each_call_is_one_span(name: str, world: World) -> None:
    """By the request id that the API gave it, those that no transcript records included."""
    expected = Counter(
        request_id
        for run, session in world.sessions
        for entries, unseen in [joined(run, session)]
        for request_id in (*(entry.call.request_id for entry in entries), *(each.request_id for each in unseen))
    )
    assert set(expected.values()) == {1}
    found = eventually(lambda: world.calls(name), lambda spans: len(spans) >= len(expected), within_s=WITHIN_S)
    assert Counter(span.attributes[semconv.REQUEST_ID] for span in found) == expected
