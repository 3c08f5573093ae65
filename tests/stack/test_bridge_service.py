"""The bridge of docker-compose.yml before the real stack: what sessions cost arrives, and how it is doing is known."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.commands import run, run_json
from tests.stack.bridge import COST, LISTED, Bridge, own_environment
from tests.stack.composed import ROOT, TOKEN, resolve
from tests.stack.conftest import start_stack
from tests.stack.exports import Reader, money
from tests.stack.otlp import send_grpc, send_http, spans
from tools.stack.configured import local
from tools.stack.servers import Server, free_port
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "otel_bridge" / "samples"
OUTCOMES = ("accepted", "rejected", "undelivered")
SCRAPED = 'job="otel-bridge"'
STOPPED_WITHIN_S = 10
"""So long `docker compose stop` waits."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a stack of these tests' own: a sum over everything is a sum over what the bridge sent."""
    with start_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def bridge(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """Start the service before some history."""
    service = Bridge(stack, tmp_path_factory.mktemp("bridge"))
    service.write_history()
    service.server.start()
    yield service
    service.server.kill()


def exported(address: str) -> dict[tuple[str, str], float]:
    """Return how many items a bridge has sent, by signal and outcome."""
    with urlopen(f"http://{address}/metrics", timeout=10) as reply:
        families = text_string_to_metric_families(reply.read().decode())
    samples = [sample for family in families for sample in family.samples]
    items = [sample for sample in samples if sample.name == "otel_bridge_export_items_total"]
    return {(sample.labels["signal"], sample.labels["outcome"]): sample.value for sample in items}


def assert_everything_arrived(bridge: Bridge) -> None:
    totals = bridge.told()["totals"]
    cost_usd = Decimal(totals["cost_usd"])
    assert cost_usd > 0
    assert bridge.cost_usd(cost_usd) == cost_usd
    assert bridge.model_calls(totals["calls"]) == totals["calls"]


def test_history_arrives_and_what_is_written_later(bridge: Bridge) -> None:
    """Nobody has to start anything for it: cost and calls are those that the transcripts say."""
    assert_everything_arrived(bridge)
    before = bridge.told()["totals"]["calls"]
    bridge.write_session(101)
    assert bridge.told()["totals"]["calls"] > before
    assert_everything_arrived(bridge)


def test_prometheus_is_told_how_the_bridge_is_doing(bridge: Bridge) -> None:
    """By the shipped scrape configuration: every session is in the index, and none waits."""
    sessions = str(len(bridge.told()["sessions"]))
    assert bridge.scraped(f"otel_bridge_sessions{{{SCRAPED}}}", sessions) == sessions
    for name, value in (("up", "1"), ("otel_bridge_problems", "0"), ("otel_bridge_pending_sessions", "0")):
        assert bridge.scraped(f"{name}{{{SCRAPED}}}", value) == value
    refused = f'otel_bridge_export_items_total{{{SCRAPED},outcome="rejected"}}'
    assert bridge.scraped(refused, "0") == "0"


def test_no_session_is_counted_by_a_scrape_too(bridge: Bridge) -> None:
    """They came over OTLP already."""
    assert bridge.scraped(f"up{{{SCRAPED}}}", "1") == "1"
    sessions = '__name__=~"(coding_agent|gen_ai)_.+"'
    assert bridge.stack.metrics.value(f'count({{{sessions},job="claude-code"}})', time.time()) is not None
    assert bridge.stack.metrics.value(f"count({{{sessions},{SCRAPED}}})", time.time()) is None


def test_it_answers_to_the_name_that_prometheus_calls(bridge: Bridge) -> None:
    with urlopen(Request(f"{bridge.url}/metrics", headers={"Host": "bridge:9465"}), timeout=10) as reply:
        assert b"\notel_bridge_sessions " in reply.read()


def test_clients_are_heard_who_know_the_token(bridge: Bridge) -> None:
    """On both ways in; what no agent sent goes on to the stores as it came."""
    now, known = time.time(), {"authorization": f"Bearer {TOKEN}"}
    request = spans("a client", now, 3)
    assert send_http(bridge.http, request).status == 401
    assert send_grpc(bridge.grpc, request, {"authorization": "Bearer guess"}).status == "UNAUTHENTICATED"
    assert bridge.stack.trace_store.spans("a client", now - 60, now + 60) == []
    assert send_http(bridge.http, request, known).status == 200
    assert send_grpc(bridge.grpc, spans("a client", now, 2, key="over gRPC"), known).status == "OK"
    found = eventually(
        lambda: bridge.stack.trace_store.spans("a client", now - 60, now + 60), lambda each: len(each) >= 5, within_s=30
    )
    assert len(found) == 5
    with urlopen(f"{bridge.url}/metrics", timeout=10) as reply:
        shown = reply.read().decode()
    assert '\notel_bridge_receive_refused_total{reason="unauthenticated"} 2.0\n' in shown
    assert '\notel_bridge_receive_items_total{fate="passed_on",signal="traces"} 5.0\n' in shown


def test_other_commands_answer_beside_it(bridge: Bridge) -> None:
    """From the same index, which the service goes on writing."""
    told = bridge.told()
    assert bridge.execute("stats")["totals"]["cost_usd"] == told["totals"]["cost_usd"]
    listed = {line["session_id"] for line in bridge.execute("sessions")}
    assert listed == {line["session_id"] for line in told["sessions"]}


def test_it_is_ill_while_the_collector_is_away_and_then_sends_what_waited(bridge: Bridge) -> None:
    """As its health check says, in both directions."""
    assert bridge.health() == 0
    collector = bridge.stack.servers["collector"]
    collector.kill()
    bridge.write_session(102)
    assert eventually(bridge.health, bool, within_s=30) != 0
    collector.start()
    assert eventually(bridge.health, lambda code: code == 0, within_s=60) == 0
    assert_everything_arrived(bridge)


def test_after_a_stop_it_goes_on_where_it_was(bridge: Bridge) -> None:
    """It ends in time, and sends what was written meanwhile and nothing again."""
    bridge.write_session(103)
    assert_everything_arrived(bridge)
    started = time.monotonic()
    bridge.server.stop(within_s=STOPPED_WITHIN_S)
    assert time.monotonic() - started < STOPPED_WITHIN_S
    assert bridge.health() != 0
    bridge.server.start()
    assert bridge.health() == 0
    assert set(exported(local(bridge.port)).values()) == {0}
    assert_everything_arrived(bridge)


def test_a_signal_without_a_pipeline_is_named_and_left_out(bridge: Bridge, tmp_path: Path) -> None:
    """One endpoint for everything: the collector takes no logs, and is sent none; the rest arrives as ever."""
    address = local(free_port())
    given = {name: value for name, value in bridge.environment.items() if not name.startswith("OTEL_EXPORTER_")}
    more = {"OTEL_EXPORTER_OTLP_ENDPOINT": bridge.stack.collector_http, "OTEL_BRIDGE_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "otel_bridge", "up", "--listen", address]
    other = Server("other", command, tmp_path, f"http://{address}/healthz", given | more)
    other.start()
    try:
        sent = eventually(lambda: exported(address), lambda items: items["metrics", "accepted"] > 0, within_s=30)
        assert sent["traces", "accepted"] > 0
        assert {outcome: sent["logs", outcome] for outcome in OUTCOMES} == dict.fromkeys(OUTCOMES, 0)
        assert other.log.read_text(encoding="utf-8").count("no pipeline for logs") == 1
    finally:
        other.kill()
    assert_everything_arrived(bridge)


def test_the_demo_sends_the_samples_and_leaves_no_index(stack: Stack, tmp_path: Path) -> None:
    """Its command as it is written: a container's own file system cannot be written to."""
    demo = resolve()["demo"]
    environment = own_environment(demo, stack) | {
        "OTEL_BRIDGE_DATA_DIR": str(tmp_path / "data"),
        "OTEL_SERVICE_NAME": "demo",
    }
    done = run(*demo["command"], **environment)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    reader = Reader(stack, "demo", time.time() + 600)
    cost_usd = Decimal(run_json("stats", SAMPLES)["totals"]["cost_usd"])
    assert money(reader.total(reader.last(COST, **LISTED))) == cost_usd
