"""The value types of prices and the exact arithmetic on them (pure)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

from msgspec import Struct
from msgspec.structs import replace

from otel_bridge.model import Usage

EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Additions and multiplications never round in it, whatever context the caller has set."""

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Band(Struct, frozen=True):
    """Prices of responses whose whole prompt is longer than ``above``, in USD per million tokens.

    The band applies to all tokens of such a response, not only to those beyond the limit.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    above: int = 0
    """Prompt tokens (input, cache reads and cache writes); 0 is the band every model has."""

    def times(self, factor: Decimal) -> Band:
        """Return the same band at ``factor`` times its prices."""
        return Band(
            input=EXACT.multiply(self.input, factor),
            output=EXACT.multiply(self.output, factor),
            cache_read=EXACT.multiply(self.cache_read, factor),
            cache_write_5m=EXACT.multiply(self.cache_write_5m, factor),
            cache_write_1h=EXACT.multiply(self.cache_write_1h, factor),
            above=self.above,
        )


class Period(Struct, frozen=True):
    """What a model costs on some terms between two instants; ``until`` is exclusive."""

    model: str
    """The canonical name (``names.parse_model``)."""
    terms: str
    """``standard``, ``batch`` or ``fast``."""
    bands: tuple[Band, ...]
    """By rising ``above``; the first one has 0."""
    since: datetime = EARLIEST
    until: datetime = LATEST
    source: str = ""
    """Where the figures come from, for people."""

    def times(self, factor: Decimal, source: str) -> Period:
        """Return the same period at ``factor`` times its prices; ``source`` says why."""
        bands = tuple(band.times(factor) for band in self.bands)
        return replace(self, bands=bands, source=f"{self.source}; {source}")


class RateCard(Struct, frozen=True, eq=False):
    """Prices of one response in USD per token (per search for ``web_search``).

    Cards are made once per price and compare by identity: usages that share a card can be added first
    and priced together, because the cost is linear in every count.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    web_search: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """USD for the tokens and the web searches of ``usage``, exact."""
        return EXACT.fma(self.web_search, usage.web_searches, self.token_cost(usage))

    def token_cost(self, usage: Usage) -> Decimal:
        """USD for the tokens of ``usage`` alone, exact."""
        fma = EXACT.fma
        total = EXACT.multiply(self.input, usage.input_tokens)
        total = fma(self.output, usage.output_tokens, total)
        total = fma(self.cache_read, usage.cache_read_tokens, total)
        total = fma(self.cache_write_5m, usage.cache_write_5m_tokens, total)
        return fma(self.cache_write_1h, usage.cache_write_1h_tokens, total)


def rate_card_of(band: Band, web_search_usd: Decimal) -> RateCard:
    """Make the card of a band: prices per million tokens become prices per token."""
    return RateCard(
        input=EXACT.scaleb(band.input, -6),
        output=EXACT.scaleb(band.output, -6),
        cache_read=EXACT.scaleb(band.cache_read, -6),
        cache_write_5m=EXACT.scaleb(band.cache_write_5m, -6),
        cache_write_1h=EXACT.scaleb(band.cache_write_1h, -6),
        web_search=web_search_usd,
    )


def epoch_ns(instant: datetime) -> int:
    """Nanoseconds since the epoch of an aware instant, exact to its microsecond."""
    since_epoch = instant - _EPOCH
    return ((since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000 + since_epoch.microseconds) * 1_000


def usd_str(amount: Decimal) -> str:
    """Write an amount in plain notation without trailing zeros: ``0.59293``, ``12``, never ``1E-7``."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
