"""``otel-bridge up``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from otel_bridge.cli.indexed import Source
from otel_bridge.cli.keeping import Keeping, keeping_options
from otel_bridge.cli.printable import say
from otel_bridge.cli.service import look_every_option, run_service
from otel_bridge.pipeline.index.exposing import RecentPoints, bridge_state
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.serving.address import DEFAULT, OPTION
from otel_bridge.serving.server import serve as start_server
from otel_bridge.telemetry import Signal


@click.command("up", epilog="Example: otel-bridge up --endpoint http://localhost:14318")
@keeping_options
@look_every_option
@click.option(OPTION, "address", default=DEFAULT, show_default=True, metavar="HOST:PORT",
              help="Where /metrics and the health page are answered.")  # fmt: skip
@click.option("--allow-remote", is_flag=True, help="Let other machines ask: the address may be another than loopback.")
def command(*, keeping: Keeping, look_every_s: float, address: str, allow_remote: bool) -> None:
    """Run it all: index what is there, watch what is written, send it on, and answer Prometheus and health checks.

    Without an endpoint nothing leaves this machine, and /metrics shows the sessions of the last day as well as the
    bridge itself; with one, sessions' metrics go there and /metrics shows the bridge alone.
    """

    @contextmanager
    def serve(keeper: Keeper, source: Source) -> Iterator[None]:
        to = keeping.destination()
        sends_metrics = to is not None and any(config.signal is Signal.METRICS for config in to.otlp)
        points = None if sends_metrics else RecentPoints(source.path, keeping.convert_options(), time.time_ns)
        with start_server(address, lambda: bridge_state(keeper), points, allow_remote=allow_remote) as server:
            say(f"health at {server.url}, metrics at {server.url}/metrics")
            yield

    run_service(keeping, command="up", look_every_s=look_every_s, serve=serve)
