"""Records can be stored and are told apart, however often and in whatever order they come."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from otel_bridge.sources.native import records as native
from otel_bridge.sources.native.records import ApiRequest, NativeSpan, distinct, pack, record_key, unpack
from tests.captures import RUNS
from tests.native import native_records

ALL = [record for records in native_records("2.1.329/basic").values() for record in records]
REQUEST = ApiRequest("s", 1, sequence=4, model="m", cost_usd=Decimal("0.1"))


@pytest.mark.parametrize("run", RUNS)
def test_stored_record_is_the_same(run: str) -> None:
    """Every record of every recording comes out of its bytes as it went in."""
    for records in native_records(run).values():
        assert [unpack(pack(record)) for record in records] == records


@pytest.mark.parametrize("run", RUNS)
def test_no_two_records_are_taken_for_one(run: str) -> None:
    """In every recording each record has a key of its own."""
    for records in native_records(run).values():
        assert len({record_key(record) for record in records}) == len(records)


@settings(deadline=None)
@given(order=st.permutations(range(len(ALL))), repeats=st.lists(st.sampled_from(ALL), max_size=20))
def test_order_and_repeats_leave_no_trace(order: list[int], repeats: list[ApiRequest]) -> None:
    """The distinct records are the same list, however they arrived."""
    assert distinct([*repeats, *(ALL[place] for place in order)]) == distinct(ALL)


def test_stored_bytes_are_read_for_years() -> None:
    """Bytes written by the first version are read, and a record is known by the same key; new fields take defaults."""
    stored = bytes.fromhex(
        "dc001cab6170695f72657175657374a1730104c0c400c400c0c0c000a16da3302e31c000000000c0c0c0c0c0c0c0c0c0c0"
    )
    assert unpack(stored) == REQUEST
    assert pack(REQUEST) == stored
    span = NativeSpan("s", b"t" * 16, b"s" * 8, b"", "tool", 1, 2)
    assert [record_key(REQUEST).hex(), record_key(span).hex()] == [
        "bf264d73ebb9eb750862746c0eea3229",
        "a6a59dcf9885f7663e29e527419cfce4",
    ]
    shorter = msgspec.msgpack.decode(pack(span))[:-3]
    assert unpack(msgspec.msgpack.encode(shorter)) == span


def test_new_fields_change_no_key() -> None:
    """A field that an event has not said is no part of its key: structs may grow, ids of old calls stay."""
    grown = msgspec.defstruct(
        "Grown", [("new", int, 0)], bases=(ApiRequest,), tag="api_request", array_like=True, frozen=True, gc=False
    )
    facts = structs.asdict(REQUEST)
    with pytest.MonkeyPatch.context() as patch:
        fields = [(field.name, field.default) for field in structs.fields(grown)]
        patch.setitem(native._DEFAULTS, grown, fields)
        assert record_key(grown(**facts)) == record_key(REQUEST)
        assert record_key(grown(**facts, new=1)) != record_key(REQUEST)


def test_any_difference_makes_another_event() -> None:
    """Two processes that share a session may send the same sequence at the same time: what they say differs."""
    other = structs.replace(REQUEST, output_tokens=1)
    assert record_key(REQUEST) != record_key(other)


def test_span_is_known_by_its_ids() -> None:
    """A span that comes a second time with other contents is still one, and always the same one is kept."""
    first = NativeSpan("s", b"t" * 16, b"s" * 8, b"", "tool", 1, 2)
    second = structs.replace(first, end_ns=3)
    assert distinct([first, second]) == distinct([second, first])
    assert len(distinct([first, second])) == 1
