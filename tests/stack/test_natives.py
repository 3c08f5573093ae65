"""`up` before the real stack: a client's telemetry and its transcripts, in any order, make one exact session."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.pipeline.index.test_natives import take
from tests.pipeline.index.world import World
from tests.pipeline.test_attached import children
from tests.stack.clients import Bridge, Client, by_grpc, by_http
from tests.stack.conftest import start_stack
from tests.stack.exports import Reader, money
from tests.transcripts import at_ns
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

COST = "coding_agent_cost_USD_total"
LISTED = {"coding_agent_call_source": '!="unrecorded"'}
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with start_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def bridge(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    running = Bridge(stack, tmp_path_factory.mktemp("bridge"))
    running.server.start()
    yield running
    running.server.kill()


def both(client: Client, bridge: Bridge) -> None:
    """Write and send at the same time."""
    sending = Thread(target=client.send, args=(bridge, "protobuf"))
    sending.start()
    client.write(bridge.projects)
    sending.join()


def telemetry_first(client: Client, bridge: Bridge) -> None:
    client.send(bridge, "json")
    time.sleep(12)  # long enough to be sent on alone
    client.write(bridge.projects)


def transcript_first(client: Client, bridge: Bridge) -> None:
    client.write(bridge.projects)
    time.sleep(12)
    client.send(bridge, "grpc")


def twice(client: Client, bridge: Bridge) -> None:
    both(client, bridge)
    client.send(bridge, "grpc")


@pytest.mark.parametrize(
    ("run", "arrive"),
    [
        ("2.1.329/basic", telemetry_first),
        ("2.1.329/turns", transcript_first),
        ("2.1.181/basic", both),
        ("2.1.181/turns", twice),
    ],
)
def test_one_call_is_one_span_and_one_cost(
    run: str, arrive: Callable[[Client, Bridge], None], stack: Stack, bridge: Bridge, tmp_path: Path
) -> None:
    """In the real stores, equal to what an index says that was given both at once."""
    client = Client(run)
    arrive(client, bridge)
    expected = told_at_once(client, tmp_path)
    assert expected
    for session_id, (calls, cost_usd) in expected.items():
        reader = Reader(stack, "claude-code", time.time() + 600)
        last = reader.last(COST, **LISTED, session_id=f'="{session_id}"')
        assert eventually(
            lambda last=last, reader=reader: money(reader.total(last)),  # type: ignore[misc]
            lambda value, cost_usd=cost_usd: value == money(str(cost_usd)),  # type: ignore[misc]
            within_s=WITHIN_S,
        ) == money(str(cost_usd))
        assert set(chats(stack, session_id, calls).values()) == {1}
        assert len(chats(stack, session_id, calls)) == calls


@pytest.mark.parametrize(("run", "is_recorded"), [("2.1.50/turns", False), ("2.1.329/compact", True)])
def test_whoever_hangs_on_a_span_of_the_client_finds_it(
    run: str, is_recorded: bool, stack: Stack, bridge: Bridge
) -> None:
    """The API's spans and those of programs the client started are below its own, in one tree for each trace."""
    client, wanted = Client(run), defaultdict[str, set[str]](set)
    if is_recorded:
        client.write(bridge.projects)
    for request in client.recording.requests("traces"):
        assert isinstance(request, ExportTraceServiceRequest)
        for message in (*children(request), request):
            assert by_http(bridge, message) == 200
            for group in message.resource_spans:
                for span in (span for scope in group.scope_spans for span in scope.spans):
                    wanted[span.trace_id.hex()].add(span.span_id.hex())
    for request in client.recording.requests("logs"):
        assert by_grpc(bridge, request) == "OK"
    for trace_id, span_ids in wanted.items():
        stored = eventually(
            partial(stack.trace_store.trace, trace_id),
            lambda found, span_ids=span_ids: span_ids <= {span.span_id for span in found},  # type: ignore[misc]
            within_s=WITHIN_S,
        )
        places = Counter(span.span_id for span in stored)
        assert set(places.values()) == {1}
        assert {span.parent_id for span in stored} - {None} <= places.keys()
        assert span_ids <= places.keys()


def told_at_once(client: Client, folder: Path) -> dict[str, tuple[int, Decimal]]:
    """Return the calls and the cost of each session as an index has them that is given everything at once."""
    world = World(folder, now=(time.time_ns() - at_ns(0)) / 1e9 + 3600)
    client.write(world.projects)
    world.update()
    take(world, client.records())
    return {
        session.id: (len(calls), sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0)))
        for session in world.library()
        if (calls := list(session.calls()))
    }


def chats(stack: Stack, session_id: str, expected: int) -> Counter[str]:
    """Return how often each model call of a session is in the trace store, as soon as there are so many."""
    end_s = time.time() + 60

    def ask() -> Counter[str]:
        spans = stack.trace_store.spans("claude-code", end_s - 86_400, end_s)
        return Counter(
            span.span_id
            for span in spans
            if span.attributes.get("gen_ai.operation.name") == "chat"
            and span.attributes.get("session.id") == session_id
        )

    return eventually(ask, lambda found: len(found) == expected, within_s=WITHIN_S)
