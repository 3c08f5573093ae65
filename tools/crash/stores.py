"""What Prometheus and the trace store hold of a service, to be compared with what another one put there."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from typing import Any

from tools.crash.arrivals import described
from tools.stack.stack import Stack
from tools.stack.stores import Prometheus, eventually

_LOOK_BACK = "4000d"
_HISTORY_S = 30 * 86_400


def series(metrics: Prometheus, service: str, at_s: float) -> list[str]:
    """Return all series of a service with their last value, but those that say nothing: 0, or an empty histogram."""
    found = metrics.ask("query", query=f'last_over_time({{job="{service}"}}[{_LOOK_BACK}])', time=at_s)["result"]
    return sorted(_described(each) for each in found if not _says_nothing(each))


def cost_usd(metrics: Prometheus, service: str, at_s: float) -> Decimal:
    """Return what all sessions of a service cost, what no transcript records left out, in whole billionths."""
    listed = f'coding_agent_cost_USD_total{{job="{service}",coding_agent_call_source!="unrecorded"}}'
    value = metrics.value(f"sum(last_over_time({listed}[{_LOOK_BACK}]))", at_s)
    return Decimal(value or 0).quantize(Decimal("1e-9"))


def stored_spans(stack: Stack, service: str, expected: int) -> Counter[str]:
    """Return how often the trace store has each span of a service, once it has as many as are expected."""
    end_s = time.time() + 600

    def ask() -> Counter[str]:
        spans = stack.trace_store.spans(service, end_s - _HISTORY_S, end_s)
        return Counter(described(span.trace_id, span.span_id, span.name, span.attributes) for span in spans)

    return eventually(ask, lambda found: len(found) >= expected, within_s=30)


def _described(each: dict[str, Any]) -> str:
    labels = {name: value for name, value in each["metric"].items() if name != "job"}
    return f"{sorted(labels.items())} {(each.get('value') or each['histogram'])[1]}"


def _says_nothing(each: dict[str, Any]) -> bool:
    if "histogram" in each:
        return bool(each["histogram"][1]["count"] == "0")
    return bool(each["value"][1] == "0")
