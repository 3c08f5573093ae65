"""Request headers as the environment and callers give them (pure). Values may be secrets: no sentence shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.variables import Setting

_NAME = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[ -~]*")


def decoded_headers(setting: Setting | None) -> dict[str, str]:
    """Read ``name=value,name=value`` with percent-encoded values, as in W3C baggage. UsageError if it is not that."""
    headers: dict[str, str] = {}
    if setting is None:
        return headers
    for position, entry in enumerate(setting.value.split(","), start=1):
        name, equals, value = entry.partition("=")
        if equals:
            headers |= checked_headers({unquote(name.strip()): unquote(value.strip())}, setting.name)
        elif entry.strip():
            raise UsageError(f"{setting.name}: entry {position} has no '='; allowed: name=value,name=value")
    return headers


def checked_headers(headers: Mapping[str, str], origin: str) -> dict[str, str]:
    """Return the headers with names in lower case. UsageError, naming ``origin``, if one could not be sent."""
    checked = {name.lower(): value for name, value in headers.items()}
    for name, value in checked.items():
        if not _NAME.fullmatch(name):
            raise UsageError(f"{origin}: {name!r} is no header name; allowed: letters, digits and - _ .")
        if not _VALUE.fullmatch(value):
            raise UsageError(f"{origin}: the value of {name!r} cannot be sent; allowed: printable ASCII characters")
    return checked
