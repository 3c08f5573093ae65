from __future__ import annotations

import pytest

from otel_bridge.backends.documents import Page
from otel_bridge.backends.durations import DAY_NS, HOUR_NS, MINUTE_NS
from otel_bridge.backends.tempo import Knob, TempoFacts, read_tempo
from tests.status_server import STOCK_TEMPO, tempo_pages


def read(pages: dict[str, str]) -> TempoFacts | str:
    return read_tempo(lambda path: Page(pages[path]) if path in pages else Page(problem=f"{path} answers 404"))


def facts_of(config: str) -> TempoFacts:
    facts = read(tempo_pages(config))
    assert isinstance(facts, TempoFacts)
    return facts


def test_a_stock_tempo_is_read() -> None:
    """Slack of the live store, retention in both places, limits of queries, ports."""
    assert facts_of(STOCK_TEMPO) == TempoFacts(
        version="3.0.3",
        slacks=(Knob("live_store.wal.ingestion_time_range_slack", 2 * MINUTE_NS),),
        retentions=(
            Knob("backend_worker.compaction.block_retention", 14 * DAY_NS),
            Knob("backend_scheduler.provider.compaction.compaction.block_retention", 14 * DAY_NS),
        ),
        search_range=Knob("query_frontend.search.max_duration", 168 * HOUR_NS),
        metrics_range=Knob("query_frontend.metrics.max_duration", 24 * HOUR_NS),
        max_attribute_bytes=2048,
        max_live_traces=10_000,
        http_port=4318,
        grpc_port=4317,
    )


def test_the_block_builder_counts_where_it_is_a_process_of_its_own() -> None:
    """Blocks are then written by it too."""
    config = STOCK_TEMPO.replace("target: all", "target: query-frontend")
    config += "block_builder:\n    wal:\n        ingestion_time_range_slack: 5m0s\n"
    assert [knob.path for knob in facts_of(config).slacks] == [
        "live_store.wal.ingestion_time_range_slack",
        "block_builder.wal.ingestion_time_range_slack",
    ]


def test_tempo_2_has_other_keys() -> None:
    """Its ingesters take the slack of the storage, its compactor the retention."""
    config = STOCK_TEMPO + "ingester:\n    trace_idle_period: 5s\n"
    config += "compactor:\n    compaction:\n        block_retention: 48h0m0s\n"
    facts = facts_of(config)
    assert facts.slacks == (Knob("storage.trace.wal.ingestion_time_range_slack", 2 * MINUTE_NS),)
    assert facts.retentions == (Knob("compactor.compaction.block_retention", 48 * HOUR_NS),)


def test_overrides_win() -> None:
    """A retention or range for all tenants replaces those of the components."""
    overrides = (
        "        compaction:\n            block_retention: 30d\n        read:\n            max_search_duration: 1y\n"
    )
    facts = facts_of(STOCK_TEMPO.replace("        ingestion:\n", overrides + "        ingestion:\n"))
    assert facts.retentions == (Knob("overrides.defaults.compaction.block_retention", 30 * DAY_NS),)
    assert facts.search_range == Knob("overrides.defaults.read.max_search_duration", 365 * DAY_NS)


@pytest.mark.parametrize(
    ("receivers", "ports"),
    [
        ("{}", (None, None)),
        ("{zipkin: {}}", (None, None)),
        ("{otlp: {protocols: {grpc: {endpoint: '[::]:5317'}}}}", (None, 5317)),
        ("{otlp: {protocols: {http: null, grpc: {}}}}", (4318, 4317)),
    ],
)
def test_the_ports_of_the_receiver_are_read(receivers: str, ports: tuple[int | None, int | None]) -> None:
    """A protocol without an address has its usual port; without a protocol there is none."""
    before, _, after = STOCK_TEMPO.partition("    receivers:\n")
    config = f"{before}    receivers: {receivers}\n    max_attribute_bytes{after.partition('max_attribute_bytes')[2]}"
    facts = facts_of(config)
    assert (facts.http_port, facts.grpc_port) == ports


def test_what_is_not_said_is_unknown() -> None:
    """A configuration without any of the keys."""
    assert facts_of("target: all\n") == TempoFacts("3.0.3")


@pytest.mark.parametrize(
    ("pages", "sentence"),
    [
        ({}, "/status/version answers 404"),
        ({"/status/version": "loki, version 3"}, "something answers, but it is no Tempo"),
        ({**tempo_pages(), "/status/config": "---\n: ["}, "/status/config cannot be read"),
        ({"/status/version": tempo_pages()["/status/version"]}, "/status/config answers 404"),
    ],
)
def test_what_is_no_tempo_is_said(pages: dict[str, str], sentence: str) -> None:
    """Nothing is guessed."""
    assert read(pages) == sentence
