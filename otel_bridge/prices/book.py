"""The price book: which price holds for a response, and what the response costs (pure).

A book is made of dated periods, and of two periods for the same instant the later one holds; so a user's own prices
are more periods at the end: ``PriceBook((*book.periods, *own), book.web_search_usd)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from otel_bridge.model import STANDARD_TERMS, Iteration, Terms, Usage
from otel_bridge.prices.genai import third_party_pricer
from otel_bridge.prices.names import ModelName, is_claude, parse_model
from otel_bridge.prices.rates import EXACT, Period, RateCard
from otel_bridge.prices.supplement import BEDROCK_REGION, US_RESIDENCY, Premium
from otel_bridge.prices.timeline import RateLookup, effective, pricer, unpriced

PRICED_TERMS = ("standard", "batch", "fast")

_TERMS = {
    ("standard", "standard"): "standard",
    ("standard", "priority"): "standard",
    ("standard", "batch"): "batch",
    ("fast", "standard"): "fast",
}
"""(speed, service tier) -> terms of the price list. What is not here has no known price and stays unpriced."""

_IN_US = {"": False, "global": False, "not_available": False, "us": True}

_ATTEMPTS = ("message", "fallback_message")


class PriceBook:
    """Looks prices up. Each combination of model id and terms is resolved once and remembered."""

    def __init__(self, periods: Iterable[Period], web_search_usd: Decimal) -> None:
        self.periods = tuple(periods)
        self.web_search_usd = web_search_usd
        self._by_model: dict[str, list[Period]] = {}
        for period in self.periods:
            self._by_model.setdefault(period.model, []).append(period)
        self._pricers: dict[tuple[str, Terms], RateLookup] = {}
        self._shared: dict[tuple[str, str, Premium | None], RateLookup] = {}

    def models(self) -> list[str]:
        """Canonical names of all models in the book, sorted."""
        return sorted(self._by_model)

    def rate_card(self, model: str, at_ns: int, terms: Terms, prompt_tokens: int) -> RateCard | None:
        """Find the prices of one response by the time it ended and the length of its whole prompt; None = unpriced.

        The same price gives the same card object, whatever form the model id has.
        """
        found = self._pricers.get((model, terms))
        if found is None:
            found = self._pricers[model, terms] = self._resolve(model, terms)
        return found(at_ns, prompt_tokens)

    def price_usd(self, model: str, usage: Usage, at_ns: int, terms: Terms = STANDARD_TERMS) -> Decimal | None:
        """List price of one response in USD, web searches included; None = unpriced, never 0 for want of a price."""
        card = self.rate_card(model, at_ns, terms, usage.prompt_tokens)
        return None if card is None else card.cost(usage)

    def price_call(
        self, model: str, usage: Usage, at_ns: int, terms: Terms, iterations: Sequence[Iteration] = ()
    ) -> Decimal | None:
        """List price of a call in USD. Where it was billed in several entries, their sum, each at its own model.

        An entry that names no model ran on the call's. Web searches count once, from ``usage``.
        None if any billed entry is unpriced.
        """
        if not iterations:
            return self.price_usd(model, usage, at_ns, terms)
        total = EXACT.multiply(self.web_search_usd, usage.web_searches)
        for entry in billed_iterations(iterations):
            card = self.rate_card(entry.model or model, at_ns, terms, entry.usage.prompt_tokens)
            if card is None:
                return None
            total = EXACT.add(total, card.token_cost(entry.usage))
        return total

    def effective_periods(self, name: ModelName, terms: str, premium: Premium | None) -> list[Period]:
        """List the prices of a model of the book in time order, without overlap, premium included."""
        periods = effective(self._by_model.get(name.base, ()), terms)
        if premium is None:
            return periods
        return [period.times(premium.factor, premium.source) for period in periods]

    def _resolve(self, model: str, terms: Terms) -> RateLookup:
        listed = _TERMS.get((terms.speed or "standard", terms.service_tier or "standard"))
        name = parse_model(model)
        if listed is None:
            return unpriced
        if name.base in self._by_model:
            return self._listed(name, listed, terms.inference_geo)
        # genai-prices matches by prefix and would take an unknown Claude model for a known one.
        if is_claude(model) or listed != "standard":
            return unpriced
        return third_party_pricer(model, self.web_search_usd)

    def _listed(self, name: ModelName, listed: str, inference_geo: str) -> RateLookup:
        in_us = _IN_US.get(inference_geo)
        if in_us is None:
            return unpriced
        premium = premium_of(name, in_us=in_us)
        key = (name.base, listed, premium)
        if key not in self._shared:
            self._shared[key] = pricer(self.effective_periods(name, listed, premium), self.web_search_usd)
        return self._shared[key]


def premium_of(name: ModelName, *, in_us: bool = False) -> Premium | None:
    """Say what computing in one region adds. Never both premiums: Bedrock has no ``inference_geo``."""
    if name.is_regional:
        return BEDROCK_REGION if name.generation >= BEDROCK_REGION.since_generation else None
    return US_RESIDENCY if in_us and name.generation >= US_RESIDENCY.since_generation else None


def billed_iterations(iterations: Sequence[Iteration]) -> list[Iteration]:
    """Leave out what is not billed: an attempt declined without output that a fallback follows."""
    last_fallback = max((i for i, entry in enumerate(iterations) if entry.kind == "fallback_message"), default=-1)
    return [
        entry
        for i, entry in enumerate(iterations)
        if i >= last_fallback or entry.kind not in _ATTEMPTS or entry.usage.output_tokens
    ]
