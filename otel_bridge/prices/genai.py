"""Prices of third-party models, asked of genai-prices itself (its package data; no network).

genai-prices is imported only when such a model turns up: it costs a third of a second and brings pydantic.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from otel_bridge.prices.rates import Band, Period, RateCard
from otel_bridge.prices.timeline import RateLookup, pricer, unpriced

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

_BEYOND_TOKENS = ("requests_kcount", "output_reasoning_mtok", "output_citation_mtok")
"""Priced units of a text response that a usage does not tell: such a model stays unpriced."""

_DOLLAR_PROVIDERS = ("zai", None)
"""Where to look for GLM models: Z.AI lists dollars, what genai-prices takes by itself is converted from yuan."""


def third_party_pricer(model: str, web_search_usd: Decimal) -> RateLookup:
    """Look a model up by the id its own provider uses; what genai-prices does not know stays unpriced."""
    info = _find(model)
    if info is None:
        return unpriced
    pricers: dict[int, RateLookup] = {}

    def card(at_ns: int, prompt_tokens: int) -> RateCard | None:
        # Asked for every instant: some providers have prices by the hour of the day.
        price = info.get_prices(_instant(at_ns))
        if (known := pricers.get(id(price))) is None:
            known = pricers[id(price)] = pricer(_periods(model, price), web_search_usd)
        return known(at_ns, prompt_tokens)

    return card


def third_party_period(model: str, at_ns: int) -> Period | None:
    """Give the standard price of a third-party model at an instant, None where it has none."""
    info = _find(model)
    periods = [] if info is None else _periods(model, info.get_prices(_instant(at_ns)))
    return periods[0] if periods else None


def bands_of(price: ModelPrice) -> tuple[Band, ...]:
    """Turn a genai-prices price into bands; none where tokens alone do not make up the bill.

    A cache price that is missing falls back to the next general one, as in genai-prices: 1 hour to 5 minutes to input.
    """
    if price.input_mtok is None or price.output_mtok is None:
        return ()
    if any(getattr(price, unit) is not None for unit in _BEYOND_TOKENS):
        return ()
    write = _first(price.cache_write_mtok, price.input_mtok)
    by_kind = {
        "input": price.input_mtok,
        "output": price.output_mtok,
        "cache_read": _first(price.cache_read_mtok, price.input_mtok),
        "cache_write_5m": write,
        "cache_write_1h": _first(price.cache_write_1h_mtok, write),
    }
    limits = {0} | {tier.start for value in by_kind.values() if not isinstance(value, Decimal) for tier in value.tiers}
    return tuple(
        Band(above=above, **{kind: _just_above(value, above) for kind, value in by_kind.items()})
        for above in sorted(limits)
    )


def _find(model: str) -> ModelInfo | None:
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - a third of a second, see above

    for provider in _DOLLAR_PROVIDERS if model.lower().startswith("glm-") else (None,):
        try:
            found = calc_price(Usage(), model, provider_id=provider, genai_request_timestamp=_instant(0))
        except LookupError:
            continue
        return found.model
    return None


def _periods(model: str, price: ModelPrice) -> list[Period]:
    from genai_prices import __version__  # noqa: PLC0415 - a third of a second, see above

    bands = bands_of(price)
    return [Period(model=model, terms="standard", bands=bands, source=f"genai-prices {__version__}")] if bands else []


def _first(value: Decimal | TieredPrices | None, fallback: Decimal | TieredPrices) -> Decimal | TieredPrices:
    return fallback if value is None else value


def _just_above(value: Decimal | TieredPrices, limit: int) -> Decimal:
    """Price a prompt of one token more than ``limit``: a tier starts beyond its limit, not at it."""
    if isinstance(value, Decimal):
        return value
    passed = [tier.price for tier in value.tiers if tier.start <= limit]
    return passed[-1] if passed else value.base


def _instant(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
