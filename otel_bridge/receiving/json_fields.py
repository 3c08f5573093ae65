"""What the fields of OTLP messages are in JSON (pure)."""

from __future__ import annotations

from enum import Enum, auto

from google.protobuf.descriptor import FieldDescriptor

HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
"""Fields of bytes that OTLP/JSON writes in hex; all others are base64, as in protobuf's own JSON."""
SIGNED = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
FIXED = (
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SFIXED64,
)


class Kind(Enum):
    """How a field is spelled."""

    MESSAGE = auto()
    BYTES = auto()
    TEXT = auto()
    FLOAT = auto()
    BOOL = auto()
    ENUM = auto()
    WHOLE = auto()
    """An integer of at most 32 bits, a number in JSON."""
    LONG = auto()
    """An integer of 64 bits, a string in JSON."""


_KINDS = {
    FieldDescriptor.CPPTYPE_MESSAGE: Kind.MESSAGE,
    FieldDescriptor.CPPTYPE_DOUBLE: Kind.FLOAT,
    FieldDescriptor.CPPTYPE_BOOL: Kind.BOOL,
    FieldDescriptor.CPPTYPE_ENUM: Kind.ENUM,
    FieldDescriptor.CPPTYPE_INT32: Kind.WHOLE,
    FieldDescriptor.CPPTYPE_UINT32: Kind.WHOLE,
    FieldDescriptor.CPPTYPE_INT64: Kind.LONG,
    FieldDescriptor.CPPTYPE_UINT64: Kind.LONG,
}


def kind_of(field: FieldDescriptor) -> Kind:
    """Return the kind of a field; of a repeated one, that of its elements. OTLP has no 32-bit floats."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return Kind.BYTES if field.type == FieldDescriptor.TYPE_BYTES else Kind.TEXT
    return _KINDS[field.cpp_type]
