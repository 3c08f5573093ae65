"""The price list of November 2026 and what the supplements add to the generated table."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from otel_bridge.model import STANDARD_TERMS, Terms, Usage
from otel_bridge.prices import price_usd, rate_card
from otel_bridge.prices.supplement import SUPPLEMENT

At = Callable[[str], int]

BATCH = Terms(service_tier="batch")
FAST = Terms(speed="fast")
IN_US = Terms(inference_geo="us")

PRICE_LIST = {
    ("claude-fable-5-2", "claude-mythos-5-2"): "8 40 10 16 0.20",
    ("claude-fable-5-1", "claude-mythos-5-1"): "10 50 12.5 20 0.25",
    ("claude-fable-5", "claude-mythos-5"): "10 50 12.5 20 1.00",
    ("claude-opus-5-5",): "4 20 5 8 0.20",
    ("claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-opus-4-5"): "5 25 6.25 10 0.50",
    ("claude-opus-4-1", "claude-opus-4"): "15 75 18.75 30 1.50",
    ("claude-sonnet-5-5",): "2 10 2.5 4 0.10",
    ("claude-sonnet-5",): "2 10 2.5 4 0.20",
    ("claude-sonnet-4-6", "claude-sonnet-4-5", "claude-sonnet-4"): "3 15 3.75 6 0.30",
    ("claude-haiku-5-5",): "0.10 0.50 0.125 0.20 0.01",
    ("claude-haiku-4-5",): "1 5 1.25 2 0.10",
    ("claude-3-5-haiku",): "0.80 4 1 1.6 0.08",
}
"""Input, output, 5-minute write, 1-hour write and cache read in USD per million tokens on 2026-11-21."""


def per_million(model: str, at_ns: int, terms: Terms = STANDARD_TERMS, prompt_tokens: int = 0) -> list[Decimal] | None:
    card = rate_card(model, at_ns, terms, prompt_tokens)
    if card is None:
        return None
    per_token = (card.input, card.output, card.cache_write_5m, card.cache_write_1h, card.cache_read)
    return [price * 1_000_000 for price in per_token]


def figures(text: str) -> list[Decimal]:
    return [Decimal(figure) for figure in text.split()]


@pytest.mark.parametrize(("models", "prices"), PRICE_LIST.items(), ids=lambda value: value[0])
def test_price_list_of_november_2026(models: tuple[str, ...], prices: str, at: At) -> None:
    """Each row of the price list holds for each of its models."""
    for model in models:
        assert per_million(model, at("2026-11-21")) == figures(prices)


@pytest.mark.parametrize(
    ("model", "since", "prices"),
    [
        ("claude-fable-5-2", "2026-11-12", "16 80 20 32 0.40"),
        ("claude-mythos-5-2", "2026-11-12", "16 80 20 32 0.40"),
        ("claude-opus-5-5", "2026-09-22", "8 40 10 16 0.40"),
        ("claude-opus-5", "2026-07-24", "10 50 12.5 20 1"),
        ("claude-opus-4-8", "2026-05-28", "10 50 12.5 20 1"),
    ],
)
def test_fast_prices(model: str, since: str, prices: str, at: At) -> None:
    """Fast mode has its own price for every kind of token from the first day on."""
    assert per_million(model, at(since), FAST) == figures(prices)
    assert per_million(model, at("2026-11-21"), FAST) == figures(prices)


def test_haiku_5_5_is_five_times_dearer_beyond_100k(at: At) -> None:
    """The longer band applies to all tokens of a response, and starts beyond its limit."""
    assert per_million("claude-haiku-5-5", at("2026-11-21"), prompt_tokens=100_000) == figures("0.1 0.5 0.125 0.2 0.01")
    assert per_million("claude-haiku-5-5", at("2026-11-21"), prompt_tokens=100_001) == figures("0.5 2.5 0.625 1 0.05")


@pytest.mark.parametrize(
    ("model", "last_day", "first_flat_day"),
    [
        ("claude-sonnet-4", "2026-04-29", "2026-04-30"),
        ("claude-sonnet-4-5", "2026-04-29", "2026-04-30"),
        ("claude-sonnet-4-6", "2026-03-12", "2026-03-13"),
    ],
)
def test_historic_long_context_of_sonnet(model: str, last_day: str, first_flat_day: str, at: At) -> None:
    """Beyond 200k tokens Sonnet cost 6/22.5 until the band was dropped; the whole prompt counts."""
    band = figures("6 22.5 7.5 12 0.6")
    assert per_million(model, at(last_day), prompt_tokens=200_001) == band
    assert per_million(model, at(last_day), prompt_tokens=200_000) == figures("3 15 3.75 6 0.3")
    assert per_million(model, at(first_flat_day), prompt_tokens=200_001) == figures("3 15 3.75 6 0.3")
    assert per_million(model, at(first_flat_day), BATCH, 200_001) == figures("1.5 7.5 1.875 3 0.15")
    assert per_million(model, at("2026-11-21"), BATCH, 200_001) == figures("1.5 7.5 1.875 3 0.15")


def test_historic_long_context_of_opus_4_6(at: At) -> None:
    """Opus 4.6 cost twice the input and one and a half times the output beyond 200k until 2026-03-13."""
    assert per_million("claude-opus-4-6", at("2026-03-12"), prompt_tokens=200_001) == figures("10 37.5 12.5 20 1")
    assert per_million("claude-opus-4-6", at("2026-03-13"), prompt_tokens=200_001) == figures("5 25 6.25 10 0.5")


def test_sonnet_5_5_cache_reads_were_cut(at: At) -> None:
    """A million cache reads cost 0.20 USD until 2026-10-07 and 0.10 from then on; batch is half of either."""
    usage = Usage(cache_read_tokens=1_000_000)
    assert price_usd("claude-sonnet-5-5", usage, at("2026-10-06T23:59:59")) == Decimal("0.2")
    assert price_usd("claude-sonnet-5-5", usage, at("2026-10-07")) == Decimal("0.1")
    assert price_usd("claude-sonnet-5-5", usage, at("2026-10-06"), BATCH) == Decimal("0.1")
    assert price_usd("claude-sonnet-5-5", usage, at("2026-10-07"), BATCH) == Decimal("0.05")


@pytest.mark.parametrize(
    ("model", "when", "prompt_tokens", "prices"),
    [
        ("claude-opus-4-6", "2026-02-06T23:59:59", 0, None),
        ("claude-opus-4-6", "2026-02-07", 200_000, "15 75 18.75 30 1.5"),
        ("claude-opus-4-6", "2026-02-17T07:59:59", 200_001, "30 112.5 37.5 60 3"),
        ("claude-opus-4-6", "2026-02-17T08:00:00", 200_000, "30 150 37.5 60 3"),
        ("claude-opus-4-6", "2026-03-12", 200_001, "60 225 75 120 6"),
        ("claude-opus-4-6", "2026-03-13", 200_001, "30 150 37.5 60 3"),
        ("claude-opus-4-6", "2026-06-29T23:59:59", 0, "30 150 37.5 60 3"),
        ("claude-opus-4-6", "2026-06-30", 0, None),
        ("claude-opus-4-7", "2026-05-11", 0, None),
        ("claude-opus-4-7", "2026-05-12", 900_000, "30 150 37.5 60 3"),
        ("claude-opus-4-7", "2026-07-25", 0, None),
        ("claude-sonnet-5-5", "2026-11-21", 0, None),
    ],
)
def test_fast_mode_of_older_models(model: str, when: str, prompt_tokens: int, prices: str | None, at: At) -> None:
    """Fast mode is priced in the months it was offered and unpriced outside of them."""
    expected = None if prices is None else figures(prices)
    assert per_million(model, at(when), FAST, prompt_tokens) == expected


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("claude-opus-4-6", "1.1"),
        ("claude-sonnet-4-6", "1.1"),
        ("claude-haiku-5-5", "1.1"),
        ("claude-fable-5", "1.1"),
        ("claude-opus-4-5", "1"),
        ("claude-haiku-4-5", "1"),
        ("claude-3-7-sonnet-20250219", "1"),
    ],
)
def test_us_residency(model: str, factor: str, at: At) -> None:
    """Inference in the US costs a tenth more per token from Claude 4.6 on, and nothing more per web search."""
    tokens, searches = Usage(1_000, 2_000, 3_000, 4_000, 5_000), Usage(web_searches=7)
    list_price = price_usd(model, tokens, at("2026-11-21"))
    assert list_price is not None
    assert price_usd(model, tokens, at("2026-11-21"), IN_US) == list_price * Decimal(factor)
    assert price_usd(model, searches, at("2026-11-21"), IN_US) == Decimal("0.07")


def test_us_residency_applies_to_fast_mode_and_batch(at: At) -> None:
    """The premium stacks on the prices of the other terms."""
    usage = Usage(input_tokens=1_000_000)
    assert price_usd("claude-opus-5", usage, at("2026-11-21"), Terms("fast", "standard", "us")) == 11
    assert price_usd("claude-opus-5", usage, at("2026-11-21"), Terms("standard", "batch", "us")) == Decimal("2.75")


def test_regional_endpoint_excludes_us_residency(at: At) -> None:
    """Where a Bedrock id already carries its region, the premium is taken once."""
    usage = Usage(input_tokens=1_000_000)
    assert price_usd("us.anthropic.claude-opus-5", usage, at("2026-11-21"), IN_US) == Decimal("5.5")
    assert price_usd("us.anthropic.claude-opus-4-1-20250805-v1:0", usage, at("2026-11-21")) == 15


def test_every_supplement_names_its_source() -> None:
    """No figure without a source for people to check."""
    assert all("http" in period.source or "claudit" in period.source for period in SUPPLEMENT)
