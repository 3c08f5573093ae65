"""Requests of a bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
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


class Plan(NamedTuple):
    """A batch to build: of which resource, how many spans, how large."""

    resource: Resource
    count: int
    text_bytes: int

    def batch(self) -> Batch:
        return batch([span(n, attributes={"text": "x" * self.text_bytes}) for n in range(self.count)], self.resource)


_counts = st.sampled_from([0, 1, 5, 150])
_plans = st.builds(Plan, st.sampled_from([RESOURCE, OTHER_RESOURCE]), _counts, st.integers(0, 40))
_limits = st.builds(Limits, st.integers(1, 200), st.integers(500, 20_000), st.booleans())


@settings(max_examples=60, deadline=None)
@given(st.lists(_plans, max_size=4), _limits, st.sampled_from([ProtobufEncoder, JsonEncoder]))
def test_nothing_is_lost_and_no_limit_exceeded(plans: list[Plan], limits: Limits, encoder: type) -> None:
    """All items come out in order under their resource, in requests within all limits."""
    batches = [plan.batch() for plan in plans]
    requests = packed(batches, limits, encoder)
    assert contents(requests) == [(one.resource, item) for one in batches for item in one.items]
    for request in requests:
        assert 1 <= len(request) <= limits.max_items
        body = encoder(Signal.TRACES, SCOPE).request(request.groups)
        assert len(body) <= limits.max_bytes + len('{"resourceSpans":[]}') or len(request) == 1
        assert all(group.items for group in request.groups)
        assert len(request.groups) == 1 or not limits.one_batch_per_request


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
