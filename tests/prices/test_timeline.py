from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from otel_bridge.prices.rates import EARLIEST, LATEST, Band, Period, epoch_ns
from otel_bridge.prices.timeline import effective, pricer

JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 7, 8))


def price(usd: int, since: datetime = EARLIEST, until: datetime = LATEST, terms: str = "standard") -> Period:
    return Period("m", terms, (Band(*[Decimal(usd)] * 5),), since, until, source="here")


def spans(*periods: Period, terms: str = "standard") -> list[tuple[Decimal, datetime, datetime]]:
    return [(period.bands[0].input, period.since, period.until) for period in effective(periods, terms)]


def test_effective_lets_the_later_period_hold() -> None:
    """A period cuts a hole into those before it, and they go on behind it."""
    assert spans(price(1), price(2, JUNE, AUGUST)) == [(1, EARLIEST, JUNE), (2, JUNE, AUGUST), (1, AUGUST, LATEST)]
    assert spans(price(2, JUNE, AUGUST), price(1)) == [(1, EARLIEST, LATEST)]


def test_effective_keeps_gaps() -> None:
    """Where no price holds there is none."""
    assert spans(price(1, until=JUNE), price(2, AUGUST)) == [(1, EARLIEST, JUNE), (2, AUGUST, LATEST)]


def test_effective_joins_what_an_edge_of_a_hidden_period_cuts() -> None:
    """An edge that changes nothing does not show."""
    assert spans(price(1, until=JULY), price(2, JUNE), terms="standard") == [(1, EARLIEST, JUNE), (2, JUNE, LATEST)]


def test_effective_derives_batch_from_standard() -> None:
    """Batch costs half of standard wherever nothing later says otherwise."""
    dated = price(3, JULY, terms="batch")
    assert spans(price(8), dated, terms="batch") == [(4, EARLIEST, JULY), (3, JULY, LATEST)]
    assert spans(price(8), dated, price(2, AUGUST), terms="batch")[-1] == (1, AUGUST, LATEST)
    assert spans(price(8), terms="fast") == []


def test_pricer_finds_the_period_to_the_nanosecond() -> None:
    """The start of a period belongs to it, its end does not; outside there is no price."""
    find = pricer([price(1, JUNE, JULY), price(2, JULY, AUGUST)], Decimal(0))
    june, july, august = epoch_ns(JUNE), epoch_ns(JULY), epoch_ns(AUGUST)
    found = [find(at_ns, 0) for at_ns in (june - 1, june, july - 1, july, august - 1, august)]
    assert [card and card.input * 1_000_000 for card in found] == [None, 1, 1, 2, 2, None]
    assert found[1] is found[2]
