"""Requests of a bounded size."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.sinks.otlp.json import JsonEncoder
from otel_bridge.sinks.otlp.packing import Limits, Packer, Request
from otel_bridge.sinks.otlp.protobuf import ProtobufEncoder
from otel_bridge.telemetry import Batch, Resource, Signal, Span
from tests.sinks.samples import OTHER_RESOURCE, RESOURCE, SCOPE, batch, span, spans

Sent = list[tuple[Resource, Span]]


def packed(batches: Sequence[Batch], limits: Limits, encoder: type = ProtobufEncoder) -> list[Request]:
    packer = Packer(encoder(Signal.TRACES, SCOPE), limits)
    requests = [request for one in batches for request in packer.add(one)]
    return [*requests, *packer.flush(), *packer.flush()]


def contents(requests: Sequence[Request]) -> Sent:
    return [(group.resource, item) for request in requests for group in request.groups for item in group.items]  # type: ignore[misc]


_batches = st.lists(
    st.builds(
        lambda resource, count, size: batch([span(n, attributes={"text": "x" * size}) for n in range(count)], resource),
        st.sampled_from([RESOURCE, OTHER_RESOURCE]),
        st.integers(0, 300),
        st.integers(0, 40),
    ),
    max_size=5,
)


@given(
    _batches,
    st.integers(1, 400),
    st.integers(500, 20_000),
    st.booleans(),
    st.sampled_from([ProtobufEncoder, JsonEncoder]),
)
def test_nothing_is_lost_and_no_limit_exceeded(
    batches: list[Batch], max_items: int, max_bytes: int, apart: bool, encoder: type
) -> None:
    """All items come out in order under their resource, in requests within all limits."""
    requests = packed(batches, Limits(max_items, max_bytes, apart), encoder)
    assert contents(requests) == [(one.resource, item) for one in batches for item in one.items]
    for request in requests:
        assert 1 <= len(request) <= max_items
        body = encoder(Signal.TRACES, SCOPE).request(request.groups)
        assert len(body) <= max_bytes + len('{"resourceSpans":[]}') or len(request) == 1
        assert all(group.items for group in request.groups)
        assert not apart or len(request.groups) == 1


def test_requests_are_filled_up() -> None:
    """Batches share a request, and one resource's batches a group, until a limit is reached."""
    batches = [batch(spans(4)), batch(spans(4)), batch(spans(4), OTHER_RESOURCE), batch(spans(4))]
    requests = packed(batches, Limits(max_items=10))
    assert [[len(group.items) for group in request.groups] for request in requests] == [[8, 2], [2, 4]]


def test_an_item_beyond_the_limit_travels_alone() -> None:
    """What is larger than a request may be is left to the receiver to decide."""
    huge = span(2, attributes={"text": "x" * 5000})
    requests = packed([batch([span(1), huge, span(3)])], Limits(max_bytes=1000))
    assert [len(request) for request in requests] == [1, 1, 1]


def test_a_lowered_limit_holds_from_then_on() -> None:
    """The packer can be told of a receiver that takes less."""
    packer = Packer(ProtobufEncoder(Signal.TRACES, SCOPE), Limits())
    assert list(packer.add(batch(spans(100)))) == []
    packer.max_bytes = 1000
    requests = [*packer.add(batch(spans(100))), *packer.flush()]
    assert len(requests[0]) == 100
    assert max(map(len, requests[1:])) < 15


@pytest.mark.parametrize("count", [2, 3, 7, 256])
def test_halves_are_the_whole(count: int) -> None:
    """Cut anywhere, inside a group or between two, the halves hold all items in order under their resources."""
    first = count // 3
    [request] = packed([batch(spans(first)), batch(spans(count - first), OTHER_RESOURCE)], Limits())
    left, right = request.halves()
    assert (len(left), len(right)) == (count // 2, count - count // 2)
    assert contents([left, right]) == contents([request])
    assert left.encoded_bytes + right.encoded_bytes == request.encoded_bytes
