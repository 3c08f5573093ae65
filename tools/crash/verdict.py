"""What a killed watch left, compared with runs that nobody disturbed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from otel_bridge.store.database import FILE_NAME
from tools.crash import stores
from tools.crash.arrivals import spans_in
from tools.crash.rows import difference, differences, rows_of
from tools.crash.watching import environment, run, run_json
from tools.stack.stack import Stack

Env = Mapping[str, str]

FRESH = "undisturbed"
_SOON_S = 600
"""Closing points lie a little after the last event."""
_STATS = ("stats", "--json", "--changes", "--timezone", "UTC")


@dataclass(frozen=True)
class Left:
    """What the killed watch left behind."""

    home: Path
    """Has the transcripts."""
    data: Path
    """Has the index."""
    service: str
    """Under whose name the stores have what it sent."""
    arrivals: Path
    """Where the collector noted its spans."""


@dataclass
class Verdict:
    """What was compared and what differed."""

    sessions: int = 0
    calls: int = 0
    cost_usd: Decimal = Decimal(0)
    spans: int = 0
    repeated_spans: int = 0
    """Of these, how many arrived more than once, the same: a kill fell between the answer and the ledger."""
    series: int = 0
    differences: list[str] = field(default_factory=list)


def judge(left: Left, stack: Stack, scratch: Path) -> Verdict:
    """Compare what was left with the transcripts themselves; ``scratch`` is a folder for what that takes."""
    verdict = Verdict()
    env = environment(left.home, scratch / "data", FRESH)
    _compare_stats(verdict, left, env)
    _compare_rows(verdict, left, env, scratch)
    _compare_spans(verdict, left, env, stack, scratch)
    _compare_series(verdict, left, env, stack)
    return verdict


def _compare_stats(verdict: Verdict, left: Left, env: Env) -> None:
    """Let ``stats`` ask the index and the files."""
    kept = run_json(*_STATS, "--no-sync", env=environment(left.home, left.data, FRESH))
    told = run_json(*_STATS, left.home / "projects", env=env)
    verdict.sessions, verdict.calls = len(told["sessions"]), told["totals"]["calls"]
    verdict.cost_usd = Decimal(told["totals"]["cost_usd"])
    for name in told:
        if _comparable(name, kept) != _comparable(name, told):
            verdict.differences.append(f"stats: {name} is {kept.get(name)}, not {told[name]}")


def _compare_rows(verdict: Verdict, left: Left, env: Env, scratch: Path) -> None:
    """Compare the rows with those of an index made in one go."""
    run_json("sync", "--json", env=env)
    verdict.differences += differences(rows_of(left.data / FILE_NAME), rows_of(scratch / "data" / FILE_NAME))


def _compare_spans(verdict: Verdict, left: Left, env: Env, stack: Stack, scratch: Path) -> None:
    """Compare the trace store with a one-shot export to a file."""
    file = scratch / "spans.jsonl"
    run("export", left.home / "projects", "--only", "traces", "--to-file", file, env=env)
    wanted = spans_in(file)
    stored = stores.stored_spans(stack, left.service, len(wanted))
    verdict.spans = len(wanted)
    verdict.repeated_spans = sum(count > 1 for count in spans_in(left.arrivals).values())
    verdict.differences += difference("spans", sorted(stored.elements()), sorted(wanted))


def _compare_series(verdict: Verdict, left: Left, env: Env, stack: Stack) -> None:
    """Compare all series with those of a one-shot export, and the cost with that of ``stats`` too."""
    endpoint = ("--no-store", "--endpoint", stack.collector_http)
    run("export", left.home / "projects", "--only", "metrics", *endpoint, env=env)
    at_s = time.time() + _SOON_S
    kept, fresh = (stores.series(stack.metrics, name, at_s) for name in (left.service, FRESH))
    verdict.series = len(fresh)
    verdict.differences += difference("series", kept, fresh)
    cost_usd = stores.cost_usd(stack.metrics, left.service, at_s)
    if cost_usd != verdict.cost_usd:
        verdict.differences.append(f"Prometheus says {cost_usd} USD, stats {verdict.cost_usd}")


def _comparable(name: str, report: dict[str, Any]) -> Any:
    """Return a part of a report; problems come in the order in which files were read."""
    return sorted(map(repr, report[name])) if name == "problems" else report.get(name)
