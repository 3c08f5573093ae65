"""From dated prices to the one that holds for a response (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import pairwise

from msgspec.structs import replace

from otel_bridge.prices.rates import Period, RateCard, epoch_ns, rate_card_of
from otel_bridge.prices.supplement import BATCH_FACTOR, BATCH_SOURCE

RateLookup = Callable[[int, int], RateCard | None]
"""Time of the response (ns since the epoch) and tokens of its whole prompt -> its prices, None where none are known."""


def effective(periods: Iterable[Period], terms: str) -> list[Period]:
    """Put the prices of one model on some terms in time order without overlap; of two, the later in the input holds."""
    offers = [offer for period in periods if (offer := _offer(period, terms)) is not None]
    edges = sorted({edge for offer in offers for edge in (offer.since, offer.until)})
    spans: list[Period] = []
    for since, until in pairwise(edges):
        winner = next((offer for offer in reversed(offers) if offer.since <= since < offer.until), None)
        if winner is None:
            continue
        if spans and replace(winner, since=spans[-1].since, until=since) == spans[-1]:
            spans[-1] = replace(spans[-1], until=until)
        else:
            spans.append(replace(winner, since=since, until=until))
    return spans


def _offer(period: Period, terms: str) -> Period | None:
    if period.terms == terms:
        return period
    if terms == "batch" and period.terms == "standard":
        return replace(period.times(BATCH_FACTOR, BATCH_SOURCE), terms="batch")
    return None


def pricer(periods: Iterable[Period], web_search_usd: Decimal) -> RateLookup:
    """Make a lookup in prices put in order by ``effective``; each band's card is made once."""
    starts: list[int] = []
    segments: list[tuple[tuple[int, RateCard], ...]] = [()]
    for period in periods:
        starts += [epoch_ns(period.since), epoch_ns(period.until)]
        segments += [_cards(period, web_search_usd), ()]

    def card(at_ns: int, prompt_tokens: int) -> RateCard | None:
        for above, rate_card in segments[bisect_right(starts, at_ns)]:
            if prompt_tokens > above:
                return rate_card
        return None

    return card


def _cards(period: Period, web_search_usd: Decimal) -> tuple[tuple[int, RateCard], ...]:
    """Longest prompts first; -1 so that the first band also takes an empty prompt."""
    return tuple((band.above or -1, rate_card_of(band, web_search_usd)) for band in reversed(period.bands))


def unpriced(at_ns: int, prompt_tokens: int) -> RateCard | None:  # noqa: ARG001 - the signature of a RateLookup
    """Answer for a model without a known price."""
    return None
