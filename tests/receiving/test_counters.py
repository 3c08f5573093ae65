"""The figures of a receiver as they are shown: whatever a sender chooses, there are only so many series."""

from __future__ import annotations

from otel_bridge.receiving.answers import Fault
from otel_bridge.receiving.counters import Counters, received
from otel_bridge.receiving.intake import Taken
from otel_bridge.serving.received import Fate
from otel_bridge.telemetry import Signal


def test_what_was_taken_and_not_kept_or_rejected_was_passed_on() -> None:
    """That is all a receiver without an index has to say."""
    counters = Counters()
    counters.took(Signal.TRACES, 10, Taken(3, "too old"))
    counters.took(Signal.TRACES, 5, Taken())
    items = received(counters.tally()).items
    assert items[Signal.TRACES, Fate.PASSED_ON] == 12
    assert items[Signal.TRACES, Fate.REJECTED] == 3
    assert items[Signal.LOGS, Fate.PASSED_ON] == 0


def test_signals_that_are_not_known_count_together() -> None:
    """Senders choose their names, and each would be a series."""
    counters = Counters()
    for name in ("profiles", "entities", "logs"):
        counters.took(name, 0, Taken())
    assert received(counters.tally()).requests == {"other": 2, "logs": 1}


def test_every_request_that_was_not_taken_has_its_reason() -> None:
    """All reasons are there from the start: what may come again apart from what will never be taken."""
    counters = Counters()
    before = received(counters.tally())
    assert {**before.put_off, **before.refused} == {fault.word: 0 for fault in Fault}
    for fault in Fault:
        counters.refused(fault)
    shown = received(counters.tally())
    assert shown.put_off == {fault.word: 1 for fault in Fault if fault.is_retryable}
    assert shown.refused == {fault.word: 1 for fault in Fault if not fault.is_retryable}
