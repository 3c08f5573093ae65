"""The generated price table that ships with the package (reads ``table.json``, made by tools/make_price_table.py)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from otel_bridge.prices.rates import Period

TABLE_PATH = Path(__file__).with_name("table.json")


class Table(Struct, frozen=True):
    """Dated list prices of one provider's models."""

    source: str
    """Name and version of the package the figures come from."""
    web_search_usd: Decimal
    """Per search, on all terms and at all dates."""
    periods: tuple[Period, ...]


def load_table() -> Table:
    """Decode the shipped table (under a millisecond); every period names the table's source."""
    table = msgspec.json.decode(TABLE_PATH.read_bytes(), type=Table)
    return replace(table, periods=tuple(replace(period, source=table.source) for period in table.periods))
