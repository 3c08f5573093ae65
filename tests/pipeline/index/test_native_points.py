"""What the client counts, in the index: in whatever order its points come, and with what else is known of a session."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_bridge.counters import ClientCounters
from otel_bridge.pipeline.index.natives import take_records
from otel_bridge.pipeline.index.opening import recover
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.pruning import Choice, choose, prune
from otel_bridge.serving.received import Fate
from otel_bridge.sources.native.metrics.points import read_metrics
from otel_bridge.sources.native.metrics.records import NativePoint
from otel_bridge.store.cells import from_pusd
from otel_bridge.telemetry import Signal
from tests.captures import RUNS
from tests.native import metric_requests, native_records
from tests.native_metrics import as_totals, folded
from tests.pipeline.index.world import World
from tests.transcripts import at_ns

RUN = "2.1.329/basic"


def points_of(requests: Iterable[ExportMetricsServiceRequest]) -> list[NativePoint]:
    return [point for request in requests for point in read_metrics(request).records]


def told(world: World) -> dict[str, ClientCounters]:
    return {session.id: session.client_counters for session in world.library() if session.client_counters}


def totals(run: str) -> list[ExportMetricsServiceRequest]:
    return as_totals(metric_requests(run), restart_at=1)


@pytest.mark.parametrize("run", RUNS)
def test_counters_are_those_of_all_points(run: str, tmp_path: Path) -> None:
    """Shuffled, in pieces and some of them again, as deltas or as totals."""
    for number, requests in enumerate((list(metric_requests(run)), totals(run))):
        world, points = World(tmp_path / str(number)), points_of(requests)
        random.Random(run).shuffle(points)
        for piece in (points[::3], points[1::3], points[::3], points[2::3]):
            take_records(world.place, piece)
            world.update()
        wanted = folded(requests)
        assert {key: found.counters for key, found in told(world).items()} == {
            key: found.counters for key, found in wanted.items()
        }


def test_totals_that_do_not_grow_are_no_rows() -> None:
    """A client that sends totals sends each of them every minute, for days: no rows, no work, nothing to send."""
    world = World(Path(), in_memory=True)
    *_, last = totals(RUN)
    take_records(world.place, points_of([last]))
    world.update()
    take_records(world.place, later(last, 1))
    rows, revision = count_points(world), world.one("SELECT sum(revision) FROM sessions")
    for minutes in range(2, 30):
        assert take_records(world.place, later(last, minutes))[Signal.METRICS, Fate.STORED] == 0
        assert count_points(world) == rows
    assert not world.update().sessions
    assert world.one("SELECT sum(revision) FROM sessions") == revision


def later(request: ExportMetricsServiceRequest, minutes: int) -> list[NativePoint]:
    """Return the points of a request as they come so much later when nothing has grown."""
    moved = ExportMetricsServiceRequest()
    moved.CopyFrom(request)
    for group in moved.resource_metrics:
        for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
            for point in metric.sum.data_points:
                point.time_unix_nano += minutes * 60 * 1_000_000_000
    return points_of([moved])


def count_points(world: World) -> int:
    return int(world.one("SELECT count(*) FROM native_points"))


def test_what_became_of_points_is_counted() -> None:
    """New ones, and those that came again."""
    world, points = World(Path(), in_memory=True), points_of(metric_requests(RUN))
    assert take_records(world.place, points)[Signal.METRICS, Fate.STORED] == len(points)
    assert take_records(world.place, points)[Signal.METRICS, Fate.DUPLICATE] == len(points)


def test_points_of_another_version_stay(tmp_path: Path) -> None:
    """They are nowhere else, and that version may come back."""
    world, points = World(tmp_path), points_of(metric_requests(RUN))
    foreign = points[0].session_id, points[0].series, b"another", b"\xc1"
    world.connection.execute("INSERT INTO native_points (session_id, series, key, data) VALUES (?, ?, ?, ?)", foreign)
    take_records(world.place, points)
    assert world.one("SELECT data FROM native_points WHERE key = ?", b"another") == b"\xc1"
    world.update()
    assert told(world)


def test_points_that_come_again_are_no_work() -> None:
    """Nothing is written, and no target lacks anything."""
    world, points = World(Path(), in_memory=True), points_of(metric_requests(RUN))
    take_records(world.place, points)
    world.update()
    before, revision = count_points(world), world.one("SELECT sum(revision) FROM sessions")
    take_records(world.place, points)
    assert not world.update().sessions
    assert (count_points(world), world.one("SELECT sum(revision) FROM sessions")) == (before, revision)


def test_new_points_are_to_be_sent() -> None:
    """Whatever else is known of the session stays as it is; its revision says that there is more."""
    world, points = World(Path(), in_memory=True), points_of(metric_requests(RUN))
    take_records(world.place, [record for own in native_records(RUN).values() for record in own])
    world.update()
    before = dict(world.connection.execute("SELECT session_id, revision FROM sessions"))
    take_records(world.place, points)
    world.update()
    after = dict(world.connection.execute("SELECT session_id, revision FROM sessions"))
    assert {session_id for session_id in before if after[session_id] > before[session_id]} == {
        point.session_id for point in points
    }


@pytest.mark.parametrize("run", RUNS)
def test_a_session_that_only_counters_tell_of_is_listed(run: str) -> None:
    """With the client's total, of which no call is recorded, from the first report to the last."""
    world, requests = World(Path(), in_memory=True), list(metric_requests(run))
    take_records(world.place, points_of(requests))
    world.update()
    wanted = folded(requests)
    listed = world.connection.execute(
        "SELECT session_id, calls, cost_pusd, client_cost_pusd, unrecorded_cost_pusd, unrecorded_reasons, started_ns,"
        " ended_ns FROM sessions"
    ).fetchall()
    assert len(listed) == len(wanted)
    for session_id, calls, cost, client_cost, unrecorded, reasons, started_ns, ended_ns in listed:
        counters = wanted[session_id]
        assert (calls, cost) == (0, 0)
        assert client_cost == unrecorded
        assert (None if client_cost is None else from_pusd(client_cost)) == counters.cost_usd
        assert reasons == ('["counters_only"]' if counters.cost_usd else "[]")
        assert (started_ns, ended_ns) == (counters.first_ns, max(counters.report_times()))


