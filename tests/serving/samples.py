"""A state with every figure, and points of as many sessions as wanted, made one by one."""

from __future__ import annotations

from collections.abc import Iterator

from otel_bridge import semconv
from otel_bridge.serving.received import Fate, Received
from otel_bridge.serving.self_metrics import BridgeState, Outcome
from otel_bridge.telemetry import DataPoint, Distribution, Instrument, Metric, Signal

STATE = BridgeState(
    watched=("/home/dev/.claude/projects",),
    sessions=215,
    files=1011,
    records_read=48_213,
    records_rejected={"bad_json": 2, "line_too_long": 1},
    index_runs=7,
    index_duration_s=3.25,
    index_size_bytes=12_582_912,
    export_items={(Signal.TRACES, Outcome.ACCEPTED): 6003, (Signal.METRICS, Outcome.REJECTED): 4},
    received=Received(
        requests={"traces": 12, "other": 2},
        items={(Signal.TRACES, Fate.STORED): 1_204, (Signal.METRICS, Fate.REJECTED): 7},
        put_off={"busy": 3, "unavailable": 0},
        refused={"bad_data": 1, "too_large": 0},
        problems={(Signal.LOGS, "bad_timestamp"): 2},
    ),
    pending_sessions=3,
    last_sync_s=1_795_225_946.5,
)

MODELS = ("claude-opus-4-6", "claude-haiku-4-5-20251001")
TOOLS = ("Bash", "Read", "Edit", "Write", "Grep", "Glob", "Agent", "WebFetch", "Task", "TodoWrite")
SERIES_PER_SESSION = 42
"""Two models, ten tools, everything that has a metric: a busy session."""


def session_id(number: int) -> str:
    return f"{number:08x}-4336-4fc2-ae22-893e44ffc1f8"


def busy_sessions(count: int) -> Iterator[DataPoint]:
    """Yield the newest points of sessions, all of which used the same models and tools."""
    for number in range(count):
        for metric in semconv.METRICS.values():
            for variant in range(_variants(metric)):
                yield DataPoint(metric, _attributes(metric, number, variant), 0, 0, _value(metric, number, variant))


def _variants(metric: Metric) -> int:
    if semconv.TOOL_TYPE in metric.attributes:
        return len(TOOLS)
    return len(MODELS) if semconv.RESPONSE_MODEL in metric.attributes else 1


def _attributes(metric: Metric, number: int, variant: int) -> dict[str, str]:
    special = {
        semconv.SESSION_ID: session_id(number),
        semconv.RESPONSE_MODEL: MODELS[variant % len(MODELS)],
        semconv.TOOL_NAME: TOOLS[variant],
    }
    return {name: special.get(name, f"a {name}") for name in metric.attributes}


def _value(metric: Metric, number: int, variant: int) -> float | Distribution:
    amount = number * 0.37 + variant
    if metric.instrument is Instrument.HISTOGRAM:
        return Distribution(number + 1, amount, 3, offset=-8, buckets=(1,) * 40)
    return amount
