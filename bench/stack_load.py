"""A month of a company in the real stack: how long its panels take, and how fast an export goes.

    python -m bench.stack_load [--sessions 20000] [--exported 10000]

Loads made-up sessions into Prometheus (shipped configuration), runs every query of every dashboard over 30 days, and
exports sessions through the collector beside the collector's own pace: the same requests, ready to be sent.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench.made_sessions import made_sessions
from otel_bridge.cli.destination import SYNC_HEADER
from otel_bridge.convert import ConvertOptions, session_spans
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.model import Session
from otel_bridge.pipeline.export import export_sessions
from otel_bridge.semconv import SCOPE
from otel_bridge.sinks.open import open_otlp_sink
from otel_bridge.sinks.otlp.config import OtlpConfig, otlp_config
from otel_bridge.telemetry import Batch, Signal
from tools.dashboards.queries import Query, Shown, queries
from tools.stack.stack import Stack

DAY_S = 86_400
ALLOWED_S = 2.0
OPTIONS = ConvertOptions(resource=(("coding_agent.host.type", "local"), ("user.name", "dev")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20_000, help="in Prometheus when the panels are asked")
    parser.add_argument("--exported", type=int, default=10_000, help="sent through the collector")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        sessions = list(made_sessions(options.sessions, time.time_ns() - 3600 * 10**9))
        load(stack, sessions)
        wait_for_compaction(stack)
        ask_panels(stack)
        export_through_collector(stack, sessions[: options.exported])


def load(stack: Stack, sessions: Iterable[Session]) -> None:
    started = time.perf_counter()
    config = otlp_config({}, Signal.METRICS, endpoint=f"{stack.prometheus}/api/v1/otlp")
    summary = send([config], sessions)
    took = time.perf_counter() - started
    print(f"loaded {summary.sessions:,} sessions, {summary.data_points:,} points, in {took:.1f} s")


def ask_panels(stack: Stack) -> None:
    end_s = round(time.time())
    every = [query for query in queries(Shown(end_s - 30 * DAY_S, end_s)) if query.kind == "promql"]
    times = [(min(asked(stack, query) for _ in range(3)), query) for query in every]
    times.sort(key=lambda entry: -entry[0])
    slow = sum(seconds > ALLOWED_S for seconds, _ in times)
    print(f"{len(times)} queries over 30 days, slowest first; {slow} over {ALLOWED_S:g} s")
    for seconds, query in times[:12]:
        print(f"  {seconds:6.2f} s  {query.dashboard}: {query.panel} ({query.ref})")


def asked(stack: Stack, query: Query) -> float:
    started = time.perf_counter()
    if query.step_s is None:
        stack.metrics.ask("query", query=query.text, time=query.end_s)
    else:
        stack.metrics.query_range(query.text, query.start_s, query.end_s, query.step_s)
    return time.perf_counter() - started


def wait_for_compaction(stack: Stack) -> None:
    """Wait until Prometheus has sorted what came out of order into blocks: for minutes it takes a core for that."""
    started = time.perf_counter()
    expression = "process_cpu_seconds_total{job='prometheus'}"
    while True:
        before = float(stack.metrics.value(expression, time.time()) or 0)
        time.sleep(35)
        if float(stack.metrics.value(expression, time.time()) or 0) - before < 5:
            break
    print(f"waited {time.perf_counter() - started:.0f} s until Prometheus had sorted them into blocks")


def export_through_collector(stack: Stack, sessions: list[Session]) -> None:
    configs = [
        otlp_config({}, signal, endpoint=stack.collector_http, headers=SYNC_HEADER)
        for signal in (Signal.TRACES, Signal.METRICS)
    ]
    started = time.perf_counter()
    summary = send(configs, sessions)
    ours = time.perf_counter() - started
    batches = [batch for session in sessions for batch in session_spans(session, OPTIONS)]
    batches += [batch for session in sessions for batch in session_metrics(session, OPTIONS)]
    started = time.perf_counter()
    send_batches(configs, batches)
    pace = time.perf_counter() - started
    print(
        f"exported {summary.sessions:,} sessions ({summary.spans:,} spans, {summary.data_points:,} points) through the"
        f" collector in {ours:.1f} s; the same, converted before, in {pace:.1f} s: ratio {ours / pace:.2f}"
    )


def send(configs: list[OtlpConfig], sessions: Iterable[Session]):  # type: ignore[no-untyped-def]
    summary = export_sessions(
        sessions,
        open_otlp_sink(configs, scope=SCOPE),
        OPTIONS,
        signals=[config.signal for config in configs],
    )
    assert summary.is_complete, summary.delivery
    return summary


def send_batches(configs: list[OtlpConfig], batches: Iterable[Batch]) -> None:
    sink = open_otlp_sink(configs, scope=SCOPE)
    for batch in batches:
        sink.send(batch)
    assert sink.close().is_complete


if __name__ == "__main__":
    main()
