"""Both encoders against the official OTLP messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings

from otel_bridge.sinks.otlp import cache
from otel_bridge.sinks.otlp.encoder import Encoder, Group
from otel_bridge.sinks.otlp.json import JsonEncoder
from otel_bridge.sinks.otlp.protobuf import ProtobufEncoder
from otel_bridge.telemetry import Batch, DataPoint, Instrument, Metric, Resource, Scope, Signal, Span
from tests.otlp_server import REQUESTS, from_json
from tests.sinks.otlp.official import official_request
from tests.sinks.otlp.strategies import log_batches, metric_batches, trace_batches
from tests.sinks.samples import SCOPE, batch, record, span

MakeEncoder = Callable[[Signal, Scope], Encoder]
ENCODERS: tuple[MakeEncoder, ...] = (ProtobufEncoder, JsonEncoder)
property_settings = settings(max_examples=60, deadline=None)
both_encoders = pytest.mark.parametrize("make_encoder", ENCODERS)


def decoded(make_encoder: MakeEncoder, batches: Sequence[Batch], signal: Signal, scope: Scope = SCOPE) -> Any:
    encoder = make_encoder(signal, scope)
    groups = [Group(b.resource, encoder.head(b.resource), list(b.items), encoder.items(b.items)) for b in batches]
    data = encoder.request(groups)
    assert len(data) <= sum(
        len(group.head) + encoder.frame_bytes + sum(len(item) + 1 for item in group.encoded) for group in groups
    ) + len('{"resourceMetrics":[]}')
    if make_encoder is JsonEncoder:
        assert b"\n" not in data
        return from_json(signal, json.loads(data))
    return REQUESTS[signal].FromString(data)


def attributes_of(make_encoder: MakeEncoder, one: Span) -> dict[str, Any]:
    request = decoded(make_encoder, [batch([one])], Signal.TRACES)
    [sent] = request.resource_spans[0].scope_spans[0].spans
    return {pair["key"]: pair["value"] for pair in json_format.MessageToDict(sent)["attributes"]}


@both_encoders
@property_settings
@given(trace_batches)
def test_spans_are_what_the_official_messages_are(make_encoder: MakeEncoder, batches: list[Batch]) -> None:
    """Any spans, links, statuses and resources decode to the message built with the official classes."""
    official = official_request(batches, SCOPE, Signal.TRACES)
    ours = decoded(make_encoder, batches, Signal.TRACES)
    assert json_format.MessageToDict(ours) == json_format.MessageToDict(official)


@both_encoders
@property_settings
@given(log_batches)
def test_log_records_are_what_the_official_messages_are(make_encoder: MakeEncoder, batches: list[Batch]) -> None:
    """Any log records decode to the message built with the official classes."""
    official = official_request(batches, SCOPE, Signal.LOGS)
    ours = decoded(make_encoder, batches, Signal.LOGS)
    assert json_format.MessageToDict(ours) == json_format.MessageToDict(official)


@both_encoders
@property_settings
@given(metric_batches)
def test_data_points_are_what_the_official_messages_are(make_encoder: MakeEncoder, batches: list[Batch]) -> None:
    """Any counters, gauges and exponential histograms decode to the message built with the official classes."""
    official = official_request(batches, SCOPE, Signal.METRICS)
    ours = decoded(make_encoder, batches, Signal.METRICS)
    assert _without_empty_buckets(ours) == _without_empty_buckets(official)


def _without_empty_buckets(request: Any) -> Any:
    """JSON spells out that a histogram has no buckets; protobuf leaves it out."""
    for entry in request.resource_metrics:
        for metric in entry.scope_metrics[0].metrics:
            for point in metric.exponential_histogram.data_points:
                if not point.positive.bucket_counts:
                    point.ClearField("positive")
    return json_format.MessageToDict(request)


@property_settings
@given(trace_batches)
def test_protobuf_is_equal_bit_by_bit(batches: list[Batch]) -> None:
    """Floats keep their bits, signed zeros and empty texts are there: the messages serialise to the same bytes."""
    ours = decoded(ProtobufEncoder, batches, Signal.TRACES)
    official = official_request(batches, SCOPE, Signal.TRACES)
    assert ours.SerializeToString(deterministic=True) == official.SerializeToString(deterministic=True)


@both_encoders
def test_equal_values_of_different_types_stay_apart(make_encoder: MakeEncoder) -> None:
    """1, true and 1.0 are equal in Python; under one key, one after the other, each keeps its type."""
    values = (1, True, 1.0, 0, False, 0.0, -0.0, 1, True)
    official = official_request([batch([span(attributes={"k": v}) for v in values])], SCOPE, Signal.TRACES)
    ours = decoded(make_encoder, [batch([span(attributes={"k": v}) for v in values])], Signal.TRACES)
    assert ours.SerializeToString() == official.SerializeToString()


@both_encoders
def test_full_caches_start_anew(make_encoder: MakeEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many different keys and texts pass, the result is right and the memory bounded."""
    monkeypatch.setattr(cache, "MAX_ENTRIES", 3)
    many = [span(n, attributes={f"key {n % 10}": f"text {n}", "same": "same"}) for n in range(50)]
    official = official_request([batch(many)], SCOPE, Signal.TRACES)
    assert decoded(make_encoder, [batch(many)], Signal.TRACES).SerializeToString() == official.SerializeToString()


