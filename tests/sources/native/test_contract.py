"""What each client version sends is written down; a version that sends something else is described, not misread."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import otel_bridge
from otel_bridge.sources.native.contract import (
    Observer,
    Place,
    Table,
    differences,
    known_shape,
    parse_table,
    render_table,
)
from otel_bridge.sources.native.events import READERS
from otel_bridge.sources.native.values import Attributes
from otel_bridge.sources.native.wire import SPAN_ATTRIBUTES, read_logs
from tests.captures import RUNS
from tests.native import log_requests, metric_requests, trace_requests
from tests.sources.native.otlp import log_record, logs, pairs, span, traces

WRITTEN = (Path(otel_bridge.__file__).parent / "sources" / "native" / "contract.tsv").read_text(encoding="utf-8")
VERSIONS = list(dict.fromkeys(run.split("/", 1)[0] for run in RUNS))
NEVER_SEEN = {
    *("command_name", "decision_source", "result_tokens", "workflow.name", "workflow.run_id"),
    *("hook_event", "hook_name", "num_hooks", "num_success", "num_blocking", "num_cancelled", "num_non_blocking_error"),
    "total_duration_ms",
}
"""Documented by the vendor, but in none of the recordings."""


def observed(version: str) -> dict[Place, str]:
    observer = Observer()
    for run in (run for run in RUNS if run.startswith(f"{version}/")):
        for request in (*log_requests(run), *trace_requests(run), *metric_requests(run)):
            observer.watch(request)
    return observer.shape()


@pytest.mark.parametrize("version", VERSIONS)
def test_table_is_what_was_recorded(version: str) -> None:
    """Every event, metric and span attribute that a version sent is in the table, as it was sent."""
    table, seen = parse_table(WRITTEN), observed(version)
    known, shape = known_shape(table, version)
    assert differences(shape, seen) == [], f"{version} differs from {known}: run python -m tools.native_contract"
    assert table[version] == seen


def test_table_is_written_as_it_is_read() -> None:
    """Reading and writing the table changes no byte, and the columns are the recorded versions."""
    assert render_table(parse_table(WRITTEN)) == WRITTEN
    assert list(parse_table(WRITTEN)) == VERSIONS


def test_new_version_is_described() -> None:
    """What a version adds, drops, renames or sends as another type is a sentence each."""
    known = parse_table(WRITTEN)["2.1.329"]
    seen = dict(known)
    del seen[Place("event", "api_request", "ttft_ms")]
    del seen[Place("event", "api_request", "cost_usd")]
    seen[Place("event", "api_request", "price")] = "double"
    seen[Place("event", "tool_result", "success")] = "boolean"
    del seen[Place("event", "tool_result", "duration_ms")]
    seen[Place("event", "tool_result", "duration_msec")] = "int"
    seen[Place("event", "tea_time", "cups")] = "int"
    assert differences(known, seen) == [
        "event tea_time: new",
        "event api_request: cost_usd is gone",
        "event api_request: ttft_ms is gone",
        "event api_request: price (double) is new",
        "event tool_result: duration_ms is gone, duration_msec is new: renamed?",
        "event tool_result: success was string, is boolean",
    ]


def test_little_seen_is_no_difference() -> None:
    """A short session that lacks events, or attributes that come and go, differs in nothing."""
    known = parse_table(WRITTEN)["2.1.329"]
    always = {place: types for place, types in known.items() if place.name == "api_request" and "?" not in types}
    assert differences(known, always) == []


def test_step_between_versions_is_readable() -> None:
    """The difference between two recorded versions names the join key that the newer one brought."""
    table = parse_table(WRITTEN)
    lines = differences(table["2.1.50"], table["2.1.181"])
    assert "event api_request: request_id (string) is new" in lines
    assert "event api_request: cost_usd was string, is double" in lines


@pytest.mark.parametrize(
    ("version", "known"),
    [("2.1.329", "2.1.329"), ("2.1.400", "2.1.329"), ("2.1.100", "2.1.50"), ("0.9", "1.0.60"), ("", "1.0.60")],
)
def test_version_is_compared_with_the_newest_before_it(version: str, known: str) -> None:
    """An unknown version is measured by the newest known one that is not newer."""
    assert known_shape(parse_table(WRITTEN), version)[0] == known


def test_every_attribute_we_read_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reader asks for a name that no version was seen to send, but for those the vendor only documents."""
    asked: set[str] = set(SPAN_ATTRIBUTES)
    whole_text, count = Attributes.whole_text, Attributes._decimal
    monkeypatch.setattr(Attributes, "whole_text", lambda self, name: (asked.add(name), whole_text(self, name))[1])
    monkeypatch.setattr(Attributes, "_decimal", lambda self, name: (asked.add(name), count(self, name))[1])
    for event in READERS:
        read_logs(logs(log_record(event, {})))
    seen = {place.attribute for shape in parse_table(WRITTEN).values() for place in shape}
    assert asked - seen - {"service.version"} == NEVER_SEEN


def test_others_are_not_watched() -> None:
    """Telemetry of other scopes never enters the table."""
    observer = Observer()
    observer.watch(logs(log_record("api_request", {"model": "m"}), scope="otel_bridge"))
    observer.watch(traces(span("tool", {}), scope="somebody"))
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="tokens")
    metric.sum.data_points.add().attributes.extend(pairs({"model": "m"}))
    observer.watch(request)
    assert observer.shape() == {}


places = st.builds(Place, st.sampled_from(["event", "span"]), st.sampled_from("ab"), st.sampled_from("xyz"))
shapes = st.dictionaries(places, st.sampled_from(["int", "string", "int?", "int|string"]))


@given(table=st.dictionaries(st.sampled_from(["1.0", "2.0"]), shapes, min_size=1))
def test_any_table_can_be_written(table: Table) -> None:
    """A table comes out of its text as it went in."""
    assert parse_table(render_table(table)) == table


@given(shape=shapes)
def test_same_is_no_difference(shape: dict[Place, str]) -> None:
    """What is exactly as known has no difference."""
    assert differences(shape, shape) == []
