"""Attributes in protobuf, as bytes that are made once per (key, value) because most pairs repeat (pure)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from otel_bridge.sinks.otlp.wire import delimited, utf8, varint
from otel_bridge.telemetry import Attributes, AttributeValue

MAX_CACHED = 4096
"""Pairs kept; a full cache starts anew, so that ids, which never repeat, cannot crowd out the rest for long."""
MAX_CACHED_BYTES = 256

_U64 = (1 << 64) - 1
_double = struct.Struct("<d").pack


class AttributeEncoder(dict[tuple[str, AttributeValue], bytes]):
    """Encodes attributes as repeated ``KeyValue`` fields with one tag.

    The dictionary itself is the cache, looked up without a Python call per attribute. It holds texts and tuples of
    texts only: ``1 == True == 1.0`` would find each other's bytes, and numbers rarely repeat.
    """

    def __init__(self, tag: bytes) -> None:
        super().__init__()
        self._tag = tag
        self._keys: dict[str, _Key] = {}

    def all(self, attributes: Attributes) -> bytes:
        """Encode all attributes, in their order. Tuples cost nothing extra, a list half as much as all the rest."""
        try:
            return b"".join(map(self.__getitem__, attributes.items()))
        except TypeError:  # a list cannot be looked up
            pairs = attributes.items()
            return b"".join([self[key, tuple(v) if isinstance(v, list) else v] for key, v in pairs])

    def __missing__(self, pair: tuple[str, AttributeValue]) -> bytes:
        name, value = pair
        key = self._keys.get(name) or self._new_key(name)
        if isinstance(value, str):
            return self._remember(pair, self._text(key, utf8(value)))
        if isinstance(value, bool):
            return key.true if value else key.false
        if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            number = varint(value & _U64)
            return key.ints[len(number)] + number
        if isinstance(value, float):
            return key.double + _double(value)
        encoded = self._field(key, any_value(value))
        is_texts = isinstance(value, tuple) and all(isinstance(element, str) for element in value)
        return self._remember(pair, encoded) if is_texts else encoded

    def _remember(self, pair: tuple[str, AttributeValue], encoded: bytes) -> bytes:
        if len(encoded) <= MAX_CACHED_BYTES:
            if len(self) >= MAX_CACHED:
                self.clear()
            self[pair] = encoded
        return encoded

    def _text(self, key: _Key, text: bytes) -> bytes:
        size = len(text)
        if size > 125:  # the two lengths no longer fit in a byte each
            return self._field(key, delimited(b"\x0a", text))
        body = b"%b\x12%c\x0a%c%b" % (key.field, size + 2, size, text)
        return self._tag + varint(len(body)) + body

    def _field(self, key: _Key, value: bytes) -> bytes:
        return delimited(self._tag, key.field + delimited(b"\x12", value))

    def _new_key(self, name: str) -> _Key:
        bare = _Key(delimited(b"\x0a", utf8(name)))
        key = bare._replace(
            true=self._field(bare, b"\x10\x01"),
            false=self._field(bare, b"\x10\x00"),
            double=self._field(bare, b"\x21" + bytes(8))[:-8],
            ints=tuple(self._field(bare, b"\x18" + bytes(length))[: -length or None] for length in range(11)),
        )
        if len(self._keys) >= MAX_CACHED:
            self._keys.clear()
        self._keys[name] = key
        return key


class _Key(NamedTuple):
    """What stands around the values of one key."""

    field: bytes
    true: bytes = b""
    false: bytes = b""
    double: bytes = b""
    """All but the eight bytes of the number."""
    ints: tuple[bytes, ...] = ()
    """All but the number, by the number's length."""


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
