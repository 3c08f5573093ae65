"""Passing on what is not known here: signals that OTLP got later, or has in development, such as profiles (I/O)."""

from __future__ import annotations

from threading import Lock
from urllib.parse import urlsplit

from msgspec import structs

from otel_bridge.receiving.intake import Other, Refused, Taken
from otel_bridge.receiving.relay import passed_on
from otel_bridge.receiving.signals import JSON, PROTOBUF
from otel_bridge.sinks.otlp import answers
from otel_bridge.sinks.otlp.answers import Transport
from otel_bridge.sinks.otlp.config import OtlpConfig, OtlpProtocol
from otel_bridge.sinks.otlp.transport import open_transport

_MOST_WAYS = 16
"""Whoever sends chooses the names: so many get connections of their own."""


class OtherRelay:
    """Hands requests on as they are, to the address that OTLP gives their signal. Any number of threads may call it."""

    def __init__(self, config: OtlpConfig, base: str, connections: int) -> None:
        """Take as ``base`` the URL before the paths of signals; gRPC needs none."""
        self._config = config
        self._base = base
        self._connections = connections
        self._lock = Lock()
        self._transports: dict[tuple[str, bool], Transport] = {}

    def __call__(self, other: Other) -> Taken | Refused:
        """Send a request once; a next hop that knows nothing of its signal refuses it for good."""
        place = self._config.target.place
        if other.is_json and self._config.protocol is OtlpProtocol.GRPC:
            return Refused(f"{place} is spoken to over gRPC, which has no JSON for {other.signal}", is_retryable=False)
        transport = self._transport(other)
        if transport is None:
            return Refused(f"there are more than {_MOST_WAYS} signals that are not known here", is_retryable=False)
        answer = transport.send(other.body)
        if isinstance(answer, answers.Refused):
            return Refused(f"{place}: {answer.reason}", is_retryable=False)
        return passed_on(answer, place)

    def close(self) -> None:
        """Close all connections; nobody may be calling any more."""
        for transport in self._transports.values():
            transport.close()

    def _transport(self, other: Other) -> Transport | None:
        key = (other.path, other.is_json)
        with self._lock:
            if key not in self._transports:
                if len(self._transports) >= _MOST_WAYS:
                    return None
                self._transports[key] = self._open(other)
            return self._transports[key]

    def _open(self, other: Other) -> Transport:
        if self._config.protocol is OtlpProtocol.GRPC:
            from otel_bridge.sinks.otlp.grpc import GrpcTransport  # noqa: PLC0415 - takes 0.1 s

            return GrpcTransport(self._config, other.method)
        target = structs.replace(self._config.target, address=self._base + other.path)
        config = structs.replace(self._config, target=target)
        return open_transport(config, JSON if other.is_json else PROTOBUF, self._connections)


def open_other_relay(config: OtlpConfig, connections: int) -> OtherRelay | None:
    """Open the way beside that of a known signal; ``None`` where an endpoint of its own says nothing about others."""
    if config.protocol is OtlpProtocol.GRPC:
        return OtherRelay(config, "", connections)
    url, path = urlsplit(config.target.address), f"/v1/{config.signal}"
    if not url.path.endswith(path) or url.query:
        return None
    return OtherRelay(config, url._replace(path=url.path.removesuffix(path)).geturl(), connections)
