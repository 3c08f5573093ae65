from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.backends.durations import DAY_NS, HOUR_NS, days_text, duration_text, hours_text, parse_duration

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("400d", 400 * 86400),
        ("1y", 365 * 86400),
        ("2w", 14 * 86400),
        ("1h30m", 5400),
        ("1d12h", 36 * 3600),
        ("336h0m0s", 336 * 3600),
        ("2m0s", 120),
        ("1.5h", 5400),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("15µs", 15e-6),
        ("15μs", 15e-6),
        ("7ns", 7e-9),
        ("0s", 0),
        ("0", 0),
        (0, 0),
        ("-5m", -300),
        (" 15d ", 15 * 86400),
    ],
)
def test_durations_of_go_and_of_prometheus_are_read(text: object, seconds: float) -> None:
    """Both syntaxes, fractions, several units and a bare zero."""
    assert parse_duration(text) == round(seconds * SECOND)


def test_the_longest_time_of_go_is_read_to_the_nanosecond() -> None:
    """Tempo shows it for connections that never end."""
    assert parse_duration("2562047h47m16.854775807s") == (1 << 63) - 1


@pytest.mark.parametrize(
    "text", ["", "5", "d", "5 days", "1GB", "80%", "0B", "1h-5m", "1..5s", None, True, 1.5, [], "m5"]
)
def test_what_is_no_duration_is_none(text: object) -> None:
    """Sizes, shares, bare numbers and other types are not taken for times."""
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("span_ns", "text"),
    [
        (400 * DAY_NS, "400d"),
        (36 * HOUR_NS, "1d12h"),
        (DAY_NS + 5 * SECOND, "1d"),
        (120 * SECOND, "2m"),
        (3723 * SECOND, "1h2m"),
        (0, "0s"),
        (250_000_000, "250ms"),
    ],
)
def test_durations_are_shown_in_two_units(span_ns: int, text: str) -> None:
    """Short enough for a sentence."""
    assert duration_text(span_ns) == text


@given(st.integers(min_value=1, max_value=10_000 * DAY_NS))
def test_what_is_recommended_holds_the_time_it_was_made_for(span_ns: int) -> None:
    """Days for Prometheus and hours for Tempo are rounded up, by less than one."""
    for text, unit_ns in ((days_text(span_ns), DAY_NS), (hours_text(span_ns), HOUR_NS)):
        written = parse_duration(text)
        assert written is not None
        assert 0 <= written - span_ns < unit_ns
