"""The way to a receiver before anything is said to it: name, connection, TLS (I/O: connects)."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import closing
from urllib.parse import urlsplit

from msgspec import Struct

from otel_bridge.sinks.otlp.config import OtlpConfig, OtlpProtocol

_TIMEOUT_S = 5.0


class Door(Struct, frozen=True):
    """Where a connection goes to: the receiver, or the proxy before it."""

    host: str
    port: int
    is_tls: bool
    is_proxy: bool = False
    certificate: str = ""
    client_certificate: str = ""
    client_key: str = ""

    def __str__(self) -> str:
        """Return it as a person is told."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'the proxy ' if self.is_proxy else ''}{host}:{self.port}"


class Way(Struct, frozen=True):
    """How far a connection got."""

    passed: tuple[str, ...]
    stopped_at: str = ""
    """The hop that failed, and how; empty if none did."""
    doubt: str = ""
    """What may yet stop it: whoever sends decides."""
    advice: str = ""


def door_of(config: OtlpConfig) -> Door | None:
    """Return what a configuration connects to; ``None`` where that has no name, as a Unix socket."""
    if config.proxy:
        proxy = urlsplit(config.proxy)
        return Door(proxy.hostname or "", proxy.port or 80, is_tls=False, is_proxy=True) if proxy.hostname else None
    if not config.target.host:
        return None
    try:
        port = _port(config)
    except ValueError:  # a target as only gRPC knows them
        return None
    return Door(
        config.target.host,
        port,
        is_tls=config.target.is_tls,
        certificate=config.certificate,
        client_certificate=config.client_certificate,
        client_key=config.client_key,
    )


def _port(config: OtlpConfig) -> int:
    """Return the port that is connected to, or the one usual for it. ValueError if it is no number."""
    if config.protocol is OtlpProtocol.GRPC:
        return urlsplit(f"//{config.target.address.rpartition('/')[2]}").port or 443
    return urlsplit(config.target.address).port or (443 if config.target.is_tls else 80)


def walk(door: Door) -> Way:
    """Resolve the name, connect, and shake hands where TLS is spoken; say where that stops."""
    passed: list[str] = []
    try:
        found = socket.getaddrinfo(door.host, door.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        return Way(
            (), f"name resolution: {reason}", advice=f"is {door.host} the right name, and known on this machine?"
        )
    addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
    if addresses != [door.host]:
        passed.append(f"resolves to {', '.join(addresses)}")
    began = time.monotonic()
    try:
        connection = socket.create_connection((door.host, door.port), timeout=_TIMEOUT_S)
    except OSError as error:
        reason = error.strerror or error
        return Way(tuple(passed), f"TCP: {reason}", advice="start the receiver, or check host, port and firewalls")
    with closing(connection):
        passed.append(f"TCP answers in {(time.monotonic() - began) * 1000:.0f} ms")
        return _shaken(door, connection, passed) if door.is_tls else Way(tuple(passed))


def _shaken(door: Door, connection: socket.socket, passed: list[str]) -> Way:
    """Shake hands. Libraries have authorities of their own: only of those that were named we can say who is trusted."""
    try:
        context = _context(door)
    except OSError as error:  # includes ssl.SSLError
        advice = "check OTEL_EXPORTER_OTLP_CERTIFICATE, …_CLIENT_CERTIFICATE and …_CLIENT_KEY"
        return Way(tuple(passed), f"TLS: our certificates cannot be read: {error.strerror or error}", advice=advice)
    try:
        with context.wrap_socket(connection, server_hostname=door.host) as secured:
            expires = (secured.getpeercert() or {}).get("notAfter", "")
            return Way((*passed, f"{secured.version()}, certificate until {expires}"))
    except ssl.SSLCertVerificationError as error:
        fault, advice = f"TLS: {error.verify_message}", "check OTEL_EXPORTER_OTLP_CERTIFICATE"
        return Way(tuple(passed), *((fault, "") if door.certificate else ("", fault)), advice)
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        advice = "does it speak TLS there? Else the endpoint begins with http://"
        return Way(tuple(passed), f"TLS: {reason}", advice=advice)


def _context(door: Door) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=door.certificate or None)
    if door.client_certificate:
        context.load_cert_chain(door.client_certificate, door.client_key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context
