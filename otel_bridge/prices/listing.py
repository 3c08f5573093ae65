"""The price list for people: one row per model, terms, period and prompt-length band (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from otel_bridge.errors import NotFoundError
from otel_bridge.prices.book import PRICED_TERMS, PriceBook, premium_of
from otel_bridge.prices.genai import third_party_period
from otel_bridge.prices.names import is_claude, parse_model
from otel_bridge.prices.rates import EARLIEST, LATEST, Period


class PriceRow(Struct, frozen=True):
    """One line of the price list; prices are USD per million tokens."""

    model: str
    terms: str
    """``standard``, ``batch`` or ``fast``."""
    since: datetime | None
    """None: no start is known."""
    until: datetime | None
    """Exclusive; None: no end is known."""
    above_tokens: int
    """The row is for prompts (cache included) longer than this; 0 for the first band."""
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    source: str


def price_rows(book: PriceBook, model: str | None, at_ns: int) -> list[PriceRow]:
    """Rows of one model (any form of its id) or of all models in the book, by model, terms, time and band.

    For a model of the book all its dates are listed. Of a third-party model, which only genai-prices knows, the price
    at ``at_ns`` is. Raises NotFoundError, with similar names, for a model that has no known price.
    """
    if model is None:
        return [row for known in book.models() for row in _book_rows(book, known)]
    rows = list(_book_rows(book, model)) or list(_third_party_rows(model, at_ns))
    if not rows:
        raise NotFoundError(_unknown(book, model))
    return rows


def _book_rows(book: PriceBook, model: str) -> Iterator[PriceRow]:
    name = parse_model(model)
    label = model if name.is_regional else name.base
    for terms in PRICED_TERMS:
        for period in book.effective_periods(name, terms, premium_of(name)):
            yield from _rows(period, label)


def _third_party_rows(model: str, at_ns: int) -> Iterator[PriceRow]:
    period = None if is_claude(model) else third_party_period(model, at_ns)
    if period is not None:
        yield from _rows(period, model)


def _rows(period: Period, label: str) -> Iterator[PriceRow]:
    for band in period.bands:
        yield PriceRow(
            model=label,
            terms=period.terms,
            since=None if period.since == EARLIEST else period.since,
            until=None if period.until == LATEST else period.until,
            above_tokens=band.above,
            input=band.input,
            output=band.output,
            cache_read=band.cache_read,
            cache_write_5m=band.cache_write_5m,
            cache_write_1h=band.cache_write_1h,
            source=period.source,
        )


def _unknown(book: PriceBook, model: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way out

    similar = get_close_matches(parse_model(model).base, book.models(), n=3, cutoff=0.6)
    hint = f"Did you mean {', '.join(similar)}?" if similar else "`otel-bridge prices` lists the models with a price."
    return f"no list price is known for model {model!r}. {hint}"
