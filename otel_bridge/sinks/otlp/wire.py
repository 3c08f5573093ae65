"""The protobuf wire format: just the parts OTLP needs, written for speed (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from otel_bridge.sinks.otlp.encoder import without_surrogates

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

_FINAL = [bytes((n,)) for n in range(1 << 7)] + [bytes((n & 0x7F | 0x80, n >> 7)) for n in range(1 << 7, 1 << 14)]
_CONTINUED = [bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(1 << 14)]
"""Fourteen bits of a number at a time: the highest ones, and those that others follow."""


def varint(number: int) -> bytes:
    """Encode a number from 0 to 2⁶⁴-1 in base 128, lowest group first."""
    return _FINAL[number] if number < 1 << 14 else _CONTINUED[number & 0x3FFF] + varint(number >> 14)


def delimited(tag: bytes, payload: bytes) -> bytes:
    """Encode a field that holds a string, bytes or a message; ``tag`` is its number times 8, plus 2."""
    return tag + varint(len(payload)) + payload


def utf8(text: str) -> bytes:
    """Encode text as UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return without_surrogates(text).encode()


class Message:
    """A message read without its schema, field by field. ValueError if the bytes are no message."""

    def __init__(self, data: bytes) -> None:
        self._fields = list(_fields(data))

    def number(self, field: int) -> int:
        """Return the last signed integer of a field; 0 if there is none."""
        found = [value for number, value in self._fields if number == field and isinstance(value, int)]
        number = found[-1] if found else 0
        return number - (1 << 64) if number >= 1 << 63 else number

    def payload(self, field: int) -> bytes:
        """Return the last string, bytes or message of a field; empty if there is none."""
        found = self.payloads(field)
        return found[-1] if found else b""

    def payloads(self, field: int) -> list[bytes]:
        """Return all strings, bytes or messages of a field."""
        return [value for number, value in self._fields if number == field and isinstance(value, bytes)]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, position = _read_varint(message, position)
            yield number, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(wire_type)
        if wire_type == _LENGTH:
            length, position = _read_varint(message, position)
        if length is None or position + length > len(message):
            raise ValueError(f"field {number} of wire type {wire_type} ends beyond the message")
        yield number, message[position : position + length]
        position += length


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError(f"no number ends at byte {position}")
