"""Messages within messages are counted before anything is made of them."""

from __future__ import annotations

import pytest

from otel_bridge.receiving.parts import count_parts, has_more_parts, message_fields
from otel_bridge.receiving.signals import WIRES
from otel_bridge.sinks.otlp.wire import delimited
from otel_bridge.telemetry import Signal
from tests.receiving.samples import body, nested, request

FIELDS = {signal: message_fields(wire.request.DESCRIPTOR) for signal, wire in WIRES.items()}


@pytest.mark.parametrize("signal", list(Signal))
def test_every_message_is_counted_once(signal: Signal) -> None:
    """As many as the official classes find."""

    def within(message: object) -> int:
        found = 0
        for field, value in message.ListFields():  # type: ignore[attr-defined]
            if field.message_type is not None:
                values = value if field.is_repeated else [value]
                found += len(values) + sum(map(within, values))
        return found

    message = request(signal)
    assert count_parts(message.SerializeToString(), FIELDS[signal], 10**6) == within(message)


def test_counting_stops_at_the_limit() -> None:
    """However many there are: it is the limit that costs."""
    assert count_parts(b"\x0a\x00" * 1000, FIELDS[Signal.TRACES], 10) == 11


def test_only_what_may_have_many_is_counted() -> None:
    """Long texts are not taken for messages."""
    assert not has_more_parts(body(), FIELDS[Signal.TRACES], 1_000, 4_000)
    assert not has_more_parts(request("traces", 40).SerializeToString(), FIELDS[Signal.TRACES], 500, 2_000)
    assert has_more_parts(b"\x0a\x00" * 1000, FIELDS[Signal.TRACES], 999, 9_999)


def test_values_without_end_are_too_many() -> None:
    """One message of nothing but texts is no larger than others in memory, but takes as long to look at."""
    data = delimited(b"\x0a", b"\x1a\x01a" * 1000)
    assert not has_more_parts(data, FIELDS[Signal.TRACES], 100, 1_001)
    assert has_more_parts(data, FIELDS[Signal.TRACES], 100, 1_000)


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05\x00", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0b", b"\x08" + b"\xff" * 11],
)
def test_what_is_no_message_is_a_value_error(data: bytes) -> None:
    """Lengths that lie, keys that do not exist, numbers without end."""
    with pytest.raises(ValueError, match=r"\w"):
        count_parts(data, FIELDS[Signal.TRACES], 10)


def test_nesting_ends_where_decoders_end() -> None:
    """What the decoder takes is counted, what it does not take is a ValueError for both."""
    wire = WIRES[Signal.LOGS]
    for depth in range(30, 60):
        data = nested(depth)
        verdicts = []
        for judge in (lambda data: count_parts(data, FIELDS[Signal.LOGS], 10**6), wire.decode):
            try:
                judge(data)
                verdicts.append(True)
            except ValueError:
                verdicts.append(False)
        assert verdicts[0] == verdicts[1] == (depth <= 47)
