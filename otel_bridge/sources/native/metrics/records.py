"""Points of Claude Code's counters as they are kept: small, storable as MessagePack, each known by a key (pure)."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct

from otel_bridge.counters import Amount, Labels


class NativePoint(Struct, array_like=True, frozen=True, gc=False, tag="point"):
    """One point of one counter. Points of one ``point_key`` are one that was received twice."""

    session_id: str
    metric: str
    """A name of ``otel_bridge.counters``."""
    labels: Labels
    is_cumulative: bool
    """The value counts from ``start_ns``; else it is what came to it between the two times."""
    start_ns: int
    """0 where it was not sent."""
    time_ns: int
    value: Amount
    """Whole for counts; USD and seconds to the tenth decimal, without the error of binary floats."""
    series: bytes
    """Hash of the resource and of all attributes: points of other processes differ in it if the wire tells them."""
    version: str | None = None
    """Of the client."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NativePoint).decode


def pack_point(point: NativePoint) -> bytes:
    """Return a point as the bytes to store."""
    return _encode(point)


def unpack_point(data: bytes) -> NativePoint:
    """Return a stored point.

    Raises:
        msgspec.ValidationError: the bytes are those of another version of this struct.
    """
    point: NativePoint = _decode(data)
    return point


def point_key(point: NativePoint) -> bytes:
    """Return the 16 bytes that identify a point among those of its session: which series it is of, when, and its value.

    What we keep of the attributes does not count: keeping one more later makes no point another one.
    """
    said = point.metric, point.series, point.is_cumulative, point.start_ns, point.time_ns, str(point.value)
    return blake2b(_encode(said), digest_size=16, person=b"otelb.npoint").digest()


def growth(point: NativePoint) -> tuple[object, ...]:
    """Return what a point says: a process that sends totals says the same again and again, as long as nothing grows."""
    at_ns = None if point.is_cumulative else point.time_ns
    return point.metric, point.series, point.is_cumulative, point.start_ns, at_ns, point.value
