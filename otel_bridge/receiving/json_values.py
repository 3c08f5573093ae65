"""Single values of OTLP/JSON as protobuf writes them, without tag and length (pure).

Each function returns the wire type of a field and what encodes its values; that raises ValueError, naming the field,
for what is no such value.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from otel_bridge.receiving.json_fields import FIXED, SIGNED
from otel_bridge.sinks.otlp.wire import utf8, varint

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

Payload = Callable[[Any], bytes]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_U64 = (1 << 64) - 1
_LONGEST_DIGITS = 24
"""More than 64 bits have; longer strings take quadratic time to read."""


def text(name: str) -> tuple[int, Payload]:
    """Return an encoder of strings."""

    def encode(value: Any) -> bytes:
        if type(value) is not str:
            raise ValueError(f"{name} is no string")
        return utf8(value)

    return LENGTH, encode


def hex_bytes(name: str) -> tuple[int, Payload]:
    """Return an encoder of ids."""

    def encode(value: Any) -> bytes:
        try:
            return bytes.fromhex(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name} is no string of hex digits") from None

    return LENGTH, encode


def base64_bytes(name: str) -> tuple[int, Payload]:
    """Return an encoder of bytes, in the usual alphabet or that of URLs, padded or not."""

    def encode(value: Any) -> bytes:
        try:
            padded = value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)
            return base64.b64decode(padded, validate=True)
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"{name} is no base64") from None

    return LENGTH, encode


def boolean(name: str) -> tuple[int, Payload]:
    """Return an encoder of true and false."""

    def encode(value: Any) -> bytes:
        if type(value) is not bool:
            raise ValueError(f"{name} is neither true nor false")
        return b"\x01" if value else b"\x00"

    return VARINT, encode


def enum_number(name: str, numbers: dict[str, int]) -> tuple[int, Payload]:
    """Return an encoder of enum values; a number need not be known."""

    def encode(value: Any) -> bytes:
        number = numbers.get(value) if type(value) is str else value
        if type(number) is not int or not -(1 << 31) <= number < 1 << 31:
            raise ValueError(f"{name} has no such value")
        return varint(number & _U64)

    return VARINT, encode


def double(name: str) -> tuple[int, Payload]:
    """Return an encoder of floating point numbers: numbers, or strings such as ``NaN`` and ``-Infinity``."""
    pack = struct.Struct("<d").pack

    def encode(value: Any) -> bytes:
        try:
            if type(value) in (int, float, str):
                return pack(float(value))
        except (ValueError, OverflowError):
            pass
        raise ValueError(f"{name} is no number")

    return FIXED64, encode


def integer(field: FieldDescriptor) -> tuple[int, Payload]:
    """Return an encoder of integers, within the range of the field's type."""
    is_short = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32)
    is_signed = field.cpp_type in SIGNED
    whole = _whole(field.json_name, 32 if is_short else 64, is_signed=is_signed)
    if field.type in FIXED:
        letter = "i" if is_short else "q"
        pack = struct.Struct("<" + (letter if is_signed else letter.upper())).pack
        return FIXED32 if is_short else FIXED64, lambda value: pack(whole(value))
    if field.type in (field.TYPE_SINT32, field.TYPE_SINT64):
        return VARINT, lambda value: varint(_zigzag(whole(value)))
    return VARINT, lambda value: varint(whole(value) & _U64)


def _whole(name: str, bits: int, *, is_signed: bool) -> Callable[[Any], int]:
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)

    def read(value: Any) -> int:
        if type(value) is str and len(value) <= _LONGEST_DIGITS:
            value = _number(value)
        if type(value) is float and math.isfinite(value) and value.is_integer():
            value = int(value)
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError(f"{name} is no whole number between {lowest} and {highest}")
        return value

    return read


def _number(digits: str) -> int | float | None:
    try:
        return int(digits) if digits.removeprefix("-").isdecimal() else float(digits)
    except ValueError:
        return None


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
