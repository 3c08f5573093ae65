"""How many messages a request holds, counted before it is decoded (pure).

Decoders make an object of every message within a message. An empty one takes two bytes to send and up to 200 to
keep, so the length of a request says little about the memory it will take: this does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from otel_bridge.receiving.limits import MOST_DEPTH

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

Fields = dict[int, Any]
"""Key of a field on the wire → the fields of the message it holds."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_KEYS = bytes(byte for byte in range(256) if byte & 7 == _LENGTH)
"""First bytes of the keys of fields that have a length."""


def message_fields(descriptor: Descriptor, known: dict[str, Fields] | None = None) -> Fields:
    """Return the fields of a message that hold messages, and so on; what holds itself is the same object again."""
    known = {} if known is None else known
    if descriptor.full_name not in known:
        fields = known[descriptor.full_name] = {}
        for field in descriptor.fields:
            if field.message_type is not None:
                fields[field.number << 3 | _LENGTH] = message_fields(field.message_type, known)
    return known[descriptor.full_name]


def has_more_parts(data: bytes, fields: Fields, most: int, most_values: int) -> bool:
    """Tell whether there are more than so many messages within a message, or values in all of them.

    Only a body that may have so many by its bytes is counted, which is slow: every message begins with the key of a
    field that has a length, so there are no more messages than bytes that could be one.

    Raises:
        ValueError: it was counted, and is no message, or one that is nested too deeply.
    """
    if len(data) // 2 <= most or len(data) - len(data.translate(None, _KEYS)) <= most:
        return False
    return count_parts(data, fields, most, most_values) > most


def count_parts(data: bytes, fields: Fields, most: int, most_values: int = sys.maxsize) -> int:
    """Return how many messages there are within a message; no more than ``most + 1`` are counted.

    So many are returned too where there are more than ``most_values`` values in them, which takes as long to find out.

    Raises:
        ValueError: it is no message, or one that is nested too deeply.
    """
    count, values, position, end = 0, 0, 0, len(data)
    above: list[tuple[int, Fields]] = []
    try:
        while count <= most:
            while position >= end:
                if not above:
                    return count
                end, fields = above.pop()
            values += 1
            if values > most_values:
                return most + 1
            key, position = _varint(data, position)
            if key & 7 == _VARINT:
                _, position = _varint(data, position)
                continue
            length = _SIZES.get(key & 7)
            if key & 7 == _LENGTH:
                length, position = _varint(data, position)
            if length is None or position + length > end:
                raise ValueError(f"a field ends beyond its message at byte {position:,}")
            inner = fields.get(key)
            if inner is None:
                position += length
                continue
            count += 1
            if len(above) >= MOST_DEPTH:
                raise ValueError(f"messages are nested more than {MOST_DEPTH} levels deep")
            above.append((end, fields))
            end, fields = position + length, inner
    except IndexError:
        raise ValueError("it ends within a field") from None
    return count


def _varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    number, shift = byte & 0x7F, 7
    while shift < 70:
        position += 1
        byte = data[position]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position + 1
        shift += 7
    raise ValueError(f"no number ends at byte {position:,}")
