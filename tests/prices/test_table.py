"""The shipped table against the genai-prices it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from types import ModuleType

import pytest
from genai_prices import Usage as GenaiUsage
from genai_prices import calc_price
from genai_prices.data import providers
from genai_prices.types import ModelInfo

from otel_bridge.model import Terms, Usage
from otel_bridge.prices import default_book
from otel_bridge.prices.names import parse_model
from otel_bridge.prices.rates import EARLIEST, LATEST, epoch_ns
from otel_bridge.prices.supplement import BATCH_FACTOR, SUPPLEMENT
from otel_bridge.prices.table import TABLE_PATH, load_table

MODELS = {provider.id: provider.models for provider in providers}
BEDROCK = [model for model in MODELS["aws"] if ".anthropic.claude" in model.id]
TERMS = {
    "standard": (Terms(), {}),
    "batch": (Terms(service_tier="batch"), {"processing": "batch"}),
    "fast": (Terms(speed="fast"), {"speed": "fast"}),
}
LIMITS = {band.above for period in load_table().periods for band in period.bands}
EDGES = {edge for period in load_table().periods for edge in (period.since, period.until)} - {EARLIEST, LATEST}
INSTANTS = sorted(edge + timedelta(seconds=shift) for edge in EDGES for shift in (-86_400, -1, 0, 1, 86_400))


def usages() -> Iterator[Usage]:
    """Usages whose prompt is just below, at and just above each limit, made of each kind of token and of all."""
    for prompt in sorted(max(limit + shift, 0) for limit in LIMITS for shift in (-1, 0, 1)):
        yield Usage(input_tokens=prompt, output_tokens=777)
        yield Usage(cache_read_tokens=prompt, output_tokens=1)
        yield Usage(cache_write_5m_tokens=prompt // 3, cache_write_1h_tokens=prompt - prompt // 3)
        read, short, long = prompt // 2, prompt // 5, prompt // 7
        yield Usage(prompt - read - short - long, 12_345, read, short, long)


def genai_cost(ref: str, provider: str, usage: Usage, at: datetime, context: dict[str, str]) -> Decimal:
    counts = GenaiUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        web_searches=usage.web_searches,
    )
    found = calc_price(counts, ref, provider_id=provider, genai_request_timestamp=at, price_context=context)
    return found.total_price


def is_supplemented(model: str, terms: str, at: datetime) -> bool:
    wanted = {terms, "standard"} if terms == "batch" else {terms}
    return any(p.model == model and p.terms in wanted and p.since <= at < p.until for p in SUPPLEMENT)


def has_variant(model: ModelInfo, context: dict[str, str], at: datetime) -> bool:
    variants = [variant for variant in model.price_variants or () if variant.when == context]
    return any(variant.constraint is None or variant.constraint.active(at) for variant in variants)


def test_table_is_what_the_installed_genai_prices_gives(make_price_table: ModuleType) -> None:
    """The shipped file is exactly what tools/make_price_table.py writes today."""
    assert TABLE_PATH.read_text(encoding="utf-8") == make_price_table.render(make_price_table.make_table())


@pytest.mark.parametrize("model", MODELS["anthropic"], ids=lambda model: model.id)
@pytest.mark.parametrize("terms", TERMS)
def test_prices_equal_genai_prices(model: ModelInfo, terms: str) -> None:
    """Every model costs what genai-prices says, to the last digit, on all terms, dates and tiers it knows."""
    ours, context = TERMS[terms]
    name = parse_model(model.id).base
    for at in INSTANTS:
        if is_supplemented(name, terms, at):
            continue
        for usage in usages():
            priced = default_book().price_usd(model.id, usage, epoch_ns(at), ours)
            if not context or has_variant(model, context, at):
                assert priced == genai_cost(model.id, "anthropic", usage, at, context)
            elif terms == "batch":
                assert priced == genai_cost(model.id, "anthropic", usage, at, {}) * BATCH_FACTOR
            else:
                assert priced is None


@pytest.mark.parametrize("model", BEDROCK, ids=lambda model: model.id)
def test_prices_equal_the_bedrock_list(model: ModelInfo) -> None:
    """A Bedrock id costs what genai-prices lists for AWS: the list price, or a tenth more on regional endpoints."""
    ref = model.id.replace("regional.", "us.")
    at = INSTANTS[-1]
    usage = Usage(input_tokens=1_003, output_tokens=501)
    if model.get_prices(at).cache_read_mtok is not None:
        usage += Usage(cache_read_tokens=20_011, cache_write_5m_tokens=3_001)
    assert default_book().price_usd(ref, usage, epoch_ns(at)) == genai_cost(ref, "aws", usage, at, {})


def test_web_searches_cost_what_genai_prices_says() -> None:
    """A web search costs the same with every model, on top of the tokens."""
    usage = Usage(input_tokens=10, web_searches=3)
    for model in ("claude-opus-4-6", "claude-haiku-5-5"):
        expected = genai_cost(model, "anthropic", usage, INSTANTS[-1], {})
        assert default_book().price_usd(model, usage, epoch_ns(INSTANTS[-1])) == expected
