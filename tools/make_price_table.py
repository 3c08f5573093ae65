"""Write otel_bridge/prices/table.json from the installed genai-prices: all Anthropic models, dates, tiers and variants.

    python tools/make_price_table.py

Stops with an error where genai-prices has learned something the table cannot express.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import genai_prices
from genai_prices.data import providers
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, PriceVariant, StartDateConstraint
from msgspec.structs import replace

from otel_bridge.prices.genai import bands_of
from otel_bridge.prices.names import parse_model
from otel_bridge.prices.rates import EARLIEST, LATEST, Band, Period, usd_str
from otel_bridge.prices.table import TABLE_PATH, Table

CONTEXTS: dict[str, dict[str, str]] = {"standard": {}, "batch": {"processing": "batch"}, "fast": {"speed": "fast"}}
KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")


def make_table() -> Table:
    """Make the table as it should be for the installed genai-prices."""
    models = next(provider.models for provider in providers if provider.id == "anthropic")
    return Table(
        source=f"genai-prices {genai_prices.__version__}",
        web_search_usd=web_search_usd(models),
        periods=tuple(period for model in models for terms in CONTEXTS for period in periods_of(model, terms)),
    )


def web_search_usd(models: list[ModelInfo]) -> Decimal:
    per_thousand = {price.web_searches_kcount for model in models for price in all_prices(model)} - {None}
    (only,) = per_thousand
    if not isinstance(only, Decimal):
        raise TypeError(f"web searches have tiers now: {only}")
    return only.scaleb(-3)


def all_prices(model: ModelInfo) -> list[ModelPrice]:
    if isinstance(model.prices, ModelPrice):
        return [model.prices]
    return [conditional.prices for conditional in model.prices]


def periods_of(model: ModelInfo, terms: str) -> list[Period]:
    """Ask for the price at every date on which one starts; equal neighbours become one period."""
    context = CONTEXTS[terms]
    variants = [variant for variant in model.price_variants or () if variant.when == context]
    conditional = [] if isinstance(model.prices, ModelPrice) else model.prices
    starts = {start_of(entry) for entry in conditional} | {start_of(variant) for variant in variants}
    periods: list[Period] = []
    for since, until in pairwise(sorted({EARLIEST, *starts, LATEST})):
        if context and not any(start_of(variant) <= since for variant in variants):
            continue
        bands = bands_of(model.get_prices(since, context))
        if periods and periods[-1].bands == bands:
            periods[-1] = replace(periods[-1], until=until)
        else:
            name = parse_model(model.id).base
            periods.append(Period(model=name, terms=terms, bands=bands, since=since, until=until))
    return periods


def start_of(entry: ConditionalPrice | PriceVariant) -> datetime:
    if entry.constraint is None:
        return EARLIEST
    if not isinstance(entry.constraint, StartDateConstraint):
        raise TypeError(f"a price that does not depend on the date alone: {entry}")
    return datetime.combine(entry.constraint.start_date, datetime.min.time(), UTC)


def render(table: Table) -> str:
    """JSON with one line per band, so that people and diffs can read it."""
    head = f'"source": {json.dumps(table.source)},\n  "web_search_usd": "{usd_str(table.web_search_usd)}"'
    periods = ",\n".join(render_period(period) for period in table.periods)
    return f'{{\n  {head},\n  "periods": [\n{periods}\n  ]\n}}\n'


def render_period(period: Period) -> str:
    head = {"model": period.model, "terms": period.terms}
    if period.since != EARLIEST:
        head["since"] = timestamp(period.since)
    if period.until != LATEST:
        head["until"] = timestamp(period.until)
    bands = ",\n".join(f"      {json.dumps(render_band(band))}" for band in period.bands)
    return f'    {json.dumps(head)[:-1]}, "bands": [\n{bands}\n    ]}}'


def timestamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def render_band(band: Band) -> dict[str, int | str]:
    return {"above": band.above} | {kind: usd_str(getattr(band, kind)) for kind in KINDS}


if __name__ == "__main__":
    TABLE_PATH.write_text(render(make_table()), encoding="utf-8")
