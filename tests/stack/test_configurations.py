"""The real programs accept every configuration that we ship, without a warning."""

from __future__ import annotations

import shutil
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack.built import run
from tools.stack.configured import CONFIG
from tools.stack.stack import Stack

COLLECTORS = ["agent.yaml", "gateway.yaml"]
LAYERS: list[tuple[str, ...]] = [
    (),
    ("front.yaml",),
    ("front.yaml", "front-bridges.yaml"),
    ("without-bridge.yaml",),
    ("without-bridge.yaml", "without-bridge-logs.yaml"),
]
"""What each of them may be started with on top."""
LAYERED = [(base, *more) for base in COLLECTORS for more in LAYERS]
TEMPO = yaml.safe_load((CONFIG / "tempo" / "tempo.yaml").read_text(encoding="utf-8"))
HISTORY = "9600h"
"""400 days, as in Prometheus."""
IDLE = {"front-bridges.yaml": {"otlp_http/bridge"}}
"""Declared in a layer below, and replaced."""


def document(name: str) -> Any:
    return yaml.safe_load((CONFIG / name).read_text(encoding="utf-8"))


def merged(layers: tuple[str, ...]) -> Any:
    """Return what the collector makes of several files: maps are joined, a later list or value replaces an earlier."""
    return reduce(_over, map(document, layers))


def _over(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _over(below[key], above[key]) if key in below else above[key] for key in above}


@pytest.mark.parametrize("layers", LAYERED, ids="+".join)
def test_the_collector_accepts(layers: tuple[str, ...]) -> None:
    """`otelcol validate` has nothing to say, with no variable set at all."""
    answer = run("otelcol", "validate", *(f"--config={CONFIG / layer}" for layer in layers))
    assert (answer.returncode, answer.stdout) == (0, "")


def test_every_file_is_one_that_is_accepted() -> None:
    """And the page about them says what each is for."""
    files = {path.name for path in CONFIG.glob("*.yaml")}
    assert files == {name for layers in LAYERED for name in layers}
    page = (CONFIG / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(files) if name not in page] == []


def test_the_collector_has_every_component_by_its_present_name() -> None:
    """Old names still work as aliases, but are not listed."""
    listed = yaml.safe_load(run("otelcol", "components").stdout)
    for kind in ("receivers", "processors", "connectors", "exporters", "extensions"):
        used = {component.split("/")[0] for layers in LAYERED for component in merged(layers).get(kind, {})}
        assert used <= {each["name"] for each in listed[kind]}


@pytest.mark.parametrize("layers", LAYERED, ids="+".join)
def test_nothing_is_declared_in_vain(layers: tuple[str, ...]) -> None:
    """What a layer replaces in the one below it is not left behind."""
    config = merged(layers)
    pipelines = config["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines for name in pipeline.get(kind, [])}
        assert set(config[kind]) <= used | IDLE.get(layers[-1], set()), kind


def test_the_collector_starts_without_a_warning(stack: Stack) -> None:
    """Deprecated names and options are told when it starts, not by `validate`."""
    lines = stack.servers["collector"].log.read_text(encoding="utf-8").split("Everything is ready")[0].splitlines()
    assert [line for line in lines if "\twarn\t" in line or "\terror\t" in line] == []


def test_both_collectors_mask_the_same() -> None:
    """Two files cannot share a list."""
    agent, gateway = (document(name)["processors"]["redaction"] for name in COLLECTORS)
    assert agent == gateway


@pytest.mark.parametrize("layers", LAYERED, ids="+".join)
def test_nothing_is_added_to_metrics(layers: tuple[str, ...]) -> None:
    """Processors of metrics refuse or mask; one that adds an attribute would make one session two series.

    But for what there is no bridge to make series of.
    """
    pipelines = merged(layers)["service"]["pipelines"]
    raw = {"metrics/native"} if "without-bridge.yaml" in layers else set()
    used = [
        pipelines[each].get("processors", []) for each in pipelines if each.startswith("metrics") and each not in raw
    ]
    assert {processor for processors in used for processor in processors} == {"memory_limiter", "redaction"}


@pytest.mark.parametrize("layers", LAYERED, ids="+".join)
def test_all_that_comes_in_is_limited_and_masked_first(layers: tuple[str, ...]) -> None:
    """Before a layer can route it anywhere, or a queue write it to disk."""
    pipelines = merged(layers)["service"]["pipelines"]
    for pipeline in (each for each in pipelines.values() if {"otlp", "otlp/bridge"} & {*each["receivers"]}):
        assert (pipeline["processors"][0], pipeline["processors"][-1]) == ("memory_limiter", "redaction")


def test_prometheus_accepts(tmp_path: Path) -> None:
    """Its configuration and every rule file, where the rules lie when it runs."""
    shutil.copytree(CONFIG / "prometheus", tmp_path, dirs_exist_ok=True)
    answer = run("promtool", "check", "config", "prometheus.yaml", cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout
    rules = sorted(path.name for path in (tmp_path / "rules").glob("*.yaml"))
    answer = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules, cwd=tmp_path / "rules")
    assert answer.returncode == 0, answer.stdout


def test_prometheus_keeps_as_long_as_it_accepts(stack: Stack) -> None:
    """Window and retention are one number; the running server says what it took from the file."""
    page = stack.metrics.ask("status/config")["yaml"]
    tsdb = yaml.safe_load(page)["storage"]["tsdb"]
    assert (tsdb["out_of_order_time_window"], tsdb["retention"]["time"]) == ("400d", "400d")
    assert stack.metrics.ask("status/runtimeinfo")["storageRetention"] == "400d"


def test_alertmanager_accepts() -> None:
    """`amtool` finds the receiver, and no secret is in the file."""
    answer = run("amtool", "check-config", str(CONFIG / "alertmanager" / "alertmanager.yaml"))
    assert answer.returncode == 0, answer.stdout
    answer = run(
        "amtool", "config", "routes", "test", f"--config.file={CONFIG / 'alertmanager' / 'alertmanager.yaml'}",
        "severity=critical",
    )  # fmt: skip
    assert answer.stdout.strip() == "webhook"


@pytest.mark.parametrize(
    "path",
    [
        "live_store.wal.ingestion_time_range_slack",
        "query_frontend.metrics.max_duration",
        "backend_scheduler.provider.compaction.compaction.block_retention",
        "backend_worker.compaction.block_retention",
    ],
)
def test_tempo_keeps_and_finds_as_long_as_prometheus(path: str) -> None:
    """What Tempo's defaults would lose; a real Tempo starts from this file where OTEL_BRIDGE_TEMPO names one."""
    value = TEMPO
    for key in path.split("."):
        value = value[key]
    assert value == HISTORY


def test_tempo_searches_any_range_in_stored_blocks() -> None:
    """0 is no limit; what is older than a minute is read from blocks, where old spans are."""
    assert TEMPO["query_frontend"]["search"] == {"max_duration": 0, "query_backend_after": "1m"}


def test_no_configuration_reports_home() -> None:
    """Tempo would by default."""
    assert TEMPO["usage_report"] == {"reporting_enabled": False}
