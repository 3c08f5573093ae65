"""Numbers, times and tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_bridge.cli.printable import printable
from otel_bridge.totals import Totals

TOTALS_HEADERS = ("calls", "input", "output", "cache read", "cache write", "tools", "cost USD")


def usd(amount: Decimal | None, digits: int = 4) -> str:
    """Return an amount for reading: ``12.3457``; ``-`` for none. Scripts get all digits by ``--json``."""
    return "-" if amount is None else f"{amount:,.{digits}f}"


def cost(totals: Totals) -> str:
    """Return the cost of a group, marked where a part of it has no known price."""
    return usd(totals.cost_usd) + (f" + {totals.unpriced_calls} unpriced" if totals.unpriced_calls else "")


def tokens(count: int) -> str:
    """Return a count with thousands separated."""
    return f"{count:,}"


def duration(span_ns: int) -> str:
    """Return a duration in the unit that fits: ``840 ms``, ``12.3 s``, ``4 min 10 s``, ``2 h 05 min``."""
    seconds = span_ns / 1_000_000_000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} min"


def clock(at_ns: int) -> str:
    """Return a time in this machine's zone, to the second."""
    if not at_ns:
        return "-"
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def totals_cells(totals: Totals) -> tuple[str, ...]:
    """Return the cells under ``TOTALS_HEADERS``."""
    counts = (
        totals.calls,
        totals.input_tokens,
        totals.output_tokens,
        totals.cache_read_tokens,
        totals.cache_write_tokens,
        totals.tool_calls,
    )
    return (*map(tokens, counts), cost(totals))


def make_table(title: str, left: Sequence[str], right: Sequence[str] = TOTALS_HEADERS) -> Table:
    """Return an empty table: ``left`` columns are names, ``right`` ones numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for header in left:
        table.add_column(header, overflow="fold")
    for header in right:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def add_rows(table: Table, rows: Iterable[Sequence[str]]) -> Table:
    """Add rows as plain text: names from transcripts are no markup."""
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def console() -> Console:
    """Return a console on stdout that stays readable in pipes and narrow windows."""
    plain_console = Console(highlight=False, soft_wrap=False)
    if not plain_console.is_terminal:
        plain_console.width = 160
    return plain_console
