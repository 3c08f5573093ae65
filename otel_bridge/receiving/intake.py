"""What a receiver hands over and what it wants to hear: all that an intake needs to know of it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from otel_bridge.telemetry import Signal


class Export(Struct, frozen=True, eq=False):
    """One export request that is sound: it could be decoded and is within all limits."""

    signal: Signal
    body: bytes
    """The ``Export…ServiceRequest`` in protobuf, unpacked: as it was sent, or made of the JSON that was."""
    items: int
    """Spans, log records or data points in it."""
    decode: Callable[[bytes], Any]

    @property
    def message(self) -> Any:
        """The same, decoded anew whenever it is asked for.

        Decoding takes a microsecond per span; keeping what it gives takes many times the memory of the body, for as
        long as the next hop takes to answer.
        """
        return self.decode(self.body)


class Other(Struct, frozen=True, eq=False):
    """A request of a signal that is not known here, as it was sent but for its packing."""

    version: str
    """The version of the signal's protocol, such as ``v1development``."""
    signal: str
    """Its name, such as ``profiles``."""
    body: bytes
    is_json: bool

    @property
    def path(self) -> str:
        """The path of OTLP/HTTP."""
        return f"/{self.version}/{self.signal}"

    @property
    def method(self) -> str:
        """The method of gRPC."""
        return f"/opentelemetry.proto.collector.{self.signal}.{self.version}.{self.signal.capitalize()}Service/Export"


class Taken(Struct, frozen=True):
    """Taken for good: whoever sent it may forget it."""

    rejected: int = 0
    """Items that are not wanted, and will not be when they come again (partial success)."""
    reason: str = ""
    """Why, or a warning; for people."""
    kept: int = 0
    """Items that go no further: whoever keeps them counts what became of them."""
    problems: Mapping[str, int] = {}
    """What could not be used of what was to be kept, by the reason of the ``Problem``."""


class Refused(Struct, frozen=True):
    """Nothing of it was taken."""

    reason: str
    is_retryable: bool
    """False means that it will never be taken: the sender drops it."""
    retry_after_s: float | None = None
    """Not before this, where that is known."""


Intake = Callable[[Export], Taken | Refused]
"""Takes a request or says why not. Called from many threads at once; what it waits for, the sender waits for."""

OtherIntake = Callable[[Other], Taken | Refused]
"""The same for signals that are not known."""
