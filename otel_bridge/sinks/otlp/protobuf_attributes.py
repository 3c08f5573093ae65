"""Attributes in protobuf, as bytes; what repeats from span to span, keys and most texts, is made once (pure)."""

from __future__ import annotations

import struct

from otel_bridge.sinks.otlp.wire import delimited, utf8, varint
from otel_bridge.telemetry import Attributes, AttributeValue

MAX_KEYS = 1024
MAX_TEXTS = 256
"""Of one key. A full cache starts anew, so that ids, which never repeat, take little room."""
MAX_CACHED_BYTES = 256

_U64 = (1 << 64) - 1
_double = struct.Struct("<d").pack


class AttributeEncoder(dict[str, "_Key"]):
    """Encodes attributes as repeated ``KeyValue`` fields with one tag. The dictionary holds the keys seen."""

    def __init__(self, tag: bytes) -> None:
        super().__init__()
        self._tag = tag

    def all(self, attributes: Attributes) -> bytes:
        """Encode all attributes, in their order."""
        parts = []
        for name, value in attributes.items():
            key = self[name]
            if type(value) is str:
                parts.append(key[value])
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

    def __missing__(self, name: str) -> _Key:
        if len(self) >= MAX_KEYS:
            self.clear()
        self[name] = key = _Key(self._tag, name)
        return key


class _Key(dict[str | tuple[str, ...], bytes]):
    """One key: whole attributes by their text or texts, and what stands around the other values."""

    __slots__ = ("_name", "_tag", "double", "false", "ints", "true")

    def __init__(self, tag: bytes, name: str) -> None:
        super().__init__()
        self._tag = tag
        self._name = delimited(b"\x0a", utf8(name))
        self.true = self._attribute(b"\x10\x01")
        self.false = self._attribute(b"\x10\x00")
        # All but the number, which comes last; for integers by its length, since that decides about the others.
        self.double = self._attribute(b"\x21" + bytes(8))[:-8]
        self.ints = [self._attribute(b"\x18" + bytes(length))[: -length or None] for length in range(11)]

    def __missing__(self, value: str | tuple[str, ...]) -> bytes:
        attribute = self._text(utf8(value)) if isinstance(value, str) else self._attribute(any_value(value))
        if len(attribute) <= MAX_CACHED_BYTES:
            if len(self) >= MAX_TEXTS:
                self.clear()
            self[value] = attribute
        return attribute

    def other(self, value: AttributeValue) -> bytes:
        """Encode what is neither a text nor a number of the usual kind."""
        if isinstance(value, list | tuple) and all(isinstance(element, str) for element in value):
            return self[tuple(value)]
        return self._attribute(any_value(value))

    def _text(self, text: bytes) -> bytes:
        size = len(text)
        if size > 125:
            return self._attribute(delimited(b"\x0a", text))
        body = b"%b\x12%c\x0a%c%b" % (self._name, size + 2, size, text)  # the same, where a length takes one byte
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
