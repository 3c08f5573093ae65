"""The bridge tells how it is doing under the names it declares."""

from __future__ import annotations

from msgspec import structs

from otel_bridge import semconv
from otel_bridge.prometheus_names import label, series
from otel_bridge.serving.exposition import Exposition
from otel_bridge.serving.received import Fate, Received
from otel_bridge.serving.self_metrics import BridgeState, SelfMetrics
from otel_bridge.telemetry import Signal
from tests.serving.client import Samples, samples
from tests.serving.samples import STATE


def shown(state: BridgeState) -> Samples:
    page = Exposition([SelfMetrics(lambda: state)], "")
    return samples(b"".join(page.text()).decode())


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def test_every_figure_is_shown() -> None:
    found = shown(STATE)
    assert value(found, "otel_bridge_sessions") == 215
    assert value(found, "otel_bridge_files") == 1011
    assert value(found, "otel_bridge_records_read_total") == 48_213
    assert value(found, "otel_bridge_records_rejected_total", reason="bad_json") == 2
    assert value(found, "otel_bridge_records_rejected_total", reason="line_too_long") == 1
    assert value(found, "otel_bridge_index_runs_total") == 7
    assert value(found, "otel_bridge_index_duration_seconds_total") == 3.25
    assert value(found, "otel_bridge_index_size_bytes") == 12_582_912
    assert value(found, "otel_bridge_export_items_total", signal="traces", outcome="accepted") == 6003
    assert value(found, "otel_bridge_export_items_total", signal="metrics", outcome="rejected") == 4
    assert value(found, "otel_bridge_receive_requests_total", signal="traces") == 12
    assert value(found, "otel_bridge_receive_requests_total", signal="other") == 2
    assert value(found, "otel_bridge_receive_items_total", signal="traces", fate="stored") == 1_204
    assert value(found, "otel_bridge_receive_items_total", signal="metrics", fate="rejected") == 7
    assert value(found, "otel_bridge_receive_put_off_total", reason="busy") == 3
    assert value(found, "otel_bridge_receive_refused_total", reason="bad_data") == 1
    assert value(found, "otel_bridge_receive_problems_total", signal="logs", reason="bad_timestamp") == 2
    assert value(found, "otel_bridge_pending_sessions") == 3
    assert value(found, "otel_bridge_last_sync_time_seconds") == 1_795_225_946.5
    assert value(found, "otel_bridge_problems") == 0


def test_the_families_are_the_declared_metrics() -> None:
    """Name, kind, meaning and labels of each are those of the declaration, in its order, and nothing else is shown."""
    families = list(SelfMetrics(lambda: STATE).collect())
    declared = list(semconv.OWN_METRICS.values())
    assert [(family.type, family.documentation) for family in families] == [
        (metric.instrument.value, metric.brief) for metric in declared
    ]
    for family, metric in zip(families, declared, strict=True):
        assert {sample.name for sample in family.samples} == {series(metric).name}
        assert {name for sample in family.samples for name in sample.labels} == series(metric).labels
    labels = {name for metric in declared for name in metric.attributes}
    assert labels == semconv.OWN_ATTRIBUTES.keys()
    assert labels == set(map(label, labels))


def test_every_outcome_has_a_series_from_the_start() -> None:
    """Nine zeros before anything was sent: the first failure is an increase and not a new series."""
    found = shown(BridgeState())
    items = {labels: count for (name, labels), count in found.items() if name == "otel_bridge_export_items_total"}
    assert len(items) == 9
    assert set(items.values()) == {0}


def test_every_fate_has_a_series_once_it_listens() -> None:
    """And none where nothing can come: zeros would say that all is well."""
    found = shown(BridgeState(received=Received()))
    items = {labels: count for (name, labels), count in found.items() if name == "otel_bridge_receive_items_total"}
    assert len(items) == len(Signal) * len(Fate)
    assert set(items.values()) == {0}
    assert not [name for name, _ in shown(BridgeState()) if "receive" in name]


def test_what_never_happened_has_no_time() -> None:
    """A zero would be a sync in 1970, and an alert on its age would fire at every start."""
    assert value(shown(BridgeState()), "otel_bridge_last_sync_time_seconds") is None


def test_problems_are_counted() -> None:
    ill = structs.replace(STATE, problems=("the disk is full", "the collector is away"))
    assert value(shown(ill), "otel_bridge_problems") == 2


def test_the_state_is_asked_for_at_every_scrape() -> None:
    states = iter([BridgeState(sessions=1), BridgeState(sessions=2)])
    collector = SelfMetrics(lambda: next(states))
    values = [next(iter(collector.collect())).samples[0].value for _ in range(2)]
    assert values == [1, 2]
