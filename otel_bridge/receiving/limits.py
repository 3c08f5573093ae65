"""How much of what a receiver takes: bounds that keep its memory constant, whoever sends (pure)."""

from __future__ import annotations

from msgspec import Struct

_KIB, _MIB = 1 << 10, 1 << 20


class Limits(Struct, frozen=True):
    """All of them together bound the memory; each has the reason for its size."""

    body_bytes: int = 20 * _MIB
    """Of a request as it is sent; the collector takes as much over HTTP."""
    message_bytes: int = 32 * _MIB
    """Of a request unpacked. Clients that log the bodies of model calls send some of these at once, 60 KiB each."""
    parts: int = 500_000
    """Messages within a request, whatever they are: an empty one takes two bytes to send and 200 to decode. One request
    is decoded at a time. 11,000 spans with 20 attributes each have so many; collectors send 8,192."""
    values_per_part: int = 4
    """So many values in them: of JSON, numbers take memory too; of protobuf, they take time to count."""
    attributes: int = 4_096
    """Of one span, record or point; SDKs stop at 128."""
    held_bytes: int = 128 * _MIB
    """Of all requests that have no answer yet: who comes on top of that is asked to come again."""
    held_requests: int = 4_096
    """So many at a time, for the same reason."""
    workers: int = 32
    """Requests that the intake works on at a time: most of them wait for an answer of the next hop."""
    wait_s: float = 2.0
    """A request that found no worker by then is asked to come again, while its sender still listens."""
    come_again_s: float = 1.0
    """When it is asked to."""
    head_within_s: float = 10.0
    """How long a client may take to ask …"""
    body_within_s: float = 30.0
    """… and to send what it announced: slow ones must not keep the place of others."""
    idle_s: int = 150
    """How long a connection is kept between requests: longer than clients pause (5 and 60 s), else it would be closed
    just as they send."""
    connections: int = 8_192
    """Over HTTP; more are told to come again."""
    streams: int = 64
    """Requests at a time in one gRPC connection; more wait in the client."""
    reads: int = 64
    """Requests over gRPC that are read at a time; more wait in the network."""


MOST_DEPTH = 100
"""Messages within messages, as protobuf decoders count: 31 maps or 47 lists within each other in an attribute."""
