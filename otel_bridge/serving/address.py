"""Where to listen, as users write it, and who may ask there (pure)."""

from __future__ import annotations

import re
from ipaddress import ip_address

from msgspec import Struct

from otel_bridge.errors import UsageError

OPTION = "--listen"
"""What users say an address with, for sentences about it."""
DEFAULT = "127.0.0.1:9465"
"""9464 is where Claude Code shows metrics of its own."""

_WRITTEN = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+)):(?P<port>[0-9]{1,5})", re.ASCII)
_LOOPBACK_NAME = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)


class Address(Struct, frozen=True):
    """A host, without the brackets of IPv6, and a port; 0 is any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can reach it; a name counts as remote, whatever it may stand for."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, allow_remote: bool) -> Address:
    """Return the address written as ``HOST:PORT`` or ``[IPV6]:PORT``; ``localhost`` is 127.0.0.1.

    Raises:
        UsageError: it is none, or other machines could reach it and that is not allowed.
    """
    address = read_address(text, OPTION, DEFAULT)
    if not (address.is_loopback or allow_remote):
        raise UsageError(
            f"{OPTION} {text}: other machines could read there what your sessions cost. "
            f"Listen on this one alone, such as {OPTION} {DEFAULT}, or say --allow-remote"
        )
    return address


def read_address(text: str, option: str, example: str) -> Address:
    """Return the address that an option gives, whoever can reach it. UsageError, naming the option, if it is none."""
    found = _WRITTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65_535:
        raise UsageError(f"{option} {text}: no address to listen on. Give HOST:PORT, such as {option} {example}")
    host = found["v6"] or found["host"]
    return Address("127.0.0.1" if host.lower() == "localhost" else host, int(found["port"]))


def names_loopback(host: str) -> bool:
    """Say whether a ``Host`` header names this machine by a name that no foreign web page can point to it."""
    return _LOOPBACK_NAME.fullmatch(host.strip()) is not None
