"""A real Prometheus scrapes what we show and finds the very series that OTLP brings it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from otel_bridge import semconv
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.prometheus_names import series
from otel_bridge.serving.server import serve
from otel_bridge.sinks.open import open_otlp_sink
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.telemetry import Batch, DataPoint, Resource, Signal
from tests.convert.samples import EVERYTHING, full_session
from tests.serving.samples import STATE, busy_sessions
from tests.stack.built import built
from tools.stack.configured import local
from tools.stack.servers import Server, free_port
from tools.stack.stores import Prometheus, eventually

pytestmark = pytest.mark.slow

ODD = 'a "quoted" \\ name\nof two lines, naïve \u2028 \r\ufeff\x00'
SCRAPED, SENT, PLAIN, CROWD = "scraped", "sent", "scraped-as-plain-text", "crowd"

HISTOGRAMS = [series(metric).name for metric in semconv.METRICS.values() if series(metric).is_histogram]

Found = dict[tuple[str, frozenset[tuple[str, str]]], str]
"""Values as Prometheus writes them, by name and labels."""


def newest_points() -> list[DataPoint]:
    """Return the last point of each series of a session in which everything happens, and one with an odd label."""
    batches = session_metrics(full_session(), EVERYTHING)
    points = [item for batch in batches for item in batch.items if isinstance(item, DataPoint)]
    newest = {(point.metric.name, tuple(point.attributes.items())): point for point in points}
    odd = {semconv.SESSION_ID: "odd", semconv.TOOL_NAME: ODD}
    waits = next(point for point in points if point.metric is semconv.PERMISSION_WAITS)
    return [*newest.values(), structs.replace(waits, attributes=odd)]


def configuration(*jobs: str) -> str:
    return "scrape_configs:\n" + "".join(jobs)


def job(name: str, url: str, *more: str) -> str:
    settings = [f"static_configs: [{{targets: ['{url.removeprefix('http://')}']}}]", "scrape_interval: 1s", *more]
    return f"  - job_name: {name}\n    scrape_timeout: 1s\n" + "".join(f"    {setting}\n" for setting in settings)


def started(folder: Path, config: str) -> tuple[Server, Prometheus]:
    """Start Prometheus with a configuration, on a port of its own."""
    file = folder / "prometheus.yaml"
    file.write_text(config, encoding="utf-8")
    address = local(free_port())
    command = [
        str(built("prometheus")),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-otlp-receiver",
    ]
    server = Server("prometheus", command, folder, f"http://{address}/-/ready")
    server.start()
    return server, Prometheus(f"http://{address}")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Let Prometheus scrape a server in both formats and a crowded one, and send it the same points as OTLP."""
    points = newest_points()
    with (
        serve("127.0.0.1:0", lambda: STATE, lambda: points) as one,
        serve("127.0.0.1:0", lambda: STATE, lambda: busy_sessions(300)) as many,
    ):
        jobs = (
            job(SCRAPED, one.url),
            job(PLAIN, one.url, "scrape_protocols: [PrometheusText0.0.4]"),
            job(CROWD, many.url),
        )
        server, asked = started(tmp_path_factory.mktemp("prometheus"), configuration(*jobs))
        try:
            send(asked.url, points)
            yield asked
        finally:
            server.kill()


def send(url: str, points: list[DataPoint]) -> None:
    now_ns = time.time_ns()
    current = [structs.replace(point, start_ns=now_ns - 10**9, time_ns=now_ns) for point in points]
    config = otlp_config({}, Signal.METRICS, endpoint=f"{url}/api/v1/otlp")
    sink = open_otlp_sink([config], scope=semconv.SCOPE)
    sink.send(Batch(Signal.METRICS, Resource(((semconv.SERVICE_NAME, SENT),)), current))
    assert sink.close().is_complete


def found_by(store: Prometheus, expression: str) -> Found:
    """Return what there is within a minute, and without the labels that say how it came here."""
    series = eventually(lambda: store.query(expression, time.time()), bool, within_s=60)
    ways = {"__name__", "job", "instance"}
    return {
        (labels.get("__name__", ""), frozenset(pair for pair in labels.items() if pair[0] not in ways)): value
        for labels, value in series
    }


@pytest.mark.parametrize("name", [SCRAPED, PLAIN, CROWD])
def test_prometheus_takes_the_whole_page(store: Prometheus, name: str) -> None:
    """In the format it prefers and in the oldest, with odd labels and with many series."""
    query = f'up{{job="{name}"}}'
    assert eventually(lambda: store.value(query, time.time()), lambda value: value == "1", within_s=60) == "1"


@pytest.mark.parametrize("name", [SCRAPED, PLAIN])
def test_counters_and_gauges_are_the_series_of_otlp(store: Prometheus, name: str) -> None:
    """Same names, same labels, same values to the last digit, and no series more."""
    numbers = f'__name__=~"(coding_agent|gen_ai)_.+",__name__!~"({"|".join(HISTOGRAMS)})(_count|_sum)?"'
    sent = found_by(store, f'{{job="{SENT}",{numbers}}}')
    assert len(sent) > 20
    assert found_by(store, f'{{job="{name}",{numbers}}}') == sent


@pytest.mark.parametrize("name", [SCRAPED, PLAIN])
@pytest.mark.parametrize("histogram", HISTOGRAMS)
def test_count_and_sum_are_those_of_the_histograms(store: Prometheus, name: str, histogram: str) -> None:
    """By the same labels, an odd one among them."""
    for part in ("count", "sum"):
        sent = found_by(store, f'histogram_{part}({histogram}{{job="{SENT}"}})')
        assert sent
        assert found_by(store, f'{histogram}_{part}{{job="{name}"}} + 0') == sent


def test_odd_labels_arrive_whole(store: Prometheus) -> None:
    ((_, labels),) = found_by(store, f'coding_agent_permission_wait_seconds_count{{job="{SCRAPED}",session_id="odd"}}')
    assert dict(labels)["gen_ai_tool_name"] == ODD


def test_the_bridge_itself_is_there(store: Prometheus) -> None:
    assert set(found_by(store, f'otel_bridge_files{{job="{SCRAPED}"}}').values()) == {"1011"}
    items = f'otel_bridge_export_items_total{{job="{SCRAPED}",signal="traces",outcome="accepted"}}'
    assert set(found_by(store, items).values()) == {"6003"}


def test_a_crowd_adds_up(store: Prometheus) -> None:
    """300 sessions with two models each: 0.37 USD times the number of the session, and 1 more for the second model."""
    cost = f'coding_agent_cost_USD_total{{job="{CROWD}"}}'
    assert len(found_by(store, cost)) == 600
    (total,) = found_by(store, f"sum({cost})").values()
    assert float(total) == pytest.approx(2 * 0.37 * sum(range(300)) + 300, rel=1e-12)
