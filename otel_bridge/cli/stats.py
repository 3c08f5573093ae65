"""``otel-bridge stats``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import common_options, find_sessions
from otel_bridge.cli.zones import zone_of, zone_option
from otel_bridge.pipeline.changes import collect_changes
from otel_bridge.pipeline.stats import collect_stats
from otel_bridge.settings import worker_count


@click.command("stats", epilog="Example: otel-bridge stats --json | jq .totals.cost_usd")
@common_options
@zone_option
@click.option("--changes", is_flag=True, help="Add the cost of each pull request up too (reads every session whole).")
@click.option("--all", "show_all", is_flag=True, help="List every session and day, not only the first ones.")
def command(
    *, paths: tuple[Path, ...], as_json: bool, or_samples: bool, timezone: str | None, changes: bool, show_all: bool
) -> None:
    """Add up calls, tokens and cost: in total, by model, by day, by session.

    Every response is counted once, however many lines and files repeat it, at the list price of its day.
    """
    sessions = find_sessions(paths, or_samples=or_samples)
    stats = collect_stats(sessions, zone=zone_of(timezone), workers=worker_count())
    if changes:
        from otel_bridge.pipeline.sessions import SessionLibrary

        stats.by_change = collect_changes(SessionLibrary(sessions, now_ns=time.time_ns(), workers=worker_count()))
    if as_json:
        print_json(stats)
        return
    from otel_bridge.cli.stats_tables import print_stats

    print_stats(stats, show_all=show_all)