@both_encoders
@pytest.mark.parametrize(("text", "sent"), [("a\ud800b", "a�b"), ("\ud83d\ude00", "😀"), ("\udc00\ud800", "��")])
def test_surrogates_are_joined_or_replaced(make_encoder: MakeEncoder, text: str, sent: str) -> None:
    """Text that UTF-8 cannot hold is sent readable, wherever it stands, and stops nothing."""
    one = span(name=text, status_message=text, attributes={text: text, "error.type": text, "list": [text]})
    [ours] = decoded(make_encoder, [batch([one])], Signal.TRACES).resource_spans[0].scope_spans[0].spans
    assert (ours.name, ours.status.message) == (sent, sent)
    assert [pair.key for pair in ours.attributes] == [sent, "error.type", "list"]
    assert ours.attributes[0].value.string_value == ours.attributes[1].value.string_value == sent
    assert ours.attributes[2].value.array_value.values[0].string_value == sent


@both_encoders
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40])
def test_integers_beyond_64_bits_are_text(make_encoder: MakeEncoder, number: int) -> None:
    """A number OTLP cannot hold is sent in digits rather than as another number."""
    one = span(attributes={"k": number})
    assert attributes_of(make_encoder, one) == {"k": {"stringValue": str(number)}}


@both_encoders
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40])
def test_sums_beyond_64_bits_are_floating_point(make_encoder: MakeEncoder, number: int) -> None:
    """What hostile telemetry adds up to stops nobody else's numbers from being sent."""
    point = DataPoint(Metric("tokens", "{token}", Instrument.COUNTER), {}, 1, 2, number)
    message = decoded(make_encoder, [Batch(Signal.METRICS, Resource(()), [point])], Signal.METRICS)
    [sent] = message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    assert sent.as_double == float(number)


@both_encoders
def test_times_out_of_range_are_the_nearest_possible(make_encoder: MakeEncoder) -> None:
    """A clock that was wrong by decades stops nothing."""
    [ours] = (
        decoded(make_encoder, [batch([span(start_ns=-5, end_ns=2**70)])], Signal.TRACES)
        .resource_spans[0]
        .scope_spans[0]
        .spans
    )
    assert (ours.start_time_unix_nano, ours.end_time_unix_nano) == (0, 2**64 - 1)


@both_encoders
def test_enums_are_their_values(make_encoder: MakeEncoder) -> None:
    """A member of a string enum is sent as the text it stands for."""

    class Colour(StrEnum):
        RED = "red"

    assert attributes_of(make_encoder, span(attributes={"k": Colour.RED})) == {"k": {"stringValue": "red"}}


@both_encoders
def test_no_schema_is_no_field(make_encoder: MakeEncoder) -> None:
    """Without schema URLs the request has none, rather than empty ones."""
    scope = Scope("s", "1")
    one = batch([record()])
    one = Batch(one.signal, type(one.resource)(one.resource.attributes), one.items)
    assert decoded(make_encoder, [one], Signal.LOGS, scope) == official_request([one], scope, Signal.LOGS)


def test_json_has_the_specified_form() -> None:
    """Hex ids, integers as text, enums as numbers, names in camelCase, special floats as words."""
    one = span(
        0xABC,
        parent_id=b"\x01" * 8,
        attributes={"i": 5, "d": 0.5, "nan": float("nan"), "inf": float("-inf"), "b": True, "l": ("x",)},
    )
    encoder = JsonEncoder(Signal.TRACES, SCOPE)
    [document] = map(json.loads, encoder.items([one]))
    assert document == {
        "traceId": "0000000000000000000000000000001c",
        "spanId": "0000000000000abc",
        "parentSpanId": "0101010101010101",
        "name": "chat claude",
        "kind": 3,
        "startTimeUnixNano": "1763000000000002748",
        "endTimeUnixNano": "1763000000001002748",
        "attributes": [
            {"key": "i", "value": {"intValue": "5"}},
            {"key": "d", "value": {"doubleValue": 0.5}},
            {"key": "nan", "value": {"doubleValue": "NaN"}},
            {"key": "inf", "value": {"doubleValue": "-Infinity"}},
            {"key": "b", "value": {"boolValue": True}},
            {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "x"}]}}},
        ],
    }
