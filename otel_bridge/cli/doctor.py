"""``otel-bridge doctor``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from otel_bridge.backends.detect import Endpoint, EndpointKind
from otel_bridge.cli.checks import print_checks
from otel_bridge.cli.destination import endpoint_option, protocol_option, synchronous
from otel_bridge.cli.options import json_option, paths_argument
from otel_bridge.cli.reach import find_endpoint, open_store, way_of
from otel_bridge.client_env.view import ClientView
from otel_bridge.pipeline.backfill import check_prometheus, check_tempo
from otel_bridge.pipeline.checks import OK, WARNING, Check
from otel_bridge.pipeline.checkup import check_endpoints, check_retention, check_transcripts, check_versions
from otel_bridge.pipeline.client_layers import check_client, client_ways, read_client
from otel_bridge.pipeline.client_settings import managed_settings_path
from otel_bridge.pipeline.preflight import History
from otel_bridge.pipeline.spending import collect_spending
from otel_bridge.settings import environment, transcript_roots, user_settings_path, worker_count
from otel_bridge.sources.transcript.discover import SessionFiles
from otel_bridge.telemetry import Signal


@click.command("doctor", epilog="Example: otel-bridge doctor --endpoint http://localhost:14318")
@paths_argument
@json_option
@endpoint_option
@protocol_option
@click.option("--prometheus", "prometheus_url", metavar="URL",
              help="Ask this Prometheus what it would lose, such as http://localhost:9090.")  # fmt: skip
@click.option("--tempo", "tempo_url", metavar="URL",
              help="Ask this Tempo what it would lose, such as http://localhost:3200.")  # fmt: skip
def command(
    *,
    paths: tuple[Path, ...],
    as_json: bool,
    endpoint: str | None,
    protocol: str | None,
    prometheus_url: str | None,
    tempo_url: str | None,
) -> None:
    """Check what is here and what can be reached: transcripts, client versions, settings, endpoints, stores.

    Reads the client's settings for what keeps its own telemetry from arriving without a word, and sends a probe
    record of each signal to the endpoint and to the client's own: service otel-bridge-doctor, scope
    otel_bridge.probe.

    Says before anything is sent which sessions Prometheus or Tempo would refuse, delete or not find, as they are
    configured now, and which line of which file to change. Exits with 1 if a check failed.
    """
    env = environment()
    roots = list(paths) or transcript_roots(env)
    transcripts, sessions = check_transcripts(roots)
    checks = [transcripts]
    if sessions:
        checks.append(check_versions(sessions))
    checks.append(check_retention(root.parent for root in transcript_roots(env)))
    client = read_client(env, user=user_settings_path(env), managed=managed_settings_path(), project=Path())
    checks += check_client(client)
    found = find_endpoint(env, endpoint, protocol) if endpoint else None
    checks += _endpoints(env, found, protocol, client.view)
    checks += _stores(env, sessions, found, prometheus_url, tempo_url)
    print_checks(checks, as_json=as_json)


def _endpoints(env: Mapping[str, str], found: Endpoint | None, protocol: str | None, client: ClientView) -> list[Check]:
    """Try the ways that an export takes, and those of the client where they lead elsewhere."""
    ways = {signal: way_of(env, signal, found=found, protocol=protocol) for signal in Signal}
    lost = [Check(f"{signal} endpoint", WARNING, way.nowhere) for signal, way in ways.items() if way.nowhere]
    asked = {signal: way.config and synchronous(way.config) for signal, way in ways.items() if not way.nowhere}
    places = {config.target.place for config in asked.values() if config}
    of_client = {
        signal: synchronous(config)
        for signal, config in client_ways(env, client).items()
        if config.target.place not in places
    }
    now_ns = time.time_ns()
    return lost + check_endpoints(asked, now_ns) + check_endpoints(of_client, now_ns, whose="client ")


def _stores(
    env: Mapping[str, str],
    sessions: Sequence[SessionFiles],
    found: Endpoint | None,
    prometheus_url: str | None,
    tempo_url: str | None,
) -> list[Check]:
    """Ask the stores named, and the one that the endpoint is."""
    prometheus = open_store(env, EndpointKind.PROMETHEUS, url=prometheus_url, found=found)
    tempo = open_store(env, EndpointKind.TEMPO, url=tempo_url, found=found)
    if prometheus is None and tempo is None:
        advice = "give --prometheus URL and --tempo URL to hear what old sessions would lose there"
        return [Check("stores", OK, "none asked", advice)]
    history = History(collect_spending(sessions, workers=worker_count()), time.time_ns())
    checks = []
    if prometheus is not None:
        with prometheus:
            checks += check_prometheus(prometheus, history)
    if tempo is not None:
        with tempo:
            checks += check_tempo(tempo, history)
    return checks
