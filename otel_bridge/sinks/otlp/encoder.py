"""What the engine asks of an encoding, so that one packer serves protobuf, JSON and every signal (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from otel_bridge.telemetry import DataPoint, LogRecord, Resource, Span

Item = Span | LogRecord | DataPoint

ItemEncoder = Callable[[Sequence[Any]], list[bytes]]
"""Encodes items of one signal, each for itself, so that a request can be cut without encoding anything again."""


Framing = Callable[[Sequence[Any], Sequence[bytes]], Sequence[bytes]]
"""Puts encoded items into what stands around several of them: points into their metric. Others stand alone."""


class Group(Struct):
    """Items of one resource, in the order they came, beside their encoded form."""

    resource: Resource
    head: bytes
    """The encoded resource."""
    items: list[Item]
    encoded: list[bytes]


class Encoder(Protocol):
    """One encoding of one signal."""

    content_type: str
    items: ItemEncoder
    frame_bytes: int
    """At most what a group adds to a request besides its head and its items."""

    def head(self, resource: Resource) -> bytes:
        """Encode what stands before the items of a resource."""

    def request(self, groups: Sequence[Group]) -> bytes:
        """Put a whole export request together."""


METRIC_FRAMES_BYTES = 16 << 10
"""More than the frames of all our metrics together (each is in a group once: its points come side by side)."""


def unframed(_: Sequence[Any], encoded: Sequence[bytes]) -> Sequence[bytes]:
    """Leave the items as they are."""
    return encoded


def without_surrogates(text: str) -> str:
    """Return text that UTF-8 can hold: surrogate pairs are joined, lone surrogates become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def sendable_time(time_ns: int) -> int:
    """Return the nearest time OTLP can hold, from 1970 to 2554."""
    return min(max(time_ns, 0), (1 << 64) - 1)


def fits(number: int) -> bool:
    """Tell whether a whole number has a place in the 64 bits that OTLP has for one."""
    return -(1 << 63) <= number < 1 << 63
