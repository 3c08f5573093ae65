"""Attributes in OTLP/JSON, as bytes; what repeats from span to span, keys and most texts, is made once (pure)."""

from __future__ import annotations

from math import isfinite, isnan

import msgspec

from otel_bridge.sinks.otlp.cache import Cache
from otel_bridge.sinks.otlp.encoder import without_surrogates
from otel_bridge.telemetry import Attributes, AttributeValue

_encode = msgspec.json.Encoder().encode


class JsonAttributes:
    """Encodes attributes as a JSON array of ``KeyValue`` objects."""

    def __init__(self) -> None:
        self._keys = Cache(_Key)

    def all(self, attributes: Attributes) -> bytes:
        """Encode all attributes, in their order."""
        keys = self._keys
        parts = []
        for name, value in attributes.items():
            key = keys[name]
            if type(value) is str:
                parts.append(key.texts[value])
            elif type(value) is int and -(1 << 63) <= value < 1 << 63:
                parts.append(b'%b{"intValue":"%d"}}' % (key.start, value))
            else:
                parts.append(key.other(value))
        return b"[%b]" % b",".join(parts)


class _Key:
    """One key: the start of its attributes, and whole attributes by their texts."""

    __slots__ = ("start", "texts")

    def __init__(self, name: str) -> None:
        self.start = b'{"key":%b,"value":' % quoted(name)
        self.texts: Cache[str | tuple[str, ...], bytes] = Cache(self._attribute)

    def other(self, value: AttributeValue) -> bytes:
        """Encode what is neither a text nor an integer of the usual kind."""
        if isinstance(value, list | tuple) and all(isinstance(element, str) for element in value):
            return self.texts[tuple(value)]
        return self._attribute(value)

    def _attribute(self, value: AttributeValue) -> bytes:
        return b"%b%b}" % (self.start, _any_value(value))


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
