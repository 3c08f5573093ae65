"""Whatever a request holds, JSON says it all, and no more of it is read than protobuf could say."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_bridge.receiving.json_bodies import JsonReader
from otel_bridge.receiving.json_lines import JsonWriter
from otel_bridge.receiving.parts import count_parts, message_fields
from otel_bridge.receiving.signals import WIRES
from otel_bridge.telemetry import Signal
from tests.otlp_server import REQUESTS, from_json

LOGS = WIRES[Signal.LOGS]
READER = JsonReader(LOGS.request.DESCRIPTOR)
FIELDS = message_fields(LOGS.request.DESCRIPTOR)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = st.one_of(
    st.builds(lambda value: AnyValue(string_value=value), TEXTS),
    st.builds(lambda value: AnyValue(int_value=value), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda value: AnyValue(double_value=value), st.floats(allow_nan=False)),
    st.builds(lambda value: AnyValue(bool_value=value), st.booleans()),
    st.builds(lambda value: AnyValue(bytes_value=value), st.binary(max_size=9)),
    st.just(AnyValue()),
)
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["key", "value", "stringValue", "intValue", "arrayValue", "values", "kvlistValue", "x"]),
            inner,
        ),
    ),
    max_leaves=12,
)


def list_of(values: list[AnyValue]) -> AnyValue:
    found = AnyValue()
    found.array_value.values.extend(values)
    return found


def map_of(pairs: list[tuple[str, AnyValue]]) -> AnyValue:
    found = AnyValue()
    for key, value in pairs:
        found.kvlist_value.values.add(key=key).value.CopyFrom(value)
    return found


VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(list_of), st.lists(st.tuples(TEXTS, inner), max_size=4).map(map_of)
    ),
    max_leaves=15,
)


def request_with(attributes: list[tuple[str, AnyValue]]) -> Any:
    found = REQUESTS["logs"]()
    record = found.resource_logs.add().scope_logs.add().log_records.add()
    for key, value in attributes:
        record.attributes.add(key=key).value.CopyFrom(value)
    return found


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, VALUES), max_size=6))
def test_every_value_survives_json(attributes: list[tuple[str, AnyValue]]) -> None:
    """To the byte, and as the official reader understands it; it holds as many messages as are counted."""
    message = request_with(attributes)
    line = JsonWriter().line(message)
    encoded = message.SerializeToString()
    assert READER.protobuf(line) == encoded
    assert from_json("logs", json.loads(line)) == message
    assert count_parts(encoded, FIELDS, 10**6) == 3 + sum(1 + parts_of(pair.value) for pair in record_of(message))


def record_of(message: Any) -> Any:
    return message.resource_logs[0].scope_logs[0].log_records[0].attributes


def parts_of(value: Any) -> int:
    """Return how many messages a value is, itself included."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return 2 + sum(map(parts_of, value.array_value.values))
    if kind == "kvlist_value":
        return 2 + sum(1 + parts_of(pair.value) for pair in value.kvlist_value.values)
    return 1


@settings(deadline=None)
@given(JSON_VALUES)
def test_any_json_is_read_or_a_value_error(document: Any) -> None:
    """Nothing else happens, and what is read is a request."""
    text = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": [document]}]}]}]})
    try:
        body = READER.protobuf(text.encode())
    except ValueError:
        return
    assert len(record_of(LOGS.decode(body))) == 1
