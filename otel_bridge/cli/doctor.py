"""``otel-bridge doctor``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from otel_bridge.cli.destination import endpoint_option, protocol_option
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import json_option, paths_argument
from otel_bridge.cli.printable import printable
from otel_bridge.pipeline.checkup import (
    FAILED,
    OK,
    Check,
    check_endpoint,
    check_retention,
    check_transcripts,
    check_versions,
)
from otel_bridge.settings import environment, transcript_roots
from otel_bridge.sinks.otlp.config import names_endpoint, otlp_config
from otel_bridge.telemetry import Signal

_MARKS = {OK: ("ok", "green"), FAILED: ("FAILED", "red")}


@click.command("doctor", epilog="Example: otel-bridge doctor --endpoint http://localhost:4318")
@paths_argument
@json_option
@endpoint_option
@protocol_option
def command(paths: tuple[Path, ...], as_json: bool, endpoint: str | None, protocol: str | None) -> None:
    """Check what is here and what can be reached: transcripts, client versions, retention, endpoints.

    Exits with 1 if a check failed.
    """
    roots = list(paths) or transcript_roots(environment())
    found, sessions = check_transcripts(roots)
    checks = [found]
    if sessions:
        checks.append(check_versions(sessions))
    checks.append(check_retention(root.parent for root in transcript_roots(environment())))
    checks += [_endpoint(signal, endpoint, protocol) for signal in (Signal.TRACES, Signal.LOGS)]
    if as_json:
        print_json(checks)
    else:
        for check in checks:
            _print(check)
    sys.exit(any(check.verdict == FAILED for check in checks))


def _endpoint(signal: Signal, endpoint: str | None, protocol: str | None) -> Check:
    env = environment()
    if endpoint is None and not names_endpoint(env, signal):
        return check_endpoint(None, signal)
    return check_endpoint(otlp_config(env, signal, endpoint=endpoint, protocol=protocol), signal)


def _print(check: Check) -> None:
    mark, color = _MARKS.get(check.verdict, ("warning", "yellow"))
    click.echo(f"{click.style(f'{mark:<8}', fg=color)}{check.name}: {printable(check.found)}")
    if check.advice:
        click.echo(f"        → {check.advice}")
