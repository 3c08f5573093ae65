"""``otel-bridge receive``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from otel_bridge.cli.destination import (
    Destination,
    endpoint_option,
    originals_option,
    protocol_option,
    with_paths_option,
    without_missing_pipelines,
)
from otel_bridge.cli.ending import until_signal
from otel_bridge.cli.indexed import data_dir_option
from otel_bridge.cli.keeping import Keeping, idle_option
from otel_bridge.cli.listening import Listening, listening_options
from otel_bridge.cli.printable import say
from otel_bridge.cli.receiving import account, running_receiver
from otel_bridge.cli.service import run_receiver
from otel_bridge.errors import UsageError, WriteError
from otel_bridge.output import GrowingFile, open_growing
from otel_bridge.pipeline.index.exposing import bridge_state
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.receiving.counters import Counters, received
from otel_bridge.receiving.listening import GRPC, HTTP
from otel_bridge.serving.address import OPTION
from otel_bridge.serving.self_metrics import BridgeState
from otel_bridge.sinks.otlp.config import OtlpConfig
from otel_bridge.telemetry import Signal

if TYPE_CHECKING:
    from otel_bridge.receiving.intake import Intake
    from otel_bridge.receiving.receiver import ReceiverConfig

_GRACE_S = 4.0
"""Containers are killed ten seconds after they were asked to end, and what is held is to be sent too."""
_ASK_S = 2.0
"""How long a next hop may take at the start to say which signals it knows; one that does not answer knows all."""
_FILES_PER_CONNECTION = 2
"""One for a client, one for the next hop."""


@click.command("receive", epilog="Example: otel-bridge receive --endpoint http://localhost:14318")
@listening_options
@data_dir_option
@endpoint_option
@protocol_option
@with_paths_option
@originals_option
@idle_option
@click.option(
    "--to-file",
    "file",
    metavar="FILE",
    help="Append OTLP/JSON lines as the collector does; - for stdout. Only --endpoint names an endpoint then.",
)
@click.option(OPTION, "address", metavar="HOST:PORT", help="Answer /metrics and the health page there; else nowhere.")
@click.option("--allow-remote", is_flag=True, help="Let other machines ask: the address may be another than loopback.")
@click.option("--unchanged", is_flag=True, help="Convert nothing: pass all of it on as it comes, and keep no index.")
def command(
    *,
    listening: Listening,
    data_dir: Path | None,
    endpoint: str | None,
    protocol: str | None,
    with_paths: bool,
    keeps_originals: bool,
    idle_minutes: int,
    file: str | None,
    address: str | None,
    allow_remote: bool,
    unchanged: bool,
) -> None:
    """Take OTLP from other programs, convert what Claude Code says, and pass the rest on unchanged.

    Claude Code's telemetry becomes sessions in the index, as with `up`, but no transcript is looked at; what they are
    as spans, events and metrics goes to the endpoint, to a file, or both. Nothing is acknowledged that is not on the
    disk or was not taken by the next hop; while that is away, senders of the rest are asked to come again. A signal to
    end (SIGTERM, Ctrl-C) stops taking, sends what is held and exits with 0. Other machines can send only where a token
    or client certificates guard the listener.
    """
    keeping = Keeping(
        paths=(),
        or_samples=False,
        data_dir=data_dir,
        with_answers=False,
        endpoint=endpoint,
        protocol=protocol,
        only=(),
        with_paths=with_paths,
        idle_minutes=idle_minutes,
        file=file,
        keeps_originals=keeps_originals,
    )
    if unchanged:
        _refuse_what_an_index_needs(keeping)
    to = keeping.destination()
    if to is None:
        raise UsageError(
            "nowhere to pass telemetry on to. Give --endpoint http://localhost:14318 (or set"
            " OTEL_EXPORTER_OTLP_ENDPOINT), or --to-file telemetry.jsonl"
        )
    config = listening.config(to.otlp)
    if not (config.grpc or config.http):
        raise UsageError(f"{GRPC} and {HTTP} are both none: give at least one of them an address")
    with ExitStack() as stack:
        growing = stack.enter_context(_opened(file)) if file else None
        gateway = _Gateway(config, _with_pipelines(to), growing, file, address, allow_remote=allow_remote)
        if unchanged:
            with until_signal() as stop, gateway.passing_into(_as_it_is, _state_of_relay):
                stop.wait()
        else:
            run_receiver(keeping, lambda keeper: gateway.keeping_into(keeper, keeping), growing)


def _refuse_what_an_index_needs(keeping: Keeping) -> None:
    given = {
        "--data-dir": keeping.data_dir is not None,
        "--paths": keeping.with_paths,
        "--keep-original-attributes": keeping.keeps_originals,
    }
    for option in (option for option, is_given in given.items() if is_given):
        raise UsageError(f"{option} has no effect with --unchanged, which keeps no index and converts nothing")


class _Gateway(Struct):
    """Where to listen, where the rest goes, and where it is shown how that goes."""

    config: ReceiverConfig
    hops: Sequence[OtlpConfig]
    file: GrowingFile | None
    file_name: str | None
    address: str | None
    allow_remote: bool

    def keeping_into(self, keeper: Keeper, keeping: Keeping) -> AbstractContextManager[None]:
        """Leave what is the client's own with a keeper as long as the block runs, and pass on the rest."""
        from otel_bridge.pipeline.native_intake import NativeIntake

        intake = partial(NativeIntake, keeper.inbox, keeps_originals=keeping.keeps_originals)
        return self.passing_into(intake, partial(bridge_state, keeper))

    @contextmanager
    def passing_into(
        self, intake: Callable[[Intake | None], Intake], state: Callable[[Counters], BridgeState]
    ) -> Iterator[None]:
        """Receive as long as the block runs; then say what was taken."""
        from otel_bridge.receiving.memory import give_memory_back

        give_memory_back()
        _allow_files(self.config.limits.connections * _FILES_PER_CONNECTION)
        with running_receiver(self.config, self.hops, file=self.file, intake=intake, grace_s=_GRACE_S) as receiver:
            for signal in sorted(set(Signal) - {hop.signal for hop in self.hops}) if self.hops else ():
                say(f"! no endpoint takes {signal}: what would be passed on of them is refused")
            with self._shown(partial(state, receiver.counters)):
                say(f"passing on to {self._places()}; Ctrl-C ends it")
                yield
        for line in account(receiver.counters.tally()):
            say(line)

    @contextmanager
    def _shown(self, state: Callable[[], BridgeState]) -> Iterator[None]:
        if self.address is None:
            yield
            return
        from otel_bridge.serving.server import serve

        with serve(self.address, state, allow_remote=self.allow_remote) as server:
            say(f"health at {server.url}, metrics at {server.url}/metrics")
            yield

    def _places(self) -> str:
        named = [*(f"{config.target.place} ({config.protocol})" for config in self.hops), self.file_name]
        return ", ".join(dict.fromkeys(place for place in named if place))


def _state_of_relay(counters: Counters) -> BridgeState:
    return BridgeState(received=received(counters.tally()))


def _as_it_is(onward: Intake | None) -> Intake:
    assert onward is not None, "there is a next hop or a file"
    return onward


@contextmanager
def _opened(file: str) -> Iterator[GrowingFile]:
    try:
        growing = open_growing(file)
    except WriteError as error:
        raise UsageError(f"--to-file {error}") from None
    with closing(growing):
        yield growing


def _with_pipelines(to: Destination) -> Sequence[OtlpConfig]:
    """Leave out, with a sentence, the signals that their next hop says it does not know: nobody need try them again."""
    reachable = without_missing_pipelines(to, within_s=_ASK_S)
    for sentence in reachable.nowhere:
        say(f"! {sentence}")
    return reachable.otlp


def _allow_files(wanted: int) -> None:
    """Let the process have as many open files as it may: each connection is one."""
    with suppress(ImportError, ValueError, OSError):  # not on Windows; not everywhere to so many
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
