"""The whole thing on this machine: the real stack, three weeks of sessions in it, and what Prometheus says of them.

    python -m tools.demo [--once] [--folder .cache/demo]

Starts collector, Prometheus, Alertmanager and Jaeger on loopback with the shipped configurations, exports recorded
sessions moved over the last three weeks, and prints the dearest pull requests and the p95 of each tool as Prometheus
answers them, beside what the transcripts say. Then it waits for Ctrl-C; with --once it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

from otel_bridge.pipeline.sessions import SessionLibrary
from otel_bridge.sources.transcript.discover import discover_sessions
from tools.history import TEAMS, write_history
from tools.stack.programs import ProgramMissingError
from tools.stack.stack import Stack

DEAREST = 5
HOST_TYPES = {"ada": "local", "grace": "cluster", "ci": "ci"}
COST_OF_CHANGES = (
    "sum by (vcs_repository_url_full, vcs_change_id) (last_over_time(coding_agent_change_cost_USD[4000d]))"
)
P95_OF_TOOLS = (
    "histogram_quantile(0.95, sum by (gen_ai_tool_name) (last_over_time(gen_ai_execute_tool_duration_seconds[4000d])))"
)
BUCKET = 2 ** (1 / 8)
"""Ratio of a histogram's bounds: the true p95 lies within one of what Prometheus says."""

Row = tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="end after printing")
    parser.add_argument("--folder", type=Path, default=Path(".cache/demo"))
    options = parser.parse_args()
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    history = folder / "history"
    files = write_history(history, until=datetime.now(UTC) - timedelta(hours=1))
    print(f"three weeks of sessions: {files} files in {history}", flush=True)
    try:
        with Stack(folder / "stack", tempo=os.environ.get("OTEL_BRIDGE_TEMPO")) as stack:
            is_equal = show(stack, history)
            if not options.once:
                print("Ctrl-C ends it all.", flush=True)
                wait_for_interrupt()
    except ProgramMissingError as error:
        sys.exit(f"error: {error}")
    sys.exit(0 if is_equal else 1)


def show(stack: Stack, history: Path) -> bool:
    """Load the sessions and print both answers; say whether they are equal."""
    for team in TEAMS:
        load(stack, history, team)
    told = json.loads(command("stats", history, "--json", "--changes"))
    changes, dearest_agree = dearest(stack, told["by_change"])
    tools, tools_agree = slowest(stack, history)
    table("Dearest pull requests, USD", ("pull request", "Prometheus", "stats"), changes)
    table("p95 of tool calls, s", ("tool", "Prometheus", "transcripts"), tools)
    print("\nPrometheus   ", stack.prometheus)
    print("traces       ", stack.trace_store.url, f"({stack.trace_store.name})")
    print("Alertmanager ", stack.alertmanager)
    print("collector    ", stack.collector_http, "(otel-bridge export --endpoint …)")
    print(f"Grafana and Tempo come with `docker compose up`; the transcripts are in {history}", flush=True)
    return dearest_agree and tools_agree


def load(stack: Stack, history: Path, team: str) -> None:
    """Export what one team did, under its name."""
    attributes = f"user.name={team},coding_agent.host.type={HOST_TYPES[team]}"
    command("export", history / team, "--endpoint", stack.collector_http, OTEL_RESOURCE_ATTRIBUTES=attributes)


def command(*arguments: str | Path, **env: str) -> str:
    """Run otel-bridge and return what it prints; end with its words if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "otel_bridge", *map(str, arguments)],
        env={**os.environ, "TZ": "UTC", **env},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        sys.exit(f"otel-bridge {arguments[0]} ended with {done.returncode}")
    return done.stdout


def dearest(stack: Stack, by_change: Sequence[dict[str, Any]]) -> tuple[list[Row], bool]:
    """Return the dearest pull requests by both, and whether the two agree on each."""
    found = {
        (labels.get("vcs_repository_url_full", ""), labels.get("vcs_change_id", "")): Decimal(usd)
        for labels, usd in stack.metrics.query(COST_OF_CHANGES, time.time())
    }
    rows, is_equal = [], True
    for line in [line for line in by_change if line["change_id"]][:DEAREST]:
        shown = found.get((line["url"].partition("/pull/")[0], line["change_id"]), Decimal(0))
        is_equal &= round(shown, 9) == Decimal(line["cost_usd"])
        rows.append((f"{line['repository']}#{line['change_id']}", f"{shown:.6f}", f"{Decimal(line['cost_usd']):.6f}"))
    return rows, is_equal


def slowest(stack: Stack, history: Path) -> tuple[list[Row], bool]:
    """Return the p95 of each tool by both, and whether each is within a bucket of the other."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for session in SessionLibrary(discover_sessions([history]), now_ns=time.time_ns(), workers=1):
        for tool in session.tool_calls():
            if tool.ended_ns is not None:
                seconds[tool.name].append((tool.ended_ns - tool.started_ns) / 1e9)
    found = {
        labels["gen_ai_tool_name"]: float(value) for labels, value in stack.metrics.query(P95_OF_TOOLS, time.time())
    }
    true = {name: sorted(values)[ceil(0.95 * len(values)) - 1] for name, values in seconds.items()}
    is_equal = found.keys() == true.keys() and all(
        found[name] / BUCKET <= true[name] <= found[name] * BUCKET for name in true
    )
    order = sorted(true, key=lambda name: -true[name])
    return [(name, f"{found.get(name, 0):.3f}", f"{true[name]:.3f}") for name in order], is_equal


def table(title: str, header: Row, rows: Iterable[Row]) -> None:
    print(f"\n{title}")
    for name, *numbers in (header, *rows):
        print(f"  {name:<28}" + "".join(f"{number:>14}" for number in numbers))


def wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
