"""How Prometheus spells the metrics and attributes that ``otel_bridge.semconv`` declares (pure).

The rules are those of Prometheus's OTLP receiver with its default translation (UnderscoreEscapingWithSuffixes).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from otel_bridge import semconv
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


SERIES = {each.name: each for each in map(series, semconv.METRICS.values())}
"""Everything a panel or rule may ask Prometheus about sessions, by its name there."""

COST = series(semconv.COST)
CHANGE_COST = series(semconv.CHANGE_COST)
PRICE_DIFFERENCE = series(semconv.PRICE_DIFFERENCE)
INPUT = series(semconv.USAGE_INPUT)
OUTPUT = series(semconv.USAGE_OUTPUT)
UNCACHED = series(semconv.USAGE_UNCACHED)
CACHE_READ = series(semconv.USAGE_CACHE_READ)
CACHE_WRITE = series(semconv.USAGE_CACHE_WRITE)
TOOL_DURATION = series(semconv.TOOL_DURATION)
MODEL_DURATION = series(semconv.INFERENCE_DURATION)
AGENT_DURATION = series(semconv.AGENT_DURATION)
PERMISSION_WAIT = series(semconv.PERMISSION_WAITS)
PROBLEMS = series(semconv.PROBLEMS)
SESSION_INFO = series(semconv.SESSION_INFO)

SESSION = label(semconv.SESSION_ID)
MODEL = label(semconv.RESPONSE_MODEL)
CALL_SOURCE = label(semconv.CALL_SOURCE)
REPOSITORY = label(semconv.REPOSITORY_URL)
CHANGE = label(semconv.CHANGE_ID)
TOOL = label(semconv.TOOL_NAME)
MCP_SERVER = label(semconv.MCP_SERVER)
ERROR_TYPE = label(semconv.ERROR_TYPE)
AGENT = label(semconv.AGENT_NAME)
USER = label(semconv.USER_NAME)
HOST_TYPE = label(semconv.HOST_TYPE)
PROBLEM_KIND = label(semconv.PROBLEM_KIND)
