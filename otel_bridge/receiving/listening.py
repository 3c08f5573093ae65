"""Where to listen, and whether that is safe enough (I/O: takes the ports)."""

from __future__ import annotations

import errno
import socket
import sys

from otel_bridge.errors import UsageError
from otel_bridge.serving.address import Address, read_address

GRPC, HTTP, TOKEN = "--grpc", "--http", "--token"
TOKEN_VARIABLE = "OTEL_BRIDGE_RECEIVE_TOKEN"  # noqa: S105 - the name of it
DEFAULTS = {GRPC: "127.0.0.1:4317", HTTP: "127.0.0.1:4318"}
"""The ports that OTLP has of old: clients that are told nothing send there."""
NOWHERE = "none"

_BACKLOG = 1024
"""Connections that wait to be accepted, as when a thousand sessions find the receiver back."""


def listening_address(option: str, text: str, *, is_guarded: bool) -> Address | None:
    """Return the address written as ``HOST:PORT``; ``None`` for ``none``.

    Raises:
        UsageError: it is no address, or others could send there and nothing (token, client certificates) guards it.
    """
    if text.lower() == NOWHERE:
        return None
    address = read_address(text, option, DEFAULTS[option])
    if not (address.is_loopback or is_guarded):
        raise UsageError(
            f"{option} {text}: anybody who reaches this machine could send telemetry there. Set a token"
            f" ({TOKEN_VARIABLE} or {TOKEN}), or take only clients with a certificate (--client-ca),"
            f" or listen on this machine alone, such as {option} {DEFAULTS[option]}"
        )
    return address


def take_port(option: str, address: Address) -> socket.socket:
    """Return a listening socket.

    Raises:
        UsageError: the port is in use, or nothing can listen there.
    """
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        taken = socket.socket(family, socket.SOCK_STREAM)
        try:
            if sys.platform != "win32":  # there it would let another program take the port
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((address.host, address.port))
            taken.listen(_BACKLOG)
            taken.settimeout(0)
        except BaseException:
            taken.close()
            raise
    except OSError as error:
        raise _cannot_listen(option, address, error) from None
    return taken


def _cannot_listen(option: str, address: Address, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"{option} {address}: port {address.port} is in use. Is a collector or another otel-bridge running?"
            f" Stop what listens there, or give another port, {option} {Address(address.host, 0)} for any,"
            f" or {option} {NOWHERE} for no such listener"
        )
    return UsageError(f"{option} {address}: nothing can listen there ({error.strerror or error}). Give another address")
