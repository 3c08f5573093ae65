"""The account all sinks give."""

from __future__ import annotations

import pytest

from otel_bridge.sinks import MAX_FAILURES, MAX_REJECTIONS, Counts, Delivery, Rejection
from otel_bridge.telemetry import Signal


def test_accounts_add_up_by_signal() -> None:
    """Counts are summed for each signal and overall; a signal that was not sent counts zero."""
    total = (
        Delivery({Signal.TRACES: Counts(1, 2, 3, 4)})
        + Delivery({Signal.TRACES: Counts(10, 20, 30, 40), Signal.LOGS: Counts(accepted=5)})
        + Delivery({Signal.METRICS: Counts()})
    )
    assert total.counts == {Signal.TRACES: Counts(11, 22, 33, 44), Signal.LOGS: Counts(accepted=5)}
    assert total.total == Counts(16, 22, 33, 44)
    assert total.of(Signal.METRICS) == Counts()


@pytest.mark.parametrize(
    ("delivery", "is_complete"),
    [
        (Delivery(), True),
        (Delivery({Signal.TRACES: Counts(accepted=3)}), True),
        (Delivery({Signal.LOGS: Counts(skipped=3)}), True),
        (Delivery({Signal.TRACES: Counts(accepted=3, rejected=1)}), False),
        (Delivery({Signal.TRACES: Counts(accepted=3), Signal.LOGS: Counts(undelivered=1)}), False),
        (Delivery(failures=("down",)), False),
    ],
)
def test_complete_means_everything_meant_to_be_sent_was_accepted(delivery: Delivery, is_complete: bool) -> None:
    """What was skipped on purpose is not missing; anything rejected, undelivered or failed is."""
    assert delivery.is_complete is is_complete


def test_lists_are_bounded_and_sentences_said_once() -> None:
    """However much goes wrong, the account stays small; the counts stay exact."""
    rejection = Rejection(Signal.TRACES, "item", "reason")
    one = Delivery({Signal.TRACES: Counts(rejected=1)}, (rejection,), ("down", "down"))
    total = sum([one] * 200, start=Delivery())
    assert total.of(Signal.TRACES).rejected == 200
    assert len(total.rejections) == MAX_REJECTIONS
    assert total.failures == ("down",)
    many = sum((Delivery(failures=(str(number),)) for number in range(50)), start=Delivery())
    assert many.failures == tuple(map(str, range(MAX_FAILURES)))
