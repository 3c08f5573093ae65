"""Counters that every report adds up the same way (pure)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache

from msgspec import Struct

from otel_bridge.model import Usage

_BLOCK_NS = 900 * 1_000_000_000
"""All UTC offsets in use are multiples of 15 minutes, so a block never spans two days."""


class Totals(Struct):
    """Calls, tokens, cost and tool calls of a group. ``cost_usd`` leaves out the ``unpriced_calls``."""

    calls: int = 0
    input_tokens: int = 0
    """Uncached input."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    """All cache writes."""
    cache_write_1h_tokens: int = 0
    """The part of the writes that lives an hour."""
    web_searches: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_calls: int = 0
    tool_calls: int = 0
    """Tool calls with a result."""

    def add_call(self, usage: Usage, cost_usd: Decimal | None) -> None:
        """Count one call; ``None`` as cost means unpriced."""
        self.calls += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cache_read_tokens += usage.cache_read_tokens
        self.cache_write_tokens += usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
        self.cache_write_1h_tokens += usage.cache_write_1h_tokens
        self.web_searches += usage.web_searches
        if cost_usd is None:
            self.unpriced_calls += 1
        elif cost_usd:
            self.cost_usd += cost_usd

    def usage(self) -> Usage:
        """Return the tokens of the whole group."""
        return Usage(
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens - self.cache_write_1h_tokens,
            self.cache_write_1h_tokens,
            web_searches=self.web_searches,
        )

    def add(self, other: Totals) -> None:
        """Add another group's counters to this one's."""
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cache_read_tokens += other.cache_read_tokens
        self.cache_write_tokens += other.cache_write_tokens
        self.cache_write_1h_tokens += other.cache_write_1h_tokens
        self.web_searches += other.web_searches
        self.cost_usd += other.cost_usd
        self.unpriced_calls += other.unpriced_calls
        self.tool_calls += other.tool_calls


@cache
def day_of(zone: tzinfo) -> Callable[[int], str]:
    """Return a function from nanoseconds since the epoch to the date (``2026-11-21``) in ``zone``; it remembers."""
    days: dict[int, str] = {}

    def day(at_ns: int) -> str:
        block = at_ns // _BLOCK_NS
        known = days.get(block)
        if known is None:
            known = days[block] = datetime.fromtimestamp(block * 900, UTC).astimezone(zone).strftime("%Y-%m-%d")
        return known

    return day
