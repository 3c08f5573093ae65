"""Of which sessions telemetry is coming in."""

from __future__ import annotations

from otel_bridge.pipeline.index.arrivals import Arrivals

SECOND = 1_000_000_000


def noted(*seconds: float, has_spans: bool = False) -> Arrivals:
    """Return what is known after something of one session came at some times."""
    arrivals = Arrivals()
    for second in seconds:
        arrivals.note(["one"], round(second * SECOND), has_spans=has_spans)
    return arrivals


def begun(arrivals: Arrivals, second: float) -> set[str]:
    return arrivals.begun(round(second * SECOND))


def test_a_session_has_begun_for_ten_seconds() -> None:
    """From the first word of it."""
    assert begun(noted(100), 109.9) == {"one"}
    assert begun(noted(100), 110) == set()


def test_a_session_that_goes_on_has_not_begun_again() -> None:
    """Its client tells of it every five seconds."""
    assert begun(noted(100, 105, 110, 160, 219), 220) == set()


def test_after_a_minute_of_silence_it_begins_anew() -> None:
    """Something kept it back, or nobody worked: what was made meanwhile comes at once."""
    assert begun(noted(100, 160), 161) == {"one"}


def test_a_clock_that_is_set_back_keeps_nothing_back() -> None:
    """Else a session would have begun until the clock is where it was."""
    assert begun(noted(100_000), 100) == set()
    assert begun(noted(100_000, 100), 101) == {"one"}


def test_spans_are_expected_for_an_hour() -> None:
    """Of any session, after a client has sent some."""
    assert not noted(100).expects_spans(100 * SECOND)
    assert noted(100, has_spans=True).expects_spans(3699 * SECOND)
    assert not noted(100, has_spans=True).expects_spans(3700 * SECOND)


def test_who_was_heard_long_ago_is_forgotten() -> None:
    """Though nobody asks: there may be no endpoint to send anything to."""
    arrivals = Arrivals()
    for number in range(1000):
        arrivals.note([f"session {number}"], number * 10 * SECOND, has_spans=False)
    assert len(arrivals._heard) <= 7
