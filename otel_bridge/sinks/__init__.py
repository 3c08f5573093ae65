"""Where telemetry goes: the one interface of all sinks and the account they give in the end (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from otel_bridge.telemetry import Batch, Signal

MAX_REJECTIONS = 100
MAX_FAILURES = 20


class Counts(Struct, frozen=True):
    """What became of the items of one signal."""

    accepted: int = 0
    rejected: int = 0
    """Refused by the receiver for good; the reasons are in ``Delivery.rejections``."""
    undelivered: int = 0
    """Never answered, or refused for a reason that is not theirs; sending them again may work."""
    skipped: int = 0
    """Not sent on purpose: nobody asked for this signal."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.accepted + other.accepted,
            self.rejected + other.rejected,
            self.undelivered + other.undelivered,
            self.skipped + other.skipped,
        )


class Rejection(Struct, frozen=True):
    """One item the receiver does not want, or several it only counted."""

    signal: Signal
    item: str
    """For people: the name and the ids."""
    reason: str
    """The receiver's words."""


class Delivery(Struct, frozen=True):
    """The account of a sink. Counts are exact; rejections and failures are the first few."""

    counts: Mapping[Signal, Counts] = {}
    """Without signals of which nothing came."""
    rejections: tuple[Rejection, ...] = ()
    failures: tuple[str, ...] = ()
    """Sentences for the user: what went wrong, where, and what to check."""

    def of(self, signal: Signal) -> Counts:
        """Return the counts of one signal; zeros where none of it was sent."""
        return self.counts.get(signal, Counts())

    @property
    def total(self) -> Counts:
        """The counts of all signals together."""
        return sum(self.counts.values(), start=Counts())

    @property
    def is_complete(self) -> bool:
        """True when everything that was meant to be sent was accepted."""
        return not (self.failures or self.total.rejected or self.total.undelivered)

    def __add__(self, other: Delivery) -> Delivery:
        counts = {signal: self.of(signal) + other.of(signal) for signal in {**self.counts, **other.counts}}
        return Delivery(
            {signal: sums for signal, sums in counts.items() if sums != Counts()},
            (self.rejections + other.rejections)[:MAX_REJECTIONS],
            tuple(dict.fromkeys(self.failures + other.failures))[:MAX_FAILURES],
        )


class Sink(Protocol):
    """Takes batches from one thread, until ``close`` or ``abort``. A second one of these does nothing more."""

    def send(self, batch: Batch) -> None:
        """Take a batch over. May block while the sink works off earlier ones; never drops silently."""

    def flush(self, within_s: float) -> bool:
        """Send what was taken over, wait for answers for so long, and tell whether all of it has a final one."""

    def close(self) -> Delivery:
        """Wait until everything is accepted, rejected or given up; say what became of it. Aborts if interrupted."""

    def abort(self) -> None:
        """Stop at once and publish no half results, for a caller that failed or was interrupted. Never raises."""
