"""Certificates of a receiver, and which ones it asks of its clients (I/O: reads files)."""

from __future__ import annotations

import ssl
from pathlib import Path

from msgspec import Struct

from otel_bridge.errors import UsageError

CERTIFICATE, KEY, CLIENT_CA = "--tls-cert", "--tls-key", "--client-ca"
"""What users name the files with, for sentences about them."""


class Tls(Struct, frozen=True):
    """Contents of PEM files."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None
    """Clients must show a certificate that one of these has signed."""
    files: tuple[str, str, str | None] = ("", "", None)
    """The same as paths: one of both libraries wants them so."""


def read_tls(certificate: str | None, key: str | None, client_ca: str | None) -> Tls | None:
    """Read the files of a receiver's TLS; ``None`` where none is named.

    Raises:
        UsageError: one is missing, cannot be read, or does not fit the others.
    """
    if not (certificate or key or client_ca):
        return None
    if not (certificate and key):
        given = next(
            option for option, path in ((CERTIFICATE, certificate), (KEY, key), (CLIENT_CA, client_ca)) if path
        )
        raise UsageError(f"{given} was given, but not both of {CERTIFICATE} and {KEY}: TLS needs both")
    contents = _read(CERTIFICATE, certificate), _read(KEY, key), _read(CLIENT_CA, client_ca) if client_ca else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:  # includes ssl.SSLError
        raise UsageError(
            f"{CERTIFICATE} {certificate} and {KEY} {key} are no certificate and its key: {error}"
        ) from None
    try:
        if client_ca:
            context.load_verify_locations(client_ca)
    except OSError as error:
        raise UsageError(f"{CLIENT_CA} {client_ca} has no certificates: {error}") from None
    return Tls(*contents, (certificate, key, client_ca))


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be read: {error.strerror}") from None
