"""Signals that are not known here: recognised by the pattern that all OTLP addresses follow (pure)."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from otel_bridge.sinks.otlp.wire import delimited, utf8, varint

_PATH = re.compile(r"/(?P<version>v1[a-z0-9]{0,20})/(?P<signal>[a-z]{2,30})")
_METHOD = re.compile(
    r"/opentelemetry\.proto\.collector\.(?P<signal>[a-z]{2,30})\.(?P<version>v1[a-z0-9]{0,20})\."
    r"(?P<service>[A-Z][a-z]+)Service/Export"
)


class OtherWire(Struct, frozen=True):
    """How requests of such a signal look on the wire."""

    version: str
    signal: str

    def answer(self, rejected: int, reason: str, *, is_json: bool = False) -> bytes:
        """Encode the response to a request that was taken: in all signals it has the same fields."""
        if not (rejected or reason):
            return b"{}" if is_json else b""
        if is_json:
            counted = {f"rejected{self.signal.capitalize()}": str(rejected), "errorMessage": reason}
            return msgspec.json.encode({"partialSuccess": counted})
        return delimited(b"\x0a", b"\x08" + varint(rejected) + delimited(b"\x12", utf8(reason)))


def by_path(path: str) -> OtherWire | None:
    """Return the signal of a path; ``None`` for what is none of OTLP."""
    found = _PATH.fullmatch(path)
    return OtherWire(found["version"], found["signal"]) if found else None


def by_method(method: str) -> OtherWire | None:
    """Return the signal of a gRPC method; ``None`` for what is none of OTLP."""
    found = _METHOD.fullmatch(method)
    if found is None or found["service"].lower() != found["signal"]:
        return None
    return OtherWire(found["version"], found["signal"])
