"""``otel-bridge watch``."""

from __future__ import annotations

import click

from otel_bridge.cli.keeping import Keeping, keeping_options
from otel_bridge.cli.service import look_every_option, run_service


@click.command("watch", epilog="Example: otel-bridge watch --endpoint http://localhost:4318")
@keeping_options
@look_every_option
def command(*, keeping: Keeping, look_every_s: float) -> None:
    """Keep the index up to date as sessions grow and, with an endpoint, send what is new within a second.

    Runs until it is interrupted. What an endpoint that is away misses waits in the index and is sent when it is back;
    nothing is sent twice under other ids.
    """
    run_service(keeping, command="watch", look_every_s=look_every_s)
