"""Attributes in protobuf, as bytes; what repeats from span to span, keys and most texts, is made once (pure)."""

from __future__ import annotations

import struct

from otel_bridge.sinks.otlp.cache import Cache
from otel_bridge.sinks.otlp.wire import delimited, utf8, varint
from otel_bridge.telemetry import Attributes, AttributeValue

_U64 = (1 << 64) - 1
_double = struct.Struct("<d").pack


class AttributeEncoder:
    """Encodes attributes as repeated ``KeyValue`` fields with one tag."""

    def __init__(self, tag: bytes) -> None:
        self._keys: Cache[str, _Key] = Cache(lambda name: _Key(tag, name))

    def all(self, attributes: Attributes) -> bytes:
        """Encode all attributes, in their order."""
        keys = self._keys
        parts = []
        for name, value in attributes.items():
            key = keys[name]
            if type(value) is str:
                parts.append(key.texts[value])
            elif type(value) is int and -(1 << 63) <= value < 1 << 63:
                number = varint(value & _U64)
                parts.append(key.ints[len(number)] + number)
            elif type(value) is float:
                parts.append(key.double + _double(value))
            elif type(value) is bool:
                parts.append(key.true if value else key.false)
            else:
                parts.append(key.other(value))
        return b"".join(parts)


class _Key:
    """One key: whole attributes by their texts, and what stands around values of other types."""

    __slots__ = ("_name", "_tag", "double", "false", "ints", "texts", "true")

    def __init__(self, tag: bytes, name: str) -> None:
        self._tag = tag
        self._name = delimited(b"\x0a", utf8(name))
        self.texts: Cache[str | tuple[str, ...], bytes] = Cache(self._text)
        self.true = self._attribute(b"\x10\x01")
        self.false = self._attribute(b"\x10\x00")
        # All but the number, which comes last; for integers by its length, which the other lengths depend on.
        self.double = self._attribute(b"\x21" + bytes(8))[:-8]
        self.ints = [self._attribute(b"\x18" + bytes(length))[: -length or None] for length in range(11)]

    def other(self, value: AttributeValue) -> bytes:
        """Encode what is neither a text nor a number of the usual kind."""
        if isinstance(value, list | tuple) and all(isinstance(element, str) for element in value):
            return self.texts[tuple(value)]
        return self._attribute(any_value(value))

    def _text(self, text: str | tuple[str, ...]) -> bytes:
        if not isinstance(text, str):
            return self._attribute(any_value(text))
        data = utf8(text)
        size = len(data)
        if size > 125:
            return self._attribute(delimited(b"\x0a", data))
        body = b"%b\x12%c\x0a%c%b" % (self._name, size + 2, size, data)  # the same, where a length takes one byte
        return self._tag + varint(len(body)) + body

    def _attribute(self, value: bytes) -> bytes:
        return delimited(self._tag, self._name + delimited(b"\x12", value))


def any_value(value: AttributeValue) -> bytes:
    """Encode the content of an ``AnyValue``. An integer of more than 64 bits goes as text, not as a wrong number."""
    if isinstance(value, str):
        return delimited(b"\x0a", utf8(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, float):
        return b"\x21" + _double(value)
    if isinstance(value, int):
        fits = -(1 << 63) <= value < 1 << 63
        return b"\x18" + varint(value & _U64) if fits else delimited(b"\x0a", str(value).encode())
    elements = [delimited(b"\x0a", any_value(element)) for element in value]
    return delimited(b"\x2a", b"".join(elements))
