"""Metrics requests become points: what is ours, what is passed on, and what cannot be used."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint

from otel_bridge import counters
from otel_bridge.sources.native.metrics.points import read_metrics
from otel_bridge.sources.native.metrics.records import NativePoint, pack_point, point_key, unpack_point
from otel_bridge.sources.native.wire import rest
from tests.captures import RUNS
from tests.native import metric_requests
from tests.sources.native.metric_requests import CUMULATIVE, METRICS_SCOPE, add_metrics, counter, data_point, metrics
from tests.sources.native.otlp import AT_NS, SESSION

COST = "claude_code.cost.usage"
COMMITS = "claude_code.commit.count"


def only_point(request: ExportMetricsServiceRequest) -> NativePoint:
    reading = read_metrics(request)
    assert not reading.problems
    (point,) = reading.records
    return point


def test_a_point_says_what_was_counted_when_and_by_which_client() -> None:
    """Attributes we have no use for are not kept, but tell series apart."""
    given_attributes = {"model": "m", "query_source": "main", "user.id": "u", "effort": "high"}
    point = only_point(metrics(counter(COST, data_point(0.25, given_attributes))))
    assert (point.session_id, point.metric, point.labels) == (
        SESSION,
        counters.COST,
        (("model", "m"), ("query_source", "main")),
    )
    assert (point.start_ns, point.time_ns, point.value) == (AT_NS, AT_NS + 1, Decimal("0.25"))
    assert not point.is_cumulative
    assert point.version == "2.1.329"
    other = only_point(metrics(counter(COST, data_point(0.25, {**given_attributes, "effort": "low"}))))
    assert other.labels == point.labels
    assert other.series != point.series


def test_totals_are_told_from_differences() -> None:
    assert only_point(metrics(counter(COST, data_point(0.25), temporality=CUMULATIVE))).is_cumulative


@pytest.mark.parametrize(
    ("sent", "kept"), [(0.1 + 0.2, "0.3"), (0.19078499999999998, "0.190785"), (3, "3"), (0.0, "0")]
)
def test_money_has_no_error_of_binary_floats(sent: float, kept: str) -> None:
    """The digits are those that the client added up, to the tenth decimal."""
    assert only_point(metrics(counter(COST, data_point(sent)))).value == Decimal(kept)


@pytest.mark.parametrize("sent", [3, 3.0])
def test_counts_are_whole_numbers_however_they_are_sent(sent: float) -> None:
    value = only_point(metrics(counter(COMMITS, data_point(sent)))).value
    assert value == 3
    assert isinstance(value, int)


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, 0.5, 1e300, 2**60])
def test_what_no_counter_can_come_to_is_a_problem(value: float) -> None:
    """It is named and left out; the points beside it are read."""
    reading = read_metrics(metrics(counter(COMMITS, data_point(value), data_point(1))))
    assert [problem.reason for problem in reading.problems] == ["bad_value"]
    assert [point.value for point in reading.records] == [1]


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (data_point(1, {"session.id": ""}), "missing_id"),
        (data_point(1, time_unix_nano=0), "bad_timestamp"),
        (data_point(1, start_time_unix_nano=AT_NS + 2), "bad_timestamp"),
        (data_point(1, start_time_unix_nano=0, time_unix_nano=2**63), "bad_timestamp"),
        (NumberDataPoint(time_unix_nano=AT_NS, attributes=data_point(1).attributes), "bad_value"),
    ],
)
def test_a_point_without_session_time_or_value_is_a_problem(point: NumberDataPoint, reason: str) -> None:
    reading = read_metrics(metrics(counter(COMMITS, point)))
    assert [problem.reason for problem in reading.problems] == [reason]
    assert reading.records == []


def test_a_mark_that_a_series_ended_is_no_point() -> None:
    """Flag 1 says that there is no value."""
    reading = read_metrics(metrics(counter(COMMITS, data_point(0, flags=1))))
    assert (reading.records, reading.problems, reading.left) == ([], [], [])


def test_what_others_sent_is_passed_on_as_it_is() -> None:
    """The scope alone tells whose a metric is, never its name or the service's."""
    request = metrics(counter(COST, data_point(1.0)))
    add_metrics(request, counter(COST, data_point(2.0)), scope="some.app", resource={"service.name": "claude-code"})
    reading = read_metrics(request)
    assert reading.foreign == [(1, 0)]
    assert len(reading.records) == 1
    assert list(rest(request, reading).resource_metrics) == [request.resource_metrics[1]]


@pytest.mark.parametrize(
    "unknown",
    [
        counter("claude_code.new.count", data_point(1)),
        counter("cost.usage", data_point(1)),
        Metric(name=COST, gauge=Gauge(data_points=[data_point(1)])),
        counter(COST, data_point(1), is_monotonic=False),
        counter(COST, data_point(1), temporality=0),
        Metric(name=COST),
    ],
)
def test_metrics_we_do_not_know_are_passed_on(unknown: Metric) -> None:
    """A new metric of the client, and a known name that is no counter, reach whoever comes next."""
    request = metrics(counter(COST, data_point(1.0)), unknown)
    reading = read_metrics(request)
    assert reading.left == [(0, 0, 1)]
    assert len(reading.records) == 1
    (group,) = rest(request, reading).resource_metrics
    assert group.resource == request.resource_metrics[0].resource
    assert group.scope_metrics[0].scope.name == METRICS_SCOPE
    assert list(group.scope_metrics[0].metrics) == [unknown]


def test_a_process_with_an_instance_id_is_told_from_another() -> None:
    """Whatever the resource says counts, in any order of its attributes."""
    sent = counter(COST, data_point(1.0))
    series = [
        only_point(metrics(sent, resource=resource)).series
        for resource in ({}, {"service.instance.id": "a"}, {"service.instance.id": "b"})
    ]
    assert len(set(series)) == 3
    turned = metrics(counter(COST, data_point(1.0, {"b": "2", "a": "1"})))
    assert only_point(metrics(counter(COST, data_point(1.0, {"a": "1", "b": "2"})))) == only_point(turned)


@pytest.mark.parametrize("run", RUNS)
def test_every_metric_of_a_recording_is_read(run: str) -> None:
    """Nothing the client of any version sends is unknown or unusable, and a stored point is the point."""
    points = []
    for request in metric_requests(run):
        reading = read_metrics(request)
        assert (reading.problems, reading.foreign, reading.left) == ([], [], [])
        points += reading.records
    assert len({point_key(point) for point in points}) == len(points) > 0
    assert [unpack_point(pack_point(point)) for point in points] == points


@given(raw=st.binary(max_size=60), value=st.floats() | st.integers(-(2**63), 2**63 - 1))
def test_no_value_stops_us(raw: bytes, value: float) -> None:
    """Anything that is a request at all is read without an exception, and stored."""
    request = metrics(
        counter(
            COST, data_point(value, {"model": raw.decode("latin-1")}, start_time_unix_nano=0, time_unix_nano=len(raw))
        ),
        counter(COMMITS, data_point(value)),
    )
    for point in read_metrics(request).records:
        assert unpack_point(pack_point(point)) == point
