"""OTLP/JSON is read as the specification says, and written so that it can be read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from otel_bridge.receiving.json_bodies import JsonReader
from otel_bridge.receiving.json_lines import JsonWriter
from otel_bridge.receiving.signals import WIRES
from otel_bridge.telemetry import Signal
from tests.otlp_server import from_json
from tests.receiving.samples import TRACES, request

READERS = {signal: JsonReader(wire.request.DESCRIPTOR) for signal, wire in WIRES.items()}


def read(signal: Signal, document: Any) -> Any:
    return WIRES[signal].decode(READERS[signal].protobuf(json.dumps(document).encode()))


def read_span(**fields: Any) -> Any:
    """Read a request with one span of these fields."""
    found = read(Signal.TRACES, {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]})
    return found.resource_spans[0].scope_spans[0].spans[0]


@pytest.mark.parametrize("signal", list(Signal))
def test_what_is_written_is_read_again(signal: Signal) -> None:
    """Every kind of field survives the way to JSON and back, to the byte."""
    message = request(signal)
    line = JsonWriter().line(message)
    assert READERS[signal].protobuf(line) == message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("signal", list(Signal))
def test_what_is_written_is_what_the_official_reader_takes(signal: Signal) -> None:
    """But for hex ids, OTLP/JSON is the JSON of protobuf."""
    message = request(signal)
    assert from_json(signal, json.loads(JsonWriter().line(message))) == message


@pytest.mark.parametrize("signal", [Signal.METRICS])
def test_the_json_of_protobuf_is_read(signal: Signal) -> None:
    """Enums by name, field names as in the schema: what other encoders write is taken too."""
    message = request(signal)
    assert read(signal, json_format.MessageToDict(message, preserving_proto_field_name=True)) == message


def test_numbers_of_64_bits_are_strings_or_numbers() -> None:
    """JavaScript writes strings, others numbers, some with an exponent."""
    times = [read_span(startTimeUnixNano=value).start_time_unix_nano for value in (7, "7", 7.0, "7e0")]
    assert times == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "\ud83d\ude00 ä"}, "😀 ä"),
        ({"string_value": "x"}, "x"),
        ({"intValue": "-12"}, -12),
        ({"intValue": -12}, -12),
        ({"intValue": "9223372036854775807"}, 2**63 - 1),
        ({"intValue": "1e3"}, 1000),
        ({"doubleValue": 1}, 1.0),
        ({"doubleValue": "Infinity"}, float("inf")),
        ({"doubleValue": -0.5}, -0.5),
        ({"boolValue": False}, False),
        ({"bytesValue": "-_8"}, b"\xfb\xff"),
        ({"stringValue": "x", "invented": 1}, "x"),
    ],
)
def test_attributes_of_all_kinds_are_read(value: Any, expected: Any) -> None:
    """In every spelling, beside unknown fields too."""
    for more in ({}, {"invented": 1}):
        (found,) = read_span(attributes=[{"key": "k", "value": value, **more}]).attributes
        assert (found.key, getattr(found.value, found.value.WhichOneof("value"))) == ("k", expected)


@pytest.mark.parametrize("attribute", [{}, {"key": "k"}, {"key": "k", "value": {}}, {"value": {"intValue": 7}}])
def test_attributes_may_lack_anything(attribute: Any) -> None:
    """What is missing is empty, as in protobuf."""
    (found,) = read_span(attributes=[attribute]).attributes
    assert (found.key, found.value.int_value) == (
        attribute.get("key", ""),
        7 if "key" not in attribute and attribute else 0,
    )


def test_enums_are_numbers_or_names() -> None:
    """A number need not be known: a newer client may know more."""
    assert [read_span(kind=value).kind for value in (3, "SPAN_KIND_CLIENT", 99)] == [3, 3, 99]


def test_unknown_fields_and_null_are_ignored() -> None:
    """The specification demands it of receivers."""
    span = read_span(name="n", status=None, invented={"deep": [1, {"x": None}]})
    assert (span.name, span.HasField("status")) == ("n", False)


def test_ids_are_hex_in_either_case() -> None:
    """And nothing else."""
    assert read_span(traceId="0A0b" * 8).trace_id == bytes.fromhex("0a0b" * 8)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("traceId", "xyz"),
        ("traceId", 7),
        ("name", 7),
        ("startTimeUnixNano", -1),
        ("startTimeUnixNano", 2**64),
        ("startTimeUnixNano", "9" * 5000),
        ("startTimeUnixNano", 0.5),
        ("startTimeUnixNano", True),
        ("kind", "SPAN_KIND_NONSENSE"),
        ("kind", 2**31),
        ("attributes", {}),
        ("attributes", [7]),
        ("attributes", [{"key": 7, "value": {"intValue": "1"}}]),
        ("attributes", [{"key": "k", "value": {"stringValue": 1}}]),
        ("attributes", [{"key": "k", "value": {"intValue": "x"}}]),
        ("attributes", [{"key": "k", "value": {"intValue": True}}]),
        ("attributes", [{"key": "k", "value": []}]),
        ("attributes", [{"value": {"bytesValue": "*"}}]),
        ("attributes", [{"value": {"doubleValue": "many"}}]),
        ("attributes", [{"value": {"boolValue": 1}}]),
    ],
)
def test_what_is_wrong_is_named(field: str, value: Any) -> None:
    """No value is guessed: a wrong one is a ValueError, never something else."""
    with pytest.raises(ValueError, match=r"\w+ (is no|has no|is neither)|no object|no base64"):
        read_span(**{field: value})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000, b'{"resourceSpans":[{' * 9])
def test_what_is_no_request_is_a_value_error(text: bytes) -> None:
    """Whatever it is; nesting without end is found out too."""
    with pytest.raises(ValueError, match=r"\w"):
        READERS[Signal.TRACES].protobuf(text)


def test_deep_values_are_a_value_error() -> None:
    """Where JSON would still be read, protobuf is not."""
    inner = '{"arrayValue":{"values":[' * 60
    text = '{"resourceSpans":[{"resource":{"attributes":[{"value":' + inner + "]}}" * 60 + "}]}}]}"
    with pytest.raises(ValueError, match=r"\w"):
        TRACES.decode(READERS[Signal.TRACES].protobuf(text.encode()))
