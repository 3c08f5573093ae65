"""How Prometheus spells the metrics and attributes that ``otel_bridge.semconv`` declares (pure).

The rules are those of Prometheus's OTLP receiver with its default translation (UnderscoreEscapingWithSuffixes).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from otel_bridge.telemetry import Instrument, Metric

_UNIT_SUFFIXES = {"s": "seconds", "By": "bytes"}
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9]+")


class Series(NamedTuple):
    """A metric as PromQL names it."""

    name: str
    labels: frozenset[str]
    is_histogram: bool


def label(attribute: str) -> str:
    """Return the label of an attribute: ``gen_ai_tool_name`` for ``gen_ai.tool.name``."""
    return _NOT_IN_NAMES.sub("_", attribute)


def series(metric: Metric) -> Series:
    """Return how a declared metric is called in PromQL, and the labels its series may have beside ``job``."""
    unit = "" if metric.unit.startswith("{") else _UNIT_SUFFIXES.get(metric.unit, metric.unit)
    total = "total" if metric.instrument is Instrument.COUNTER else ""
    name = "_".join(part for part in (label(metric.name), unit, total) if part)
    return Series(name, frozenset(map(label, metric.attributes)), metric.instrument is Instrument.HISTOGRAM)