def test_calls_take_the_place_of_counters() -> None:
    """As soon as telemetry names them they are the session's cost, and nothing is unrecorded."""
    world = World(Path(), in_memory=True)
    take_records(world.place, points_of(metric_requests(RUN)))
    world.update()
    take_records(world.place, [record for own in native_records(RUN).values() for record in own])
    world.update()
    for session in world.library():
        assert session.unrecorded_cost_usd is None
        assert session.client_counters is not None
        calls = sum((call.cost_usd or Decimal(0) for call in session.calls()), Decimal(0))
        assert calls == session.client_counters.cost_usd


def test_counters_outlive_a_damaged_index(tmp_path: Path) -> None:
    """They are nowhere else."""
    world = World(tmp_path)
    take_records(world.place, points_of(metric_requests(RUN)))
    world.update()
    wanted = told(world)
    world.connection.close()
    world.place = IndexPlace(world.path, recover(world.path, "damage", lambda _: None))
    world.update()
    assert told(world) == wanted != {}


def test_counters_go_with_their_session(tmp_path: Path) -> None:
    """Who prunes gets rid of them."""
    world = World(tmp_path)
    take_records(world.place, points_of(metric_requests(RUN)))
    world.update()
    prune(world.place, choose(world.place, Choice(before_ns=2**62)), tmp_path / "archive.gz", now_ns=at_ns(world.now))
    assert count_points(world) == 0
    take_records(world.place, points_of(metric_requests(RUN)))
    world.update()
    assert world.one("SELECT count(*) FROM sessions") == 0
