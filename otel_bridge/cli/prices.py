"""``otel-bridge prices``."""

from __future__ import annotations

import time
from datetime import datetime

import click

from otel_bridge.cli.json_output import print_json
from otel_bridge.prices import price_rows, usd_str
from otel_bridge.prices.listing import PriceRow

_FIGURES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")


@click.command("prices", epilog="Example: otel-bridge prices claude-haiku-5-5")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list for scripts.")
def command(model: str | None, as_json: bool) -> None:
    """List the prices used, in USD per million tokens, with their dates and sources.

    MODEL is a model id in any of its forms; without it all models in the shipped table are listed.
    """
    rows = price_rows(model, time.time_ns())
    if as_json:
        print_json(rows)
        return
    from otel_bridge.cli.text import add_rows, console, make_table

    headers = ("input", "output", "cache read", "write 5 min", "write 1 h")
    sources = list(dict.fromkeys(row.source for row in rows))
    table = make_table("USD per million tokens", ["model", "terms", "prompt", "valid"], [*headers, "source"])
    out = console()
    out.print(add_rows(table, [(*_cells(row), f"[{sources.index(row.source) + 1}]") for row in rows]))
    out.print()
    for number, source in enumerate(sources, 1):
        out.print(f"[{number}] {source}", markup=False, soft_wrap=True)
    out.print("Web searches are 0.01 USD each.")


def _cells(row: PriceRow) -> tuple[str, ...]:
    prompt = f"> {row.above_tokens:,}" if row.above_tokens else ""
    figures = (usd_str(getattr(row, name)) for name in _FIGURES)
    return row.model, row.terms, prompt, _validity(row.since, row.until), *figures


def _validity(since: datetime | None, until: datetime | None) -> str:
    return " ".join(
        filter(None, [f"from {since:%Y-%m-%d}" if since else "", f"until {until:%Y-%m-%d}" if until else ""])
    )
