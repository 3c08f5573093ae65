"""Third-party models, priced by genai-prices itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as GenaiUsage
from genai_prices import calc_price
from genai_prices.types import ModelPrice

from otel_bridge.model import Terms, Usage
from otel_bridge.prices import price_usd, rate_card
from otel_bridge.prices.genai import bands_of

At = Callable[[str], int]

USAGE = Usage(
    input_tokens=1_001,
    output_tokens=502,
    cache_read_tokens=20_003,
    cache_write_5m_tokens=304,
    cache_write_1h_tokens=105,
)
LONG = Usage(input_tokens=300_001, output_tokens=502)


@pytest.mark.parametrize("usage", [USAGE, LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5.2", None),
        ("gpt-5.5", None),
        ("kimi-k2.5", None),
        ("MiniMax-M2", None),
        ("gemini-2.5-pro", None),
        ("deepseek-v4-pro", None),
        ("glm-4.6", "zai"),
        ("GLM-5-Turbo", "zhipuai"),
    ],
)
@pytest.mark.parametrize("when", ["2026-11-20T03:30:00", "2026-11-20T18:30:00"])
def test_third_party_prices_equal_genai_prices(
    model: str, provider: str | None, usage: Usage, when: str, at: At
) -> None:
    """A third-party model costs what genai-prices says at that hour, cache and tiers included."""
    expected = calc_price(
        GenaiUsage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromisoformat(when).replace(tzinfo=UTC),
    )
    assert price_usd(model, usage, at(when)) == expected.total_price


def test_prices_by_the_hour_differ(at: At) -> None:
    """DeepSeek's former night discount shows that every instant is asked for."""
    day, night = (price_usd("deepseek-chat", USAGE, at(f"2025-08-20T{time}")) for time in ("12:00:00", "20:00:00"))
    assert day is not None
    assert night is not None
    assert night < day


@pytest.mark.parametrize("model", ["", "<synthetic>", "no-such-model", "gpt-99", "text-embedding-3-large", "sonar"])
def test_what_genai_prices_cannot_price_is_unpriced(model: str, at: At) -> None:
    """No price, or one that tokens alone do not decide, is None and never 0."""
    assert price_usd(model, USAGE, at("2026-11-20")) is None


@pytest.mark.parametrize("terms", [Terms(speed="fast"), Terms(service_tier="batch")])
def test_third_party_models_have_standard_terms_only(terms: Terms, at: At) -> None:
    """Fast and batch are Anthropic's terms; on another provider's model they are unknown."""
    assert price_usd("gpt-5.2", USAGE, at("2026-11-20"), terms) is None


def test_third_party_cards_are_shared(at: At) -> None:
    """Responses at one price have one card, as for Claude models."""
    first, second = (rate_card("gpt-5.2", at(day), Terms(), 10) for day in ("2026-11-19", "2026-11-20"))
    assert first is second


@pytest.mark.parametrize("unit", ["requests_kcount", "output_reasoning_mtok", "output_citation_mtok"])
def test_bands_of_prices_beyond_tokens(unit: str) -> None:
    """A model that also bills what a usage does not count has no bands, so no price."""
    tokens = {"input_mtok": Decimal(1), "output_mtok": Decimal(2)}
    assert bands_of(ModelPrice(**tokens)) != ()
    assert bands_of(ModelPrice(**tokens, **{unit: Decimal(3)})) == ()
