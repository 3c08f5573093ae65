"""Exact, dated list prices in USD, offline: what a response costs at the price of its day.

Figures come from a table generated from genai-prices, from the supplements to it, and for third-party models from
genai-prices itself. Unknown means unpriced (None), never 0. Reads its own package data, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from otel_bridge.model import STANDARD_TERMS, Iteration, Terms, Usage
from otel_bridge.prices.book import PriceBook, billed_iterations
from otel_bridge.prices.rates import RateCard, usd_str
from otel_bridge.prices.supplement import SUPPLEMENT
from otel_bridge.prices.table import load_table

if TYPE_CHECKING:
    from otel_bridge.prices.listing import PriceRow

__all__ = [
    "PriceBook",
    "RateCard",
    "billed_iterations",
    "default_book",
    "known_models",
    "price_call",
    "price_fingerprint",
    "price_rows",
    "price_usd",
    "rate_card",
    "usd_str",
]


@cache
def default_book() -> PriceBook:
    """Make the book of the shipped table and its supplements, once."""
    table = load_table()
    return PriceBook((*table.periods, *SUPPLEMENT), table.web_search_usd)


def rate_card(model: str, at_ns: int, terms: Terms, prompt_tokens: int) -> RateCard | None:
    """``PriceBook.rate_card`` of the default book."""
    return default_book().rate_card(model, at_ns, terms, prompt_tokens)


def price_usd(model: str, usage: Usage, at_ns: int, terms: Terms = STANDARD_TERMS) -> Decimal | None:
    """``PriceBook.price_usd`` of the default book."""
    return default_book().price_usd(model, usage, at_ns, terms)


def price_call(
    model: str, usage: Usage, at_ns: int, terms: Terms, iterations: Sequence[Iteration] = ()
) -> Decimal | None:
    """``PriceBook.price_call`` of the default book."""
    return default_book().price_call(model, usage, at_ns, terms, iterations)


@cache
def price_fingerprint() -> int:
    """Return a number that is another one as soon as a figure or a rule of this folder is."""
    parts = [path.read_bytes() for path in sorted(Path(__file__).parent.iterdir()) if path.suffix in (".json", ".py")]
    return crc32(b"".join(parts))


def known_models() -> list[str]:
    """Canonical names of the models in the default book; third-party models are priced beyond these."""
    return default_book().models()


def price_rows(model: str | None, at_ns: int) -> list[PriceRow]:
    """``listing.price_rows`` of the default book."""
    from otel_bridge.prices import listing  # noqa: PLC0415 - only the price list needs it, and counting starts faster

    return listing.price_rows(default_book(), model, at_ns)
