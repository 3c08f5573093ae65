"""What ``doctor`` predicts is what the real Prometheus (and Tempo, where one is given) does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.backends.detect import EndpointKind, detect_endpoint
from otel_bridge.backends.durations import DAY_NS, HOUR_NS, MINUTE_NS
from otel_bridge.backends.pages import StatusPages
from otel_bridge.backends.prometheus import PrometheusFacts, read_prometheus
from otel_bridge.backends.tempo import TempoFacts, read_tempo
from otel_bridge.pipeline.checks import Check
from otel_bridge.pipeline.preflight import History, SessionSpend, judge_prometheus, judge_tempo
from tests.cli.commands import run
from tests.stack.built import TEMPO, built
from tests.stack.otlp import counter, send_http
from tests.transcripts import SID, T0, prompt, response, session_file
from tools.stack import configured
from tools.stack.configured import Ports, local
from tools.stack.servers import Server
from tools.stack.stack import Stack

STOCK = "global: {scrape_interval: 15s}\n"


@contextmanager
def running(folder: Path, config: str) -> Iterator[str]:
    """Run a Prometheus with a file of this text, and return its address."""
    file, address = folder / "prometheus.yaml", local(Ports.free().prometheus)
    file.write_text(config)
    command = [
        str(built("prometheus")),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-otlp-receiver",
    ]
    server = Server("prometheus", command, folder, f"http://{address}/-/ready")
    server.start()
    try:
        yield f"http://{address}"
    finally:
        server.kill()


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Prometheus whose file sets nothing for history, and whose newest point is of now."""
    with running(tmp_path_factory.mktemp("stock"), STOCK) as prometheus:
        assert send(prometheus, "now", 0) == 200
        yield prometheus


@pytest.fixture
def old_session(tmp_path: Path) -> Path:
    """Write a session of 200 days ago."""
    at_s = time.time() - 200 * DAY_NS / 1e9 - T0.timestamp()
    session_file(tmp_path, SID, prompt(at=at_s), response(at=at_s + 1))
    return tmp_path


def send(prometheus: str, session: str, age_ns: int) -> int | str:
    """Send a point of that age and return the status of the answer."""
    return send_http(f"{prometheus}/api/v1/otlp", counter(session, [(time.time() - age_ns / 1e9, 1.0)])).status


def check_of(prometheus: str, name: str, age_ns: int) -> Check:
    """Judge a session that happened at one moment of that age."""
    with StatusPages(prometheus) as pages:
        facts = read_prometheus(pages.get)
    assert isinstance(facts, PrometheusFacts)
    now_ns = time.time_ns()
    spend = SessionSpend("one", now_ns - age_ns, now_ns - age_ns)
    return next(check for check in judge_prometheus(facts, History([spend], now_ns)) if check.name == name)


def doctor(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = run("doctor", *arguments, "--json")
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)}


@pytest.mark.parametrize("age_ns", [58 * MINUTE_NS, 62 * MINUTE_NS, 5 * HOUR_NS, 21 * DAY_NS])
def test_a_stock_prometheus_refuses_what_was_predicted(stock: str, age_ns: int) -> None:
    """An hour behind its newest point is the end."""
    predicted = check_of(stock, "prometheus window", age_ns).verdict
    assert (send(stock, f"age {age_ns}", age_ns) == 200) == (predicted == "ok") == (age_ns < HOUR_NS)


@pytest.mark.parametrize("age_ns", [58 * MINUTE_NS, 21 * DAY_NS, 399 * DAY_NS, 401 * DAY_NS])
def test_the_shipped_prometheus_takes_what_was_predicted(stack: Stack, age_ns: int) -> None:
    """Four hundred days are."""
    assert send(stack.prometheus, "now", 0) == 200
    predicted = check_of(stack.prometheus, "prometheus window", age_ns).verdict
    taken = send(stack.prometheus, f"preflight {age_ns}", age_ns) == 200
    assert taken == (predicted == "ok") == (age_ns < 400 * DAY_NS)


