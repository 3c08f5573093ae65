"""Whoever hangs on a span of the client finds it: programs it started, hooks, the API's own spans of a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from otel_bridge import semconv
from otel_bridge.receiving.intake import Taken
from otel_bridge.telemetry import Signal
from tests.captures import RUNS
from tests.native import log_requests, trace_requests
from tests.pipeline.index.receiver import Receiver, ids, ship
from tests.pipeline.index.test_natives import transcripts_come
from tests.pipeline.test_native_intake import Desk, NextHop, next_hop

pytestmark = pytest.mark.slow

WITH_SPANS = [run for run in RUNS if run.startswith(("2.1.50/", "2.1.181/", "2.1.329/"))]
API = ("claude-platform", "com.anthropic.claude-platform", SpanMessage.SPAN_KIND_SERVER)
PROGRAM = ("pytest", "opentelemetry.instrumentation.pytest", SpanMessage.SPAN_KIND_INTERNAL)
Place = tuple[bytes, bytes]
"""Trace and span."""


def children(request: ExportTraceServiceRequest) -> Iterator[ExportTraceServiceRequest]:
    """Yield what somebody else sends below every span of a request: the API below requests, programs below the rest."""
    for span in (span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans):
        service, scope_name, kind = API if span.name.endswith("llm_request") else PROGRAM
        other = ExportTraceServiceRequest()
        group = other.resource_spans.add()
        pair = group.resource.attributes.add(key="service.name")
        pair.value.string_value = service
        scope = group.scope_spans.add()
        scope.scope.name = scope_name
        scope.spans.add(
            name=f"below {span.name}",
            kind=kind,
            trace_id=span.trace_id,
            span_id=blake2b(span.span_id, digest_size=8).digest(),
            parent_span_id=span.span_id,
            start_time_unix_nano=span.start_time_unix_nano,
            end_time_unix_nano=span.end_time_unix_nano,
        )
        yield other


@pytest.fixture(params=WITH_SPANS)
def run(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "desk", NextHop())
    yield made
    made.close()


def telemetry_comes(run: str, desk: Desk) -> int:
    """Send all telemetry of a run, children first, and return the number of children."""
    sent = 0
    for spans in trace_requests(run):
        for child in children(spans):
            assert desk.send(Signal.TRACES, child) == Taken()
            sent += 1
        desk.send(Signal.TRACES, spans)
    for events in log_requests(run):
        desk.send(Signal.LOGS, events)
    desk.world.update()
    return sent


def passed_on(desk: Desk) -> list[SpanMessage]:
    """Return the spans that went on as they came."""
    messages = [one.message for one in next_hop(desk).exports if one.signal is Signal.TRACES]
    groups = [group for message in messages for group in message.resource_spans]
    return [span for group in groups for scope in group.scope_spans for span in scope.spans]


def assert_attached(desk: Desk, receiver: Receiver, children_sent: int) -> None:
    """Every span that arrived has its parent in its trace, and no place is taken twice."""
    below = passed_on(desk)
    assert len(below) == children_sent > 0
    parents: dict[Place, Place | None] = {
        (span.trace_id, span.span_id): (span.trace_id, span.parent_span_id) for span in below
    }
    ours = {
        (span.trace_id, span.span_id): (span.trace_id, span.parent_id) if span.parent_id else None
        for span in receiver.spans
    }
    assert not parents.keys() & ours.keys()
    parents |= ours
    assert [place for place in parents.values() if place is not None and place not in parents] == []
    assert set(ids(receiver.spans).values()) == {1}


def operations(receiver: Receiver) -> Counter[str]:
    return Counter(str(span.attributes.get(semconv.OPERATION_NAME)) for span in receiver.spans)


def test_nobody_loses_the_parent(run: str, desk: Desk) -> None:
    """Of a session known by its telemetry alone."""
    sent, receiver = telemetry_comes(run, desk), Receiver()
    ship(desk.world, receiver)
    assert_attached(desk, receiver, sent)


def test_nobody_loses_the_parent_where_transcripts_came_too(run: str, desk: Desk) -> None:
    """Each call, tool call and turn that transcripts tell is under the id that the client gave it."""
    transcripts_come(run, desk.world)
    sent, receiver = telemetry_comes(run, desk), Receiver()
    ship(desk.world, receiver)
    assert_attached(desk, receiver, sent)
    told = {
        (span.trace_id, span.span_id): span.name
        for request in trace_requests(run)
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    }
    chats = [span for span in receiver.spans if span.attributes.get(semconv.OPERATION_NAME) == semconv.OP_CHAT]
    named = {place for place, name in told.items() if name.endswith("llm_request")}
    assert named <= {(span.trace_id, span.span_id) for span in chats}
    assert told.keys() <= {(span.trace_id, span.span_id) for span in receiver.spans}


def test_nobody_loses_the_parent_when_telemetry_comes_late(run: str, desk: Desk) -> None:
    """What went before under ids of ours stays as it is; the client's spans are passed on beside it, uncounted."""
    receiver = Receiver()
    transcripts_come(run, desk.world)
    ship(desk.world, receiver)
    before = operations(receiver)
    sent = telemetry_comes(run, desk)
    ship(desk.world, receiver)
    assert_attached(desk, receiver, sent)
    added = operations(receiver) - before
    assert added["None"] >= sent - added[semconv.OP_CHAT] - added[semconv.OP_EXECUTE_TOOL]
    assert (operations(receiver) - added) == before


def test_spans_that_come_at_last_are_sent_at_last(run: str, desk: Desk) -> None:
    """The client's root may be all that is new: nothing else changes, and it is sent."""
    requests = [*trace_requests(run)]
    for events in log_requests(run):
        desk.send(Signal.LOGS, events)
    held_back, sent, receiver = [], 0, Receiver()
    for request in requests:
        late = ExportTraceServiceRequest()
        late.CopyFrom(request)
        for one, is_late in ((request, False), (late, True)):
            for group in one.resource_spans:
                for scope in group.scope_spans:
                    kept = [span for span in scope.spans if span.name.endswith("blocked_on_user") == is_late]
                    del scope.spans[:]
                    scope.spans.extend(kept)
        held_back.append(late)
        sent += sum(1 for child in children(request) if desk.send(Signal.TRACES, child) == Taken())
        desk.send(Signal.TRACES, request)
    desk.world.update()
    ship(desk.world, receiver)
    assert_attached(desk, receiver, sent)
    for late in held_back:
        sent += sum(1 for child in children(late) if desk.send(Signal.TRACES, child) == Taken())
        desk.send(Signal.TRACES, late)
    desk.world.update()
    ship(desk.world, receiver)
    assert_attached(desk, receiver, sent)
