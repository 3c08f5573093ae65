"""Several sinks behind one."""

from __future__ import annotations

import pytest

from otel_bridge.errors import DeliveryError
from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.fanout import BySignal, FanOut
from otel_bridge.telemetry import Signal
from tests.memory_sink import MemorySink
from tests.sinks.samples import batch, record, spans


def test_every_sink_gets_everything() -> None:
    """A fan-out sends each batch to all, and its account is the sum."""
    first, second = MemorySink(), MemorySink(Delivery(failures=("down",)))
    sink = FanOut([first, second])
    sink.send(batch(spans(3)))
    assert first.batches == second.batches == [batch(spans(3))]
    assert sink.close() == Delivery({Signal.TRACES: Counts(accepted=3)}, failures=("down",))
    assert first.is_closed
    assert second.is_closed


def test_each_signal_goes_to_its_own_sink() -> None:
    """A batch reaches only the sink of its signal; without one it is skipped, and counted as that."""
    traces = MemorySink()
    sink = BySignal({Signal.TRACES: traces})
    sink.send(batch(spans(3)))
    sink.send(batch([record(), record()]))
    assert traces.batches == [batch(spans(3))]
    delivery = sink.close()
    assert delivery == Delivery({Signal.TRACES: Counts(accepted=3), Signal.LOGS: Counts(skipped=2)})
    assert delivery.is_complete


def test_an_abort_reaches_all() -> None:
    """No sink behind goes on when the one in front is told to stop."""
    sinks = [MemorySink(), MemorySink()]
    FanOut(sinks).abort()
    assert all(sink.is_aborted for sink in sinks)


def test_when_closing_one_fails_the_others_are_aborted() -> None:
    """A failure at the end leaves no sink open, and reaches the caller."""

    class Failing(MemorySink):
        def close(self) -> Delivery:
            raise DeliveryError("disk full")

    first, last = MemorySink(), MemorySink()
    with pytest.raises(DeliveryError, match="disk full"):
        FanOut([first, Failing(), last]).close()
    assert last.is_aborted
    assert not last.is_closed
