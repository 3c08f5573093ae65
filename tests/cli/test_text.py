from __future__ import annotations

from datetime import UTC
from decimal import Decimal

import pytest

from otel_bridge.cli.text import clock, cost, duration, tokens, usd
from otel_bridge.cli.zones import local_zone, zone_of
from otel_bridge.errors import UsageError
from otel_bridge.totals import Totals


@pytest.mark.parametrize(
    ("span_ns", "words"),
    [
        (0, "0 ms"),
        (840_000_000, "840 ms"),
        (12_300_000_000, "12.3 s"),
        (250_000_000_000, "4 min 10 s"),
        (7_500_000_000_000, "2 h 05 min"),
    ],
)
def test_durations_come_in_the_unit_that_fits(span_ns: int, words: str) -> None:
    """Nobody reads 7500 s."""
    assert duration(span_ns) == words


def test_amounts_are_rounded_for_reading_only() -> None:
    """Four digits, thousands apart, none as a dash, a part without price named."""
    assert [usd(Decimal("1234.56789")), usd(None), tokens(1234567)] == ["1,234.5679", "-", "1,234,567"]
    assert cost(Totals(cost_usd=Decimal(1), unpriced_calls=2)) == "1.0000 + 2 unpriced"


def test_no_time_is_a_dash() -> None:
    """Never 1970."""
    assert clock(0) == "-"


def test_zones_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC always, others as the machine knows them, this machine's by default, and a wrong one is named."""
    assert zone_of("utc") is UTC
    assert str(zone_of("Europe/Prague")) == "Europe/Prague"
    for name, zone in (("Asia/Tokyo", "Asia/Tokyo"), (":Asia/Tokyo", "Asia/Tokyo")):
        monkeypatch.setenv("TZ", name)
        assert str(zone_of(None)) == zone
    monkeypatch.setenv("TZ", "XYZ-3")
    assert local_zone() is not None
    for wrong in ("Mars/Base", "", "../../etc/passwd", "Europe"):
        with pytest.raises(UsageError, match="--timezone: no zone"):
            zone_of(wrong)
