"""``otel-bridge receive``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import click

from otel_bridge.cli.destination import Destination, endpoint_option, protocol_option, without_missing_pipelines
from otel_bridge.cli.ending import until_signal
from otel_bridge.cli.listening import Listening, listening_options, where
from otel_bridge.cli.printable import say
from otel_bridge.errors import UsageError
from otel_bridge.receiving.listening import GRPC, HTTP
from otel_bridge.settings import environment
from otel_bridge.sinks.otlp.config import OtlpConfig, names_endpoint, otlp_config
from otel_bridge.telemetry import Signal

if TYPE_CHECKING:
    from otel_bridge.receiving.counters import Tally
    from otel_bridge.receiving.receiver import ReceiverConfig

_KNOWN = frozenset(signal.value for signal in Signal)
_GRACE_S = 8.0
"""Containers are killed ten seconds after they were asked to end."""
_ASK_S = 2.0
"""How long a next hop may take at the start to say which signals it knows; one that does not answer knows all."""
_FILES_PER_CONNECTION = 2
"""One for a client, one for the next hop."""


@click.command("receive", epilog="Example: otel-bridge receive --endpoint http://localhost:14318")
@listening_options
@endpoint_option
@protocol_option
@click.option("--to-file", metavar="FILE", help="Append OTLP/JSON lines as the collector does; - for stdout.")
def command(*, listening: Listening, endpoint: str | None, protocol: str | None, to_file: str | None) -> None:
    """Take OTLP from other programs and pass it on unchanged, write it to a file, or both.

    A sender gets the answer of the next hop: nothing is acknowledged that was not taken. While the next hop is away or
    busy, senders are asked to come again. A signal to end (SIGTERM, Ctrl-C) stops taking, answers what is under way and
    exits with 0. Other machines can send only where a token or client certificates guard the listener.
    """
    configs = _next_hops(environment(), endpoint, protocol, is_local=to_file is not None)
    if not (configs or to_file):
        raise UsageError(
            "nowhere to pass telemetry on to. Give --endpoint http://localhost:14318 (or set"
            " OTEL_EXPORTER_OTLP_ENDPOINT), or --to-file telemetry.jsonl"
        )
    config = listening.config(configs)
    if not (config.grpc or config.http):
        raise UsageError(f"{GRPC} and {HTTP} are both none: give at least one of them an address")
    _run(config, _with_pipelines(configs), to_file)


def _with_pipelines(configs: Sequence[OtlpConfig]) -> list[OtlpConfig]:
    """Leave out, with a sentence, the signals that their next hop says it does not know: nobody need try them again."""
    reachable = without_missing_pipelines(Destination(otlp=tuple(configs)), within_s=_ASK_S)
    for sentence in reachable.nowhere:
        say(f"! {sentence}")
    return list(reachable.otlp)


def _next_hops(
    env: Mapping[str, str], endpoint: str | None, protocol: str | None, *, is_local: bool
) -> list[OtlpConfig]:
    """Return how each signal is passed on; with a file, the environment's endpoints do not count."""
    return [
        otlp_config(env, signal, endpoint=endpoint, protocol=protocol)
        for signal in Signal
        if endpoint is not None or (not is_local and names_endpoint(env, signal))
    ]


def _run(config: ReceiverConfig, configs: Sequence[OtlpConfig], to_file: str | None) -> None:
    from otel_bridge.receiving.file_intake import in_turn, open_file_intake
    from otel_bridge.receiving.intake import Intake
    from otel_bridge.receiving.memory import give_memory_back
    from otel_bridge.receiving.other_relay import open_other_relay
    from otel_bridge.receiving.receiver import Receiver
    from otel_bridge.receiving.relay import open_relay

    give_memory_back()
    _allow_files(config.limits.connections * _FILES_PER_CONNECTION)
    with ExitStack() as closing:
        intakes: list[Intake] = []
        if configs:
            relay = open_relay(configs, config.limits.workers)
            closing.callback(relay.close)
            intakes.append(relay)
        if to_file:
            file = open_file_intake(to_file)
            closing.callback(file.close)
            intakes.append(file)
        others = open_other_relay(configs[0], config.limits.workers) if configs else None
        if others:
            closing.callback(others.close)
        receiver = Receiver(config, in_turn(intakes), others=others)
        with until_signal() as stop:
            receiver.start()
            say(f"receiving {where(receiver.grpc_address, receiver.http_address, is_tls=config.tls is not None)}")
            for signal in sorted(set(Signal) - {hop.signal for hop in configs}) if configs else ():
                say(f"! no endpoint takes {signal}: senders are told to drop them")
            say(f"passing on to {', '.join(_places(configs, to_file))}; Ctrl-C ends it")
            stop.wait()
        receiver.stop(_GRACE_S)
        for line in account(receiver.counters.tally()):
            say(line)


def _places(configs: Sequence[OtlpConfig], to_file: str | None) -> list[str]:
    named = [*(f"{config.target.place} ({config.protocol})" for config in configs), to_file]
    return list(dict.fromkeys(place for place in named if place))


def account(tally: Tally) -> list[str]:
    """Say what was taken and what not, a line each."""
    taken = [f"{tally.items[signal]:,} items of {signal}" for signal in Signal if signal in tally.items]
    taken += [f"{count:,} requests of {name}" for name, count in sorted(tally.requests.items()) if name not in _KNOWN]
    lines = [f"took {', '.join(taken)}" if taken else "took nothing"]
    if tally.rejected:
        lines.append(f"! of these rejected: {_listed({str(name): count for name, count in tally.rejected.items()})}")
    if tally.put_off:
        lines.append(f"! requests to be sent again: {_listed(tally.put_off)}")
    if tally.refused:
        lines.append(f"! requests refused for good: {_listed(tally.refused)}")
    return lines


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in sorted(counts.items()))


def _allow_files(wanted: int) -> None:
    """Let the process have as many open files as it may: each connection is one."""
    with suppress(ImportError, ValueError, OSError):  # not on Windows; not everywhere to so many
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
