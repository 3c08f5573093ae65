"""``otel-bridge stats``."""

from __future__ import annotations

import time
from datetime import tzinfo
from pathlib import Path

import click

from otel_bridge.cli.indexed import current_index, data_dir_option, no_sync_option
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import common_options, find_sessions
from otel_bridge.cli.zones import zone_of, zone_option
from otel_bridge.pipeline.changes import collect_changes
from otel_bridge.pipeline.index.stored import total_account
from otel_bridge.pipeline.sessions import SessionLibrary
from otel_bridge.pipeline.stats import Stats, collect_stats
from otel_bridge.pipeline.stored_stats import stored_changes, stored_stats
from otel_bridge.settings import worker_count
from otel_bridge.sources.transcript.discover import SessionFiles


@click.command("stats", epilog="Example: otel-bridge stats --json | jq .totals.cost_usd")
@common_options
@zone_option
@click.option("--changes", is_flag=True, help="Add up the cost of pull requests too (of a PATH: reads sessions whole).")
@click.option("--all", "show_all", is_flag=True, help="List every session and day, not only the first ones.")
@data_dir_option
@no_sync_option
def command(
    *,
    paths: tuple[Path, ...],
    as_json: bool,
    or_samples: bool,
    timezone: str | None,
    changes: bool,
    show_all: bool,
    data_dir: Path | None,
    no_sync: bool,
) -> None:
    """Add up calls, tokens and cost: in total, by model, by day, by project, by session.

    Every response is counted once, however many lines and files repeat it, at the list price of its day. Without a PATH
    the index is asked, which also has sessions whose transcripts are gone.
    """
    zone = zone_of(timezone)
    if paths:
        stats = _of_files(find_sessions(paths, or_samples=or_samples), zone, changes=changes)
    else:
        with current_index(data_dir, or_samples=or_samples, no_sync=no_sync) as place:
            stats = stored_stats(place.connection, zone=zone, account=total_account(place.connection))
            if changes:
                stats.by_change = stored_changes(place.connection)
    if as_json:
        print_json(stats)
        return
    from otel_bridge.cli.stats_tables import print_stats

    print_stats(stats, show_all=show_all)


def _of_files(sessions: list[SessionFiles], zone: tzinfo, *, changes: bool) -> Stats:
    stats = collect_stats(sessions, zone=zone, workers=worker_count())
    if changes:
        stats.by_change = collect_changes(SessionLibrary(sessions, now_ns=time.time_ns(), workers=worker_count()))
    return stats
