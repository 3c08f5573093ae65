"""What ``doctor`` sends goes through the real collector to the real stores, and its answer is theirs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.cli.commands import run
from tests.stack.conftest import NewStack
from tools.stack.stack import Stack


def doctor(*arguments: str | Path) -> dict[str, Any]:
    """Return the checks by name."""
    return {check["name"]: check for check in json.loads(run("doctor", *arguments, "--json").stdout)}


def test_the_probe_arrives_in_the_stores(stack: Stack, tmp_path: Path) -> None:
    """Prometheus has its series at once, for the answer is its own; the way to the collector is told."""
    checks = doctor(tmp_path, "--endpoint", stack.collector_http)
    assert checks[f"connection to {stack.collector_http[7:]}"]["verdict"] == "ok"
    assert checks["metrics endpoint"]["found"].endswith("took a probe record")
    assert stack.metrics.value("otel_bridge_probe", time.time()) == "1"


def test_a_store_that_is_away_is_found_behind_the_collector(new_stack: NewStack, tmp_path: Path) -> None:
    """The collector answers, Prometheus behind it does not: only metrics fail, and the answer says so."""
    stack = new_stack()
    stack.servers["prometheus"].kill()
    checks = doctor(tmp_path, "--endpoint", stack.collector_http)
    assert checks["traces endpoint"]["verdict"] == "ok"
    assert checks["metrics endpoint"]["verdict"] == "failed"
    assert "503" in checks["metrics endpoint"]["found"]
