"""An intake that hands requests on as they are, and answers what the next hop answers (I/O).

Nothing is acknowledged that the next hop did not take: there is no queue here that could be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from otel_bridge.receiving.intake import Export, Refused, Taken
from otel_bridge.receiving.json_lines import JsonWriter
from otel_bridge.receiving.signals import JSON, PROTOBUF
from otel_bridge.sinks.otlp import answers
from otel_bridge.sinks.otlp.answers import Accepted, Answer, BadItems, Retry, TooLarge, Transport
from otel_bridge.sinks.otlp.config import OtlpConfig, OtlpProtocol
from otel_bridge.sinks.otlp.transport import open_transport
from otel_bridge.telemetry import Signal


class Way(Struct, frozen=True):
    """The way of one signal."""

    transport: Transport
    body: Callable[[Export], bytes]
    """What is sent: the body as it came, unless the next hop is to get JSON."""
    place: str


class Relay:
    """Hands requests on. Any number of threads may call it; each has one request under way."""

    def __init__(self, ways: Mapping[Signal, Way]) -> None:
        self._ways = ways

    def __call__(self, export: Export) -> Taken | Refused:
        """Send a request once: whoever sent it to us is the one who sends it again."""
        way = self._ways.get(export.signal)
        if way is None:
            return Refused(f"there is no next hop for {export.signal}", is_retryable=False)
        return passed_on(way.transport.send(way.body(export)), way.place)

    def close(self) -> None:
        """Close all connections; nobody may be calling any more."""
        for way in self._ways.values():
            way.transport.close()


def passed_on(answer: Answer, place: str) -> Taken | Refused:
    """Say to the sender what the next hop said.

    A next hop that refuses us, whatever we send, is our trouble and not the sender's: what it has is good and may come
    again when somebody has mended that.
    """
    match answer:
        case Accepted(rejected, message):
            return Taken(rejected, message)
        case Retry(reason, after_s):
            return Refused(f"{place}: {reason}", is_retryable=True, retry_after_s=after_s)
        case TooLarge(reason) | BadItems(reason):
            return Refused(f"{place}: {reason}", is_retryable=False)
        case answers.Refused(reason, advice):
            return Refused(f"{place}: {reason}; {advice}", is_retryable=True)


def open_relay(configs: Iterable[OtlpConfig], connections: int) -> Relay:
    """Open the ways of the signals that have a configuration; nothing is connected before the first request.

    Raises:
        UsageError: certificates or a proxy cannot be used.
    """
    return Relay({config.signal: _open_way(config, connections) for config in configs})


def _open_way(config: OtlpConfig, connections: int) -> Way:
    if config.protocol is not OtlpProtocol.HTTP_JSON:
        return Way(open_transport(config, PROTOBUF, connections), lambda export: export.body, config.target.place)
    writer = JsonWriter()
    transport = open_transport(config, JSON, connections)
    return Way(transport, lambda export: writer.line(export.message), config.target.place)
