from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.model import Usage
from otel_bridge.prices.rates import EXACT, Band, rate_card_of, usd_str

CARD = rate_card_of(
    Band(
        input=Decimal("0.0625"),
        output=Decimal("37.5"),
        cache_read=Decimal("0.005"),
        cache_write_5m=Decimal("4.125"),
        cache_write_1h=Decimal(20),
    ),
    web_search_usd=Decimal("0.01"),
)

counts = st.integers(min_value=0, max_value=10**40)
usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cache_read_tokens=counts,
    cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts,
    web_searches=counts,
)


@given(usages, usages)
def test_cost_is_linear(first: Usage, second: Usage) -> None:
    """Usages that share a card may be added first and priced once."""
    assert CARD.cost(first + second) == EXACT.add(CARD.cost(first), CARD.cost(second))


@given(usages)
def test_cost_is_exact_in_any_context(usage: Usage) -> None:
    """A caller's low precision does not round a cost: it equals the sum in whole units of 1e-12 USD."""
    with localcontext() as context:
        context.prec = 2
        cost = CARD.cost(usage)
    units = (
        usage.input_tokens * 62_500
        + usage.output_tokens * 37_500_000
        + usage.cache_read_tokens * 5_000
        + usage.cache_write_5m_tokens * 4_125_000
        + usage.cache_write_1h_tokens * 20_000_000
        + usage.web_searches * 10_000_000_000
    )
    assert EXACT.scaleb(cost, 12) == units


def test_cards_compare_by_identity() -> None:
    """Two cards are never equal, so that cards can be keys of a dictionary at no cost."""
    band = Band(*[Decimal(1)] * 5)
    assert rate_card_of(band, Decimal(0)) != rate_card_of(band, Decimal(0))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0.59293000", "0.59293"),
        ("1E-7", "0.0000001"),
        ("1E+2", "100"),
        ("12.00", "12"),
        ("100", "100"),
        ("0E-9", "0"),
        ("-0.00", "0"),
        ("-0.1900", "-0.19"),
    ],
)
def test_usd_str_is_plain(amount: str, text: str) -> None:
    """Amounts are written without exponents and without trailing zeros."""
    assert usd_str(Decimal(amount)) == text
