"""The metrics and labels that panels ask for, by short names (pure)."""

from __future__ import annotations

from otel_bridge import semconv
from otel_bridge.prometheus_names import label, series

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
