"""The protobuf wire format."""

from __future__ import annotations

from contextlib import suppress

import pytest
from google.protobuf.wrappers_pb2 import Int64Value, StringValue, UInt64Value
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_bridge.sinks.otlp.wire import Message, delimited, utf8, varint


@given(st.integers(0, 2**64 - 1))
@example(0)
@example(2**7)
@example(2**14 - 1)
@example(2**14)
@example(2**28)
@example(2**64 - 1)
def test_numbers_of_any_size_are_encoded(number: int) -> None:
    """A varint is what protobuf makes of the number, and is read back signed."""
    encoded = b"\x08" + varint(number)
    assert UInt64Value.FromString(encoded).value == number
    assert Message(encoded).number(1) == Int64Value.FromString(encoded).value


@given(st.text())
def test_texts_are_encoded(text: str) -> None:
    """A delimited field is what protobuf makes of the text."""
    encoded = delimited(b"\x0a", utf8(text))
    assert StringValue.FromString(encoded).value == text
    assert Message(encoded).payload(1) == text.encode()


def test_messages_are_read_without_their_schema() -> None:
    """Fields of every wire type are passed over or found; the last one counts, all can be had."""
    links = [Span.Link(trace_state=state) for state in "ab"]
    message = Message(
        Span(start_time_unix_nano=5, flags=7, kind=Span.SPAN_KIND_CLIENT, name="n", links=links).SerializeToString()
    )
    assert message.payload(5) == b"n"
    assert message.number(6) == 3
    assert [Span.Link.FromString(payload).trace_state for payload in message.payloads(13)] == ["a", "b"]
    assert Message(message.payload(13)).payload(3) == b"b"
    assert (message.number(5), message.number(99), message.payload(99)) == (0, 0, b"")


@pytest.mark.parametrize("data", [b"\x08", b"\x08\xff", b"\x0a\x05abc", b"\x0b", b"\x09abc", b"\x08" + b"\xff" * 11])
def test_what_is_no_message_is_a_value_error(data: bytes) -> None:
    """Broken bytes are told from messages."""
    with pytest.raises(ValueError, match=r"byte|message"):
        Message(data)


@given(st.binary())
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    """Nothing a receiver may answer raises anything else."""
    with suppress(ValueError):
        Message(data)
