from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from otel_bridge.model import STANDARD_TERMS, Iteration, Terms, Usage
from otel_bridge.prices import PriceBook, default_book, price_call, price_usd, rate_card
from otel_bridge.prices.rates import Band, Period

At = Callable[[str], int]

MILLION_IN = Usage(input_tokens=1_000_000)
NOW = "2026-11-21"


@pytest.mark.parametrize(
    "model",
    [
        "claude-opus-4-9",
        "claude-opus-6",
        "claude-fable-5-3",
        "claude-sonnet-5-6",
        "claude-haiku-4-5-mini",
        "claude-opus-5-fast",
        "anthropic/claude-opus-4.8-fast",
        "us.anthropic.claude-opus-6-v1:0",
    ],
)
def test_unknown_claude_models_are_unpriced(model: str, at: At) -> None:
    """A model that is not in the list has no price, however close its name comes to one that is."""
    assert price_usd(model, MILLION_IN, at(NOW)) is None


@pytest.mark.parametrize(
    "terms",
    [
        Terms(speed="fast", service_tier="batch"),
        Terms(speed="fast", service_tier="priority"),
        Terms(speed="turbo"),
        Terms(service_tier="flex"),
        Terms(inference_geo="eu"),
    ],
)
def test_unknown_terms_are_unpriced(terms: Terms, at: At) -> None:
    """Terms without a list price stay visible as unpriced instead of passing for standard."""
    assert price_usd("claude-opus-5", MILLION_IN, at(NOW), terms) is None


@pytest.mark.parametrize(
    "terms",
    [
        Terms(speed="", service_tier=""),
        Terms(service_tier="priority"),
        Terms(inference_geo="not_available"),
        Terms(inference_geo="global"),
    ],
)
def test_list_price_terms(terms: Terms, at: At) -> None:
    """Missing values, global inference and the contract tier are priced at list."""
    assert price_usd("claude-opus-5", MILLION_IN, at(NOW), terms) == 5


def test_rate_card_is_shared_by_all_forms_of_an_id(at: At) -> None:
    """Callers can group usages by card: one price, one object."""
    forms = ["claude-opus-4-6", "claude-opus-4-6[1m]", "claude-opus-4-6@20260205", "anthropic/claude-opus-4.6"]
    cards = {rate_card(form, at(day), STANDARD_TERMS, 10) for form in forms for day in ("2026-05-01", NOW)}
    assert len(cards) == 1
    assert rate_card("claude-opus-4-6", at("2026-03-12"), STANDARD_TERMS, 10) not in cards


def test_probe_of_a_real_session() -> None:
    """A session of Claude Code 2.1.2xx whose bill is known: 368 in, 516 out, 106,786 read, 9,149 written for 1 hour."""
    usage = Usage(input_tokens=368, output_tokens=516, cache_read_tokens=106_786, cache_write_1h_tokens=9_149)
    assert price_usd("claude-haiku-4-5-20251001", usage, 0) == Decimal("0.0319246")


@pytest.mark.parametrize(
    ("model", "usage", "total_cost_usd"),
    [
        ("claude-opus-4-6", Usage(256, 2_977, 280_700, 2_700, 36_000), "0.59293"),
        ("claude-opus-4-6", Usage(132, 1_544, 168_700, 1_100, 22_000), "0.350485"),
        ("claude-opus-4-6", Usage(96, 1_112, 121_600, 800, 16_000), "0.25408"),
        ("claude-opus-4-6", Usage(120, 1_399, 152_900, 1_000, 20_000), "0.318275"),
        ("claude-sonnet-4-5", Usage(96, 1_112, 121_600, 800, 16_000), "0.152448"),
        ("claude-opus-4-6", Usage(615_228, 4_160, 287_100, 1_900, 38_000, web_searches=12), "3.835565"),
    ],
)
def test_totals_of_the_client(model: str, usage: Usage, total_cost_usd: str, at: At) -> None:
    """Totals in ``cost-state`` lines of Claude Code 2.1.329 come out to the last digit."""
    assert price_usd(model, usage, at(NOW)) == Decimal(total_cost_usd)


def test_price_call_without_iterations_is_price_usd(at: At) -> None:
    """Most calls are billed in one entry."""
    usage = Usage(input_tokens=3, output_tokens=5, web_searches=1)
    assert price_call("claude-opus-5", usage, at(NOW), STANDARD_TERMS) == price_usd("claude-opus-5", usage, at(NOW))


def test_price_call_sums_entries_each_at_its_own_model(at: At) -> None:
    """A compaction and an advisor are paid beside the message, and web searches once."""
    iterations = (
        Iteration("compaction", "", Usage(input_tokens=1_000_000)),
        Iteration("advisor_message", "claude-fable-5-2", Usage(output_tokens=1_000_000, web_searches=2)),
        Iteration("message", "claude-opus-5", Usage(output_tokens=1_000_000, web_searches=2)),
    )
    total = price_call("claude-opus-5", Usage(web_searches=2), at(NOW), STANDARD_TERMS, iterations)
    assert total == 5 + 40 + 25 + Decimal("0.02")


def test_price_call_takes_the_band_of_each_entry(at: At) -> None:
    """The prompt of one entry decides its band, not the prompt of the call."""
    entry = Iteration("message", "claude-haiku-5-5", Usage(input_tokens=60_000, output_tokens=1))
    total = price_call("claude-haiku-5-5", Usage(input_tokens=120_000), at(NOW), STANDARD_TERMS, (entry, entry))
    assert total == 2 * Decimal("0.0060005")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("message", 0), ("fallback_message", 1)], 5 + 25),
        ([("message", 0), ("fallback_message", 0), ("fallback_message", 1)], 5 + 25),
        ([("message", 1), ("fallback_message", 1)], 2 * (5 + 25)),
        ([("message", 0), ("compaction", 0), ("fallback_message", 1)], 5 + 5 + 25),
        ([("message", 0)], 5),
    ],
)
def test_price_call_leaves_out_declined_attempts(entries: list[tuple[str, int]], expected: int, at: At) -> None:
    """An attempt without output costs nothing when a fallback answered in its place."""
    iterations = [Iteration(kind, "claude-opus-5", Usage(1_000_000, out * 1_000_000)) for kind, out in entries]
    assert price_call("claude-opus-5", Usage(), at(NOW), STANDARD_TERMS, iterations) == expected


def test_price_call_with_an_unpriced_entry_is_unpriced(at: At) -> None:
    """A part without a price leaves the whole without one, unless that part is not billed."""
    unknown = Iteration("message", "claude-opus-6", MILLION_IN)
    answered = Iteration("message", "claude-opus-5", MILLION_IN)
    fallback = Iteration("fallback_message", "claude-opus-5", MILLION_IN)
    assert price_call("claude-opus-6", Usage(), at(NOW), STANDARD_TERMS, (unknown, answered)) is None
    assert price_call("claude-opus-6", Usage(), at(NOW), STANDARD_TERMS, (unknown, fallback)) == 5


def test_own_prices_override_the_list(at: At) -> None:
    """More periods at the end of a book replace the list, also for models it does not have."""
    book = default_book()
    flat = (Band(*[Decimal(1)] * 5),)
    own = [Period("claude-opus-5", "standard", flat), Period("house-model", "standard", flat)]
    book = PriceBook((*book.periods, *own), book.web_search_usd)
    assert book.price_usd("claude-opus-5-20260724", MILLION_IN, at(NOW)) == 1
    assert book.price_usd("house-model", MILLION_IN, at(NOW)) == 1
    assert book.price_usd("claude-opus-4-8", MILLION_IN, at(NOW)) == 5
