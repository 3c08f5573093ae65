"""Requests in protobuf made into OTLP/JSON, as the collector's file exporter writes it (pure)."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from otel_bridge.receiving.json_fields import HEX_FIELDS, Kind, kind_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

_Convert = Callable[[Any], Any]


class JsonWriter:
    """Writes requests of any signal. Any thread may ask it."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[str, _Convert]] = {}

    def line(self, message: Any) -> bytes:
        """Return a request as one line, without the newline. Fields the official messages do not know are left out."""
        return msgspec.json.encode(self._document(message))

    def _document(self, message: Any) -> dict[str, Any]:
        document = {}
        for field, value in message.ListFields():
            known = self._fields.get(field.full_name)
            if known is None:
                known = self._fields[field.full_name] = (field.json_name, self._converter(field))
            name, convert = known
            document[name] = convert(value)
        return document

    def _converter(self, field: FieldDescriptor) -> _Convert:
        kind = kind_of(field)
        convert = self._document if kind is Kind.MESSAGE else _CONVERTERS[kind]
        if kind is Kind.BYTES and field.name in HEX_FIELDS:
            convert = bytes.hex
        return (lambda values: [convert(value) for value in values]) if field.is_repeated else convert


def _number(value: float) -> float | str:
    """Spell what JSON has no number for as protobuf does."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _same(value: Any) -> Any:
    return value


_CONVERTERS: dict[Kind, _Convert] = {
    Kind.BYTES: lambda value: base64.b64encode(value).decode(),
    Kind.TEXT: _same,
    Kind.FLOAT: _number,
    Kind.BOOL: _same,
    Kind.ENUM: _same,
    Kind.WHOLE: _same,
    Kind.LONG: str,
}
