"""Asking the stores whether they will keep what an export brings them (I/O)."""

from __future__ import annotations

from otel_bridge.backends.pages import StatusPages
from otel_bridge.backends.prometheus import PrometheusFacts, read_prometheus
from otel_bridge.backends.tempo import TempoFacts, read_tempo
from otel_bridge.pipeline.checks import FAILED, Check
from otel_bridge.pipeline.preflight import History, judge_prometheus, judge_tempo


def check_prometheus(pages: StatusPages, history: History) -> list[Check]:
    """Read a Prometheus's status pages and say what the history would lose there."""
    facts = read_prometheus(pages.get)
    if isinstance(facts, PrometheusFacts):
        return judge_prometheus(facts, history)
    return [
        Check("prometheus", FAILED, f"{pages.place}: {facts}", "give its own address, such as http://localhost:9090")
    ]


def check_tempo(pages: StatusPages, history: History) -> list[Check]:
    """Read a Tempo's status pages and say what the history would lose there."""
    facts = read_tempo(pages.get)
    if isinstance(facts, TempoFacts):
        return judge_tempo(facts, history)
    return [
        Check("tempo", FAILED, f"{pages.place}: {facts}", "give the address of its API, such as http://localhost:3200")
    ]
