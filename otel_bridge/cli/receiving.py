"""A receiver beside the other work of a command: what it takes goes to an intake, the rest to the next hops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from otel_bridge.cli.listening import where
from otel_bridge.cli.printable import say
from otel_bridge.output import GrowingFile
from otel_bridge.sinks.otlp.config import OtlpConfig
from otel_bridge.telemetry import Signal

if TYPE_CHECKING:
    from otel_bridge.receiving.counters import Tally
    from otel_bridge.receiving.intake import Intake
    from otel_bridge.receiving.receiver import Receiver, ReceiverConfig

_KNOWN = frozenset(signal.value for signal in Signal)


@contextmanager
def running_receiver(
    config: ReceiverConfig,
    next_hops: Sequence[OtlpConfig],
    *,
    file: GrowingFile | None = None,
    intake: Callable[[Intake | None], Intake],
    grace_s: float,
) -> Iterator[Receiver]:
    """Take telemetry as long as the block runs, and say where.

    ``intake`` gets what takes a request on to the next hops and the file, ``None`` where there are none, and returns
    what takes it in. In the end so many seconds are given to answer what is under way.

    Raises:
        UsageError: a port cannot be had, certificates or a proxy cannot be used.
    """
    from otel_bridge.receiving.file_intake import FileIntake, in_turn
    from otel_bridge.receiving.other_relay import open_other_relay
    from otel_bridge.receiving.receiver import Receiver
    from otel_bridge.receiving.relay import open_relay

    with ExitStack() as closing:
        onward: list[Intake] = []
        if next_hops:
            relay = open_relay(next_hops, config.limits.workers)
            closing.callback(relay.close)
            onward.append(relay)
        if file is not None:
            onward.append(FileIntake(file))
        others = open_other_relay(next_hops[0], config.limits.workers) if next_hops else None
        if others is not None:
            closing.callback(others.close)
        receiver = Receiver(config, intake(in_turn(onward) if onward else None), others=others)
        receiver.start()
        closing.callback(receiver.stop, grace_s)
        if config.grpc or config.http:
            say(f"receiving {where(receiver.grpc_address, receiver.http_address, is_tls=config.tls is not None)}")
        yield receiver


def account(tally: Tally) -> list[str]:
    """Say what was taken and what not, a line each."""
    taken = [f"{tally.items[signal]:,} items of {signal}" for signal in Signal if signal in tally.items]
    taken += [f"{count:,} requests of {name}" for name, count in sorted(tally.requests.items()) if name not in _KNOWN]
    lines = [f"took {', '.join(taken)}" if taken else "took nothing"]
    if tally.kept:
        lines.append(f"of these put into sessions: {_listed(tally.kept)}")
    if tally.rejected:
        lines.append(f"! of these rejected: {_listed({str(name): count for name, count in tally.rejected.items()})}")
    if tally.put_off:
        lines.append(f"! requests to be sent again: {_listed(tally.put_off)}")
    if tally.refused:
        lines.append(f"! requests refused for good: {_listed(tally.refused)}")
    return lines


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in sorted(counts.items()))
