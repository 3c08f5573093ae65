from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.prices import default_book
from otel_bridge.prices.book import PRICED_TERMS
from otel_bridge.prices.names import parse_model
from otel_bridge.prices.rates import RateCard, rate_card_of
from otel_bridge.prices.supplement import BEDROCK_REGION, US_RESIDENCY
from otel_bridge.store.cells import fitting, from_pusd, storable, to_pusd


def listed_cards() -> Iterator[RateCard]:
    """Yield every price of a model in the book: all dates, prompt lengths, terms and premiums."""
    book = default_book()
    for model in book.models():
        for terms in PRICED_TERMS:
            for premium in (None, US_RESIDENCY, BEDROCK_REGION):
                for period in book.effective_periods(parse_model(model), terms, premium):
                    yield from (rate_card_of(band, book.web_search_usd) for band in period.bands)


def test_no_price_of_the_table_is_finer_than_a_picodollar() -> None:
    """Cost is a sum of whole tokens at these prices, so every amount is stored to the last digit."""
    found = list(listed_cards())
    assert len(found) > 300
    for card in found:
        prices = (card.input, card.output, card.cache_read, card.cache_write_5m, card.cache_write_1h, card.web_search)
        assert [from_pusd(to_pusd(price)) for price in prices] == list(prices)


@given(st.integers(-(10**18), 10**18))
def test_stored_money_comes_back_as_it_was(amount_pusd: int) -> None:
    """To the last digit, whatever the precision of the moment."""
    amount_usd = Decimal(amount_pusd) / 10**12
    assert from_pusd(amount_pusd) == amount_usd
    assert to_pusd(amount_usd) == amount_pusd


@pytest.mark.parametrize(
    ("amount_usd", "amount_pusd"),
    [("0.0000000000005", 0), ("0.0000000000015", 2), ("-0.0000000000005", 0), ("0.00000000000050001", 1)],
)
def test_finer_amounts_are_rounded_half_to_even(amount_usd: str, amount_pusd: int) -> None:
    """Half a picodollar goes to the even neighbour, so that many of them do not drift."""
    assert to_pusd(Decimal(amount_usd)) == amount_pusd


def test_a_damaged_amount_becomes_the_most_that_can_be_stored() -> None:
    """A session of more than nine million dollars is damage, and damage does not stop the index."""
    most = 2**63 - 1
    assert [to_pusd(Decimal(10**12)), to_pusd(-Decimal(10**12)), fitting(most)] == [most, -most, most]
    odd = ("1e999999", "-1e999999", "0e999999", "1e-999999")
    assert [to_pusd(Decimal(text)) for text in odd] == [most, -most, 0, 0]


def test_a_file_name_that_is_no_text_can_be_stored() -> None:
    """Bytes that are no UTF-8 arrive as lone surrogates, which SQLite refuses."""
    assert storable("/home/\udcff/ä.jsonl") == "/home/\\udcff/ä.jsonl"
