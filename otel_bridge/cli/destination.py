"""Where an export goes: options and environment → a sink."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import click
from msgspec import Struct, structs

from otel_bridge.cli.options import Seconds
from otel_bridge.errors import UsageError
from otel_bridge.sinks import Sink
from otel_bridge.sinks.otlp.config import OtlpConfig, OtlpProtocol, names_endpoint
from otel_bridge.telemetry import Signal

if TYPE_CHECKING:
    from otel_bridge.sinks.otlp.delivery import OnSettled

endpoint_option = click.option("--endpoint", metavar="URL", help="OTLP receiver; default: OTEL_EXPORTER_OTLP_ENDPOINT.")
protocol_option = click.option(
    "--protocol",
    type=click.Choice([protocol.value for protocol in OtlpProtocol]),
    help="How to talk to it; default: OTEL_EXPORTER_OTLP_PROTOCOL, else http/protobuf.",
)


only_option = click.option(
    "--only", type=click.Choice([signal.value for signal in Signal]), multiple=True,
    help="Send only this signal; may be repeated.",
)  # fmt: skip
give_up_option = click.option(
    "--give-up", "give_up_s", type=Seconds(min=0), default=60, show_default=True, metavar="SECONDS",
    help="How long to try again a request that finds nobody or a busy receiver.",
)  # fmt: skip
originals_option = click.option(
    "--keep-original-attributes", "keeps_originals", is_flag=True,
    help="Send what the client said on its own spans too, under its own names; no texts.",
)  # fmt: skip
with_paths_option = click.option("--paths", "with_paths", is_flag=True, help="Send working folders and file names too.")

_MODEST_REQUESTS, _MODEST_ITEMS = 2, 512
_MODEST_QUEUE = 32
"""What one round sends has to fit: whoever watches does not wait for a receiver."""

SYNC_HEADER = {"x-otel-bridge-sync": "1"}
"""Asks our collector configurations to pass on at once what we send, so that the answer is that of the store: a queue
says yes first, drops what is refused later, and may lose what it thanked for when its disk is full (docs/stack.md)."""


class Destination(Struct, frozen=True):
    """The ways out that were asked for; at least one."""

    otlp: tuple[OtlpConfig, ...] = ()
    """One for each signal that has an endpoint; others are skipped on purpose."""
    file: str | None = None
    to_console: bool = False
    nowhere: tuple[str, ...] = ()
    """Sentences about signals that have nowhere to go, though an endpoint was given."""

    @property
    def places(self) -> list[str]:
        """Return names of the places for people."""
        named = [*(config.target.place for config in self.otlp), self.file, "the terminal" if self.to_console else None]
        return list(dict.fromkeys(place for place in named if place))


def destination(
    env: Mapping[str, str],
    signals: Collection[Signal],
    *,
    endpoint: str | None,
    protocol: str | None,
    file: str | None,
    to_console: bool,
) -> Destination:
    """Choose the ways out. The environment's endpoints are used when no option names any.

    Raises:
        UsageError: there is none, or a variable is wrong.
    """
    from otel_bridge.cli.reach import find_endpoint, way_of

    is_local = endpoint is None and (file is not None or to_console)
    found = find_endpoint(env, endpoint, protocol) if endpoint is not None else None
    wanted = () if is_local else tuple(signal for signal in Signal if signal in signals)
    ways = [way_of(env, signal, found=found, protocol=protocol) for signal in wanted]
    otlp = tuple(synchronous(way.config) for way in ways if way.config is not None)
    nowhere = tuple(dict.fromkeys(way.nowhere for way in ways if way.nowhere))
    if not (otlp or file or to_console):
        raise UsageError(
            "; ".join(nowhere)
            or "nowhere to send to. Give --endpoint http://localhost:4318 (or set OTEL_EXPORTER_OTLP_ENDPOINT),"
            " --to-file spans.jsonl, or --console"
        )
    return Destination(otlp, file, to_console, nowhere)


def has_destination(env: Mapping[str, str], endpoint: str | None) -> bool:
    """Tell whether there is an endpoint to send to."""
    return endpoint is not None or any(names_endpoint(env, signal) for signal in Signal)


def without_missing_pipelines(to: Destination, *, within_s: float = math.inf) -> Destination:
    """Ask each endpoint whether it knows its signal; leave out, with a sentence, those that know only others.

    An endpoint that does not answer in time knows all.
    """
    from otel_bridge.pipeline.checkup import missing_pipelines

    missing = missing_pipelines(
        {config.signal: structs.replace(config, timeout_s=min(config.timeout_s, within_s)) for config in to.otlp}
    )
    otlp = tuple(config for config in to.otlp if config.signal not in missing)
    return structs.replace(to, otlp=otlp, nowhere=(*to.nowhere, *missing.values()))


def synchronous(config: OtlpConfig) -> OtlpConfig:
    """Ask for the answer of the store behind a collector, not of the collector's queue."""
    return structs.replace(config, headers={**config.headers, **SYNC_HEADER})


def open_local_sinks(to: Destination) -> list[Sink]:
    """Open what lies on this machine: whether a file can be written should be known before anything is read."""
    from otel_bridge.semconv import SCOPE
    from otel_bridge.sinks.console import ConsoleSink
    from otel_bridge.sinks.file import open_file_sink

    sinks: list[Sink] = []
    if to.file is not None:
        sinks.append(open_file_sink(to.file, SCOPE))
    if to.to_console:
        sinks.append(ConsoleSink(sys.stdout))
    return sinks


def open_sink(
    to: Destination,
    local: list[Sink],
    *,
    give_up_s: float,
    notify: Callable[[str], None],
    on_settled: OnSettled = lambda _, __: None,
    is_modest: bool = False,
) -> Sink:
    """Open the way to the endpoints too and return all as one sink; nothing is connected before the first request.

    ``notify`` is told of a receiver that is away, ``on_settled`` of items an endpoint has taken or refused for good.
    ``is_modest`` needs less memory and takes longer, for what runs for days.
    """
    from otel_bridge.sinks.fanout import FanOut

    sinks = list(local)
    if to.otlp:
        from otel_bridge.semconv import SCOPE
        from otel_bridge.sinks.open import open_otlp_sink
        from otel_bridge.sinks.otlp.delivery import IN_FLIGHT
        from otel_bridge.sinks.otlp.retry import RetryPolicy

        remote = open_otlp_sink(
            to.otlp,
            scope=SCOPE,
            retry=RetryPolicy(give_up_s=give_up_s),
            notify=notify,
            on_settled=on_settled,
            in_flight=_MODEST_REQUESTS if is_modest else IN_FLIGHT,
            in_queue=_MODEST_QUEUE if is_modest else 0,
            max_items=_MODEST_ITEMS if is_modest else None,
        )
        sinks.insert(0, remote)
    return sinks[0] if len(sinks) == 1 else FanOut(sinks)
