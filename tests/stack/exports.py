"""Sessions sent to the real stack by the real command, and the numbers that must come out of it again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.cli.commands import run, run_json
from tools.stack.stack import Stack

LOOK_BACK = "4000d"


def export(
    stack: Stack, *paths: Path, service: str, only: Iterable[str] = (), give_up_s: float = 60, **env: str
) -> dict[str, Any]:
    """Send sessions to the collector under a service name of their own; return the summary."""
    flags = ["--endpoint", stack.collector_http, "--give-up", str(give_up_s), "--json"]
    flags += [flag for signal in only for flag in ("--only", signal)]
    done = run("export", *paths, *flags, OTEL_SERVICE_NAME=service, **env)
    summary: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return summary | {"exit_code": done.returncode, "stderr": done.stderr}


def stats(*paths: Path) -> dict[str, Any]:
    """Return what ``stats`` says, days in UTC."""
    found: dict[str, Any] = run_json("stats", *paths, "--changes", "--timezone", "UTC")
    return found


def money(value: str | None) -> Decimal:
    """Return a number of Prometheus in whole billionths of a dollar: what binary fractions blur is far smaller."""
    return Decimal(value or 0).quantize(Decimal("1e-9"))


class Reader:
    """Asks Prometheus about the sessions of one service, as dashboards do."""

    def __init__(self, stack: Stack, service: str, at_s: float) -> None:
        self._metrics = stack.metrics
        self._service = service
        self.at_s = at_s

    def last(self, metric: str, **labels: str) -> str:
        """Return a selector of the last values until now."""
        pairs = ",".join(f"{name}{value}" for name, value in {"job": f'="{self._service}"', **labels}.items())
        return f"last_over_time({metric}{{{pairs}}}[{LOOK_BACK}])"

    def window(self, metric: str, seconds: int, **labels: str) -> str:
        """Return what was added in a window that ends at the time asked for."""
        pairs = ",".join(f"{name}{value}" for name, value in {"job": f'="{self._service}"', **labels}.items())
        of = f"{metric}{{{pairs}}}"
        last = f"last_over_time({of}[{seconds}s])"
        return f"{last} - (last_over_time({of}[{LOOK_BACK}] offset {seconds}s) or {last} * 0)"

    def sum(self, selector: str, *by: str, at_s: float | None = None) -> dict[str, str]:
        """Return sums by labels (joined by spaces where there are several)."""
        found = self._metrics.query(f"sum by ({', '.join(by)}) ({selector})", self.at_s if at_s is None else at_s)
        return {" ".join(labels.get(name, "") for name in by): value for labels, value in found}

    def total(self, selector: str, at_s: float | None = None) -> str | None:
        """Return the sum over all series."""
        return self._metrics.value(f"sum({selector})", self.at_s if at_s is None else at_s)

    def count(self, histogram: str, *by: str) -> dict[str, str]:
        """Return how many values histograms hold, by labels."""
        expression = f"histogram_count(sum by ({', '.join(by)}) ({self.last(histogram)}))"
        return {
            " ".join(labels.get(name, "") for name in by): value
            for labels, value in self._metrics.query(expression, self.at_s)
        }
