"""``otel-bridge search``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from otel_bridge.cli.indexed import current_index, data_dir_option, no_sync_option
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import json_option, of_project_option, samples_option
from otel_bridge.cli.printable import say
from otel_bridge.cli.zones import time_ns_of, zone_of, zone_option
from otel_bridge.store.search import search_texts
from otel_bridge.store.texts import KINDS

_MARKS = ("\x02", "\x03")
"""Put around the words found: no text that is shown has these characters."""


@click.command("search", epilog='Example: otel-bridge search "rate limit" --kind prompt --since 4w')
@click.argument("words", nargs=-1, required=True, metavar="TEXT...")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only such texts; may be repeated.")
@of_project_option
@click.option("--since", metavar="TIME", help="Written at or after a day, a time, or so long ago (7d).")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Print so many.")
@json_option
@zone_option
@samples_option
@data_dir_option
@no_sync_option
def command(
    *,
    words: tuple[str, ...],
    kinds: tuple[str, ...],
    project: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
    timezone: str | None,
    or_samples: bool,
    data_dir: Path | None,
    no_sync: bool,
) -> None:
    """Find sessions by what was typed, run, opened and what went wrong.

    All words must stand in one prompt, title, command, file path or error; quotes keep words together, and the last one
    may be the beginning of a word. Answers of models are found where they were indexed (sync --index-answers). The best
    text comes first.
    """
    zone = zone_of(timezone)
    since_ns = None if since is None else time_ns_of("--since", since, zone, datetime.now(UTC))
    query = " ".join(f'"{word}"' if " " in word else word for word in words)  # the shell took the quotes away
    with current_index(data_dir, or_samples=or_samples, no_sync=no_sync) as place:
        hits = search_texts(
            place.connection,
            query,
            kinds=kinds,
            project=project,
            since_ns=since_ns,
            limit=limit,
            marks=("", "") if as_json else _MARKS,
        )
    if as_json:
        print_json(hits)
        return
    from otel_bridge.cli.sessions_table import print_hits

    if not hits:
        say(f"nothing has all of: {' '.join(words)}")
    print_hits(hits, zone, _MARKS)
