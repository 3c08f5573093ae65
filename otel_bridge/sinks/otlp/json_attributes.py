"""Attributes in OTLP/JSON, as bytes; texts are encoded once because most of them repeat (pure)."""

from __future__ import annotations

from math import isfinite, isnan

import msgspec

from otel_bridge.sinks.otlp.encoder import without_surrogates
from otel_bridge.telemetry import Attributes, AttributeValue

MAX_CACHED = 4096
MAX_CACHED_BYTES = 256

_encode = msgspec.json.Encoder().encode


class JsonAttributes(dict[tuple[str, AttributeValue], bytes]):
    """Encodes attributes as a JSON array of ``KeyValue`` objects.

    The dictionary itself is the cache. It holds texts and tuples of texts only: ``1 == True == 1.0`` would find each
    other's bytes, and numbers rarely repeat.
    """

    def all(self, attributes: Attributes) -> bytes:
        """Encode all attributes, in their order. Sequences are fastest as tuples."""
        try:
            return b"[%b]" % b",".join(map(self.__getitem__, attributes.items()))
        except TypeError:  # a list cannot be looked up
            pairs = attributes.items()
            return b"[%b]" % b",".join([self[key, tuple(v) if isinstance(v, list) else v] for key, v in pairs])

    def __missing__(self, pair: tuple[str, AttributeValue]) -> bytes:
        name, value = pair
        encoded = b'{"key":%b,"value":%b}' % (quoted(name), _any_value(value))
        elements = value if isinstance(value, tuple) else (value,)
        if len(encoded) <= MAX_CACHED_BYTES and all(isinstance(element, str) for element in elements):
            if len(self) >= MAX_CACHED:
                self.clear()
            self[pair] = encoded
        return encoded


def quoted(text: str) -> bytes:
    """Encode a JSON string."""
    try:
        return _encode(text)
    except UnicodeEncodeError:
        return _encode(without_surrogates(text))


def _any_value(value: AttributeValue) -> bytes:
    if isinstance(value, str):
        return b'{"stringValue":%b}' % quoted(value)
    if isinstance(value, bool):
        return b'{"boolValue":%b}' % (b"true" if value else b"false")
    if isinstance(value, float):
        return b'{"doubleValue":%b}' % _double(value)
    if isinstance(value, int):
        kind = b"intValue" if -(1 << 63) <= value < 1 << 63 else b"stringValue"
        return b'{"%b":"%d"}' % (kind, value)
    return b'{"arrayValue":{"values":[%b]}}' % b",".join(map(_any_value, value))


def _double(number: float) -> bytes:
    if isfinite(number):
        return _encode(number)
    if isnan(number):
        return b'"NaN"'
    return b'"Infinity"' if number > 0 else b'"-Infinity"'
