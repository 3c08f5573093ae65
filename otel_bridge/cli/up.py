"""``otel-bridge up``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from otel_bridge.cli.indexed import Source
from otel_bridge.cli.keeping import Keeping, keeping_options
from otel_bridge.cli.listening import Listening, listening_options
from otel_bridge.cli.printable import say
from otel_bridge.cli.receiving import running_receiver
from otel_bridge.cli.service import look_every_option, run_service
from otel_bridge.errors import UsageError
from otel_bridge.pipeline.index.exposing import RecentPoints, bridge_state
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.receiving.counters import Counters
from otel_bridge.receiving.intake import Intake
from otel_bridge.serving.address import DEFAULT, OPTION
from otel_bridge.serving.server import serve as start_server
from otel_bridge.settings import environment, user_settings_path
from otel_bridge.sinks.otlp.config import OtlpConfig
from otel_bridge.telemetry import Signal

if TYPE_CHECKING:
    from otel_bridge.pipeline.client_layers import SpanSender

_GRACE_S = 2.0
"""What is under way when we are asked to end was stored or refused by then."""


@click.command("up", epilog="Example: otel-bridge up --endpoint http://localhost:14318")
@keeping_options
@look_every_option
@listening_options
@click.option(OPTION, "address", default=DEFAULT, show_default=True, metavar="HOST:PORT",
              help="Where /metrics and the health page are answered.")  # fmt: skip
@click.option("--allow-remote", is_flag=True, help="Let other machines ask: the address may be another than loopback.")
def command(*, keeping: Keeping, look_every_s: float, listening: Listening, address: str, allow_remote: bool) -> None:
    """Run it all: index what is there, watch what is written, take what clients send, send it on, answer Prometheus.

    Claude Code's own telemetry joins its transcripts in the index; what else is received goes on unchanged. Without an
    endpoint nothing leaves this machine, and /metrics shows the sessions of the last day as well as the bridge itself;
    with one, sessions' metrics go there and /metrics shows the bridge alone.
    """

    @contextmanager
    def serve(keeper: Keeper, source: Source) -> Iterator[None]:
        to = keeping.destination()
        sends_metrics = to is not None and any(config.signal is Signal.METRICS for config in to.otlp)
        points = None if sends_metrics else RecentPoints(source.path, keeping.convert_options(), time.time_ns)
        with (
            _taking(listening, keeping.next_hops(to) if to is not None else (), _into(keeping, keeper)) as received,
            start_server(address, lambda: bridge_state(keeper, received), points, allow_remote=allow_remote) as server,
        ):
            say(f"health at {server.url}, metrics at {server.url}/metrics")
            if received is not None:
                keeper.is_to_get_spans = _span_sender()
            yield

    run_service(keeping, command="up", look_every_s=look_every_s, serve=serve)


@contextmanager
def _taking(
    listening: Listening, next_hops: Sequence[OtlpConfig], intake: Callable[[Intake | None], Intake]
) -> Iterator[Counters | None]:
    """Take telemetry and count it as long as the block runs; where that cannot be, say so, and do all the rest."""
    received: Counters | None = None
    with ExitStack() as closing:
        try:
            config = listening.config(next_hops)
            received = closing.enter_context(
                running_receiver(config, next_hops, intake=intake, grace_s=_GRACE_S)
            ).counters
        except UsageError as error:
            say(f"! not receiving: {error}")
        yield received


def _span_sender() -> SpanSender:
    from otel_bridge.pipeline.client_layers import SpanSender
    from otel_bridge.pipeline.client_settings import managed_settings_path

    return SpanSender(environment(), user=user_settings_path(environment()), managed=managed_settings_path())


def _into(keeping: Keeping, keeper: Keeper) -> Callable[[Intake | None], Intake]:
    from otel_bridge.pipeline.native_intake import NativeIntake

    return partial(NativeIntake, keeper.inbox, keeps_originals=keeping.keeps_originals)
