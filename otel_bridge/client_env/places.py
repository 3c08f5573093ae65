"""Where a client runs and what it sends to: all that its variables depend on (pure)."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from otel_bridge.errors import UsageError


class Place(StrEnum):
    """Where the client runs."""

    LAPTOP = "laptop"
    CI = "ci"
    POD = "pod"

    @property
    def is_short_lived(self) -> bool:
        """True where the client is gone before a slow receiver has answered."""
        return self is not Place.LAPTOP


class Protocol(StrEnum):
    """How the client encodes and carries OTLP."""

    GRPC = "grpc"
    HTTP_PROTOBUF = "http/protobuf"
    HTTP_JSON = "http/json"

    @property
    def port(self) -> int:
        """Return the port that receivers listen on for it, unless told otherwise."""
        return 4317 if self is Protocol.GRPC else 4318


class Destination(Struct, frozen=True):
    """What the client sends to."""

    endpoint: str
    protocol: Protocol

    @property
    def is_loopback(self) -> bool:
        """True if it is on the client's own machine or in its own pod."""
        return is_loopback(urlsplit(self.endpoint).hostname or "")


def destination(endpoint: str | None, protocol: str | None) -> Destination:
    """Choose what is left open: the bridge on this machine, and the protocol by the port.

    Raises:
        UsageError: the endpoint is none the client can use; the sentence says why.
    """
    if endpoint is None:
        chosen = Protocol(protocol) if protocol else Protocol.HTTP_PROTOBUF
        return Destination(f"http://127.0.0.1:{chosen.port}", chosen)
    wrong = endpoint_fault(endpoint)
    if wrong:
        raise UsageError(f"--endpoint is {endpoint!r}: {wrong}")
    by_port = Protocol.GRPC if urlsplit(endpoint).port == Protocol.GRPC.port else Protocol.HTTP_PROTOBUF
    return Destination(endpoint.rstrip("/"), Protocol(protocol) if protocol else by_port)


def endpoint_fault(endpoint: str) -> str:
    """Return what keeps the client from using a base endpoint; empty if nothing does."""
    example = "give a URL, such as http://127.0.0.1:4318"
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError as error:
        return f"{error}; {example}"
    if any(character.isspace() for character in endpoint):
        return f"it has white space in it; {example}"
    if url.scheme not in ("http", "https"):
        return f"it has no scheme http:// or https://; {example}"
    if not url.hostname or port == 0:
        return f"it names no host; {example}"
    if url.path.rstrip("/").endswith(("/v1/traces", "/v1/logs", "/v1/metrics")):
        return "the client appends the path of each signal itself: give it without /v1/…"
    return ""


def port_fault(endpoint: str, protocol: str) -> str:
    """Return why a port is unlikely to speak a protocol; empty if it may."""
    try:
        port = urlsplit(endpoint).port
    except ValueError:
        return ""
    if protocol == Protocol.GRPC and port == Protocol.HTTP_PROTOBUF.port:
        return "4318 is the port of OTLP over HTTP, and grpc is spoken on 4317"
    if protocol != Protocol.GRPC and port == Protocol.GRPC.port:
        return f"4317 is the port of OTLP over gRPC, and {protocol} is spoken on 4318"
    return ""


def is_loopback(host: str) -> bool:
    """Return whether a host is the machine that asks."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
