"""Attributes of OTLP/JSON in protobuf, by a short way for the usual ones: they are nine tenths of a request (pure)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from otel_bridge.receiving.json_values import Payload
from otel_bridge.sinks.otlp.cache import Cache
from otel_bridge.sinks.otlp.wire import varint

_U64 = (1 << 64) - 1
_LONGEST_DIGITS = 18
"""All integers of so many digits fit into 64 bits."""

_double = struct.Struct("<Bd").pack


def attribute_payload(usual: Payload) -> Payload:
    """Return an encoder of ``KeyValue``: what it does not know, and what is wrong, it leaves to the usual one."""
    keys: Cache[str, bytes] = Cache(_text)

    def encode(document: Any) -> bytes:
        try:
            if len(document) != 2:
                return usual(document)
            ((kind, content),) = document["value"].items()
            value = _VALUES[kind](content)
            return keys[document["key"]] + b"\x12" + varint(len(value)) + value
        except (AttributeError, KeyError, TypeError, ValueError):
            return usual(document)

    return encode


def _text(value: str) -> bytes:
    """Encode the text of a value, or a key: both are the first field of their message."""
    data = value.encode()
    return b"\x0a" + varint(len(data)) + data


def _bool(value: Any) -> bytes:
    if type(value) is not bool:
        raise TypeError
    return b"\x10\x01" if value else b"\x10\x00"


def _int(value: Any) -> bytes:
    if type(value) is not str or len(value) > _LONGEST_DIGITS or not value.removeprefix("-").isdecimal():
        raise TypeError
    return b"\x18" + varint(int(value) & _U64)


def _float(value: Any) -> bytes:
    if type(value) is not float:
        raise TypeError
    return _double(0x21, value)


_VALUES: dict[str, Callable[[Any], bytes]] = {
    "stringValue": _text,
    "boolValue": _bool,
    "intValue": _int,
    "doubleValue": _float,
}
"""The content of an ``AnyValue``, by its field in JSON."""