def test_doctor_names_the_lines_of_a_stock_prometheus(stock: str, old_session: Path) -> None:
    """Window and retention, with the file that this server was started with."""
    code, checks = doctor(old_session, "--prometheus", stock)
    assert code == 1
    assert checks["prometheus"]["verdict"] == "ok"
    for name, setting in (("window", "out_of_order_time_window"), ("retention", "retention.time")):
        check = checks[f"prometheus {name}"]
        assert (check["verdict"], check["loss"]["sessions"]) == ("failed", 1)
        (fix,) = check["fixes"]
        assert fix["file"].endswith("/stock0/prometheus.yaml")
        assert fix["setting"] == f"storage.tsdb.{setting}"


def test_doing_what_doctor_says_is_enough(tmp_path: Path, old_session: Path) -> None:
    """Its lines, written into the file of the stock server, make every check pass."""
    config = f"{STOCK}storage:\n  tsdb:\n    out_of_order_time_window: 400d\n    retention: {{time: 400d}}\n"
    with running(tmp_path, config) as prometheus:
        code, checks = doctor(old_session, "--prometheus", prometheus)
    assert code == 0, checks


def test_doctor_finds_nothing_wrong_with_the_shipped_stack(stack: Stack, old_session: Path) -> None:
    """The collector takes what it has pipelines for, Prometheus keeps what it gets."""
    code, checks = doctor(old_session, "--endpoint", stack.collector_http, "--prometheus", stack.prometheus)
    assert {name: check["verdict"] for name, check in checks.items() if name.startswith(("prometheus", "traces"))} == {
        "traces endpoint": "ok",
        "prometheus": "ok",
        "prometheus window": "ok",
        "prometheus retention": "ok",
    }
    assert checks["metrics endpoint"]["verdict"] == "ok"
    assert "has no pipeline for logs" in checks["logs endpoint"]["found"]
    assert code == 0


def test_doctor_over_grpc_says_the_same(stack: Stack, old_session: Path) -> None:
    """The collector's other port."""
    code, checks = doctor(old_session, "--endpoint", f"http://{stack.collector_grpc}", "--protocol", "grpc")
    verdicts = [checks[f"{signal} endpoint"]["verdict"] for signal in ("traces", "metrics", "logs")]
    assert (code, verdicts) == (0, ["ok", "ok", "warning"])


def test_the_programs_of_the_stack_are_told_apart(stack: Stack) -> None:
    """By what they answer: Prometheus at either of its addresses, the collector on both ports."""
    found = {
        url: detect_endpoint(url).kind
        for url in (
            stack.prometheus,
            f"{stack.prometheus}/api/v1/otlp",
            stack.collector_http,
            f"http://{stack.collector_grpc}",
        )
    }
    assert list(found.values()) == [EndpointKind.PROMETHEUS] * 2 + [EndpointKind.RECEIVER] * 2


@pytest.mark.slow
@pytest.mark.skipif(not TEMPO, reason="OTEL_BRIDGE_TEMPO names no Tempo")
def test_the_shipped_tempo_keeps_and_finds_history(tmp_path: Path) -> None:
    """Read from the pages of a real one, with the shipped configuration."""
    ports = Ports.free()
    server = configured.tempo(tmp_path, ports, os.environ["OTEL_BRIDGE_TEMPO"])
    server.start()
    try:
        url = f"http://{local(ports.traces_query)}"
        assert detect_endpoint(url).kind is EndpointKind.TEMPO
        with StatusPages(url) as pages:
            facts = read_tempo(pages.get)
    finally:
        server.kill()
    assert isinstance(facts, TempoFacts)
    assert facts.grpc_port == ports.traces_otlp
    now_ns = time.time_ns()
    old = SessionSpend("old", now_ns - 300 * DAY_NS, now_ns - 300 * DAY_NS)
    assert {check.verdict for check in judge_tempo(facts, History([old], now_ns))} == {"ok"}
