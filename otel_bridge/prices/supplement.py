"""What the generated price table lacks, each entry with its source and its dates (pure).

A supplement replaces the table between its dates, and a standard price brings its batch price (half) with it.

Two things are left open on purpose. Fast mode of Opus 4.8 is to be withdrawn on 2026-11-30; requests are refused
from then on, so no response can carry a wrong price, and a postponed withdrawal stays priced. The ``priority`` tier
is priced as standard: it draws on capacity bought under a contract, and a contract's discount is no list price.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from otel_bridge.prices.rates import EARLIEST, EXACT, LATEST, Band, Period

_DOCS = "https://platform.claude.com/docs/en"
_RELEASES = f"{_DOCS}/release-notes/overview"


class Premium(Struct, frozen=True):
    """A factor on all token prices of a generation of models and of the newer ones; searches are not touched."""

    factor: Decimal
    since_generation: tuple[int, int]
    source: str


BATCH_FACTOR = Decimal("0.5")
BATCH_SOURCE = f"batch is half of standard, cache prices included ({_DOCS}/build-with-claude/batch-processing)"

US_RESIDENCY = Premium(
    factor=Decimal("1.1"),
    since_generation=(4, 6),
    source=f"US inference x1.1 for Claude 4.6 and newer, from 2026-02-05 ({_DOCS}/manage-claude/data-residency)",
)

BEDROCK_REGION = Premium(
    factor=Decimal("1.1"),
    since_generation=(4, 5),
    source="Bedrock regional endpoint x1.1 for Claude 4.5 and newer (genai-prices, provider aws)",
)


def _at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def _band(input_usd: str, output_usd: str, cache_read_usd: str, above: int = 0) -> Band:
    """Make a band with the usual cache writes: 1.25 times the input price for 5 minutes, twice for an hour."""
    base = Decimal(input_usd)
    return Band(
        input=base,
        output=Decimal(output_usd),
        cache_read=Decimal(cache_read_usd),
        cache_write_5m=EXACT.multiply(base, Decimal("1.25")),
        cache_write_1h=EXACT.multiply(base, Decimal(2)),
        above=above,
    )


def _period(
    model: str, terms: str, *bands: Band, since: datetime = EARLIEST, until: datetime = LATEST, source: str
) -> Period:
    return Period(model=model, terms=terms, bands=bands, since=since, until=until, source=source)


LONG_CONTEXT = (
    _period(
        "claude-sonnet-4",
        "standard",
        _band("3", "15", "0.3"),
        _band("6", "22.5", "0.6", above=200_000),
        until=_at(2026, 4, 30),
        source=f"1M-token beta of Sonnet 4, retired 2026-04-30 ({_RELEASES})",
    ),
    _period(
        "claude-sonnet-4-5",
        "standard",
        _band("3", "15", "0.3"),
        since=_at(2026, 4, 30),
        source=f"1M-token beta of Sonnet 4.5, retired 2026-04-30 ({_RELEASES})",
    ),
)

SONNET_5_5_CACHE_READ = (
    _period(
        "claude-sonnet-5-5",
        "standard",
        _band("2", "10", "0.2"),
        until=_at(2026, 10, 7),
        source="cache reads 0.20 until the cut to 0.10 of 2026-10-07 (kurofune/claudit v1.9.2, PromptFuel v1.0.23)",
    ),
)

MYTHOS = (
    _period(
        "claude-mythos-5",
        "standard",
        _band("10", "50", "1"),
        source=f"same prices as Fable 5, limited availability ({_DOCS}/about-claude/pricing)",
    ),
    _period(
        "claude-mythos-5-1",
        "standard",
        _band("10", "50", "0.25"),
        source=f"same prices as Fable 5.1, limited availability ({_DOCS}/about-claude/pricing)",
    ),
)

HISTORIC_FAST = (
    _period(
        "claude-opus-4-6",
        "fast",
        _band("15", "75", "1.5"),
        _band("30", "112.5", "3", above=200_000),
        since=_at(2026, 2, 7),
        until=_at(2026, 2, 17, hour=8),
        source="launch of fast mode at half price until 2026-02-16 23:59 PT (https://code.claude.com/docs/en/fast-mode)",
    ),
    _period(
        "claude-opus-4-6",
        "fast",
        _band("30", "150", "3"),
        _band("60", "225", "6", above=200_000),
        since=_at(2026, 2, 17, hour=8),
        until=_at(2026, 3, 13),
        source=f"fast mode with a long-context price ({_DOCS}/build-with-claude/fast-mode)",
    ),
    _period(
        "claude-opus-4-6",
        "fast",
        _band("30", "150", "3"),
        since=_at(2026, 3, 13),
        until=_at(2026, 6, 30),
        source=f"fast mode at one price over the whole context, withdrawn 2026-06-29 ({_RELEASES})",
    ),
    _period(
        "claude-opus-4-7",
        "fast",
        _band("30", "150", "3"),
        since=_at(2026, 5, 12),
        until=_at(2026, 7, 25),
        source=f"fast mode of Opus 4.7 from 2026-05-12, withdrawn 2026-07-24 ({_RELEASES})",
    ),
)
"""The day of a withdrawal is included: a response says itself whether it was served fast."""

SUPPLEMENT = (*LONG_CONTEXT, *SONNET_5_5_CACHE_READ, *MYTHOS, *HISTORIC_FAST)
