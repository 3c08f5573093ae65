"""``otel-bridge sessions``."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from otel_bridge.cli.csv_output import print_csv
from otel_bridge.cli.indexed import current_index, data_dir_option, no_sync_option
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import json_option, of_project_option, samples_option
from otel_bridge.cli.zones import time_ns_of, zone_of, zone_option
from otel_bridge.errors import UsageError
from otel_bridge.store.filters import SessionFilter
from otel_bridge.store.listing import SORTS, SessionLine, list_sessions


class _Usd(click.ParamType[Decimal]):
    name = "usd"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            self.fail(f"{value!r} is no amount in USD, such as 2.50", param, ctx)
        return amount


@click.command("sessions", epilog="Example: otel-bridge sessions --project widgets --since 7d --sort cost")
@of_project_option
@click.option("--branch", metavar="NAME", help="Worked on this branch.")
@click.option("--pr", "change", metavar="PR", help="Worked on a pull request: #12, owner/name#12, URL.")
@click.option("--model", metavar="NAME", help="Was answered by a model with this in its name.")
@click.option("--user", metavar="NAME", help="Is this account's.")
@click.option("--since", metavar="TIME", help="Started at or after a day, a time, or so long ago (7d).")
@click.option("--until", metavar="TIME", help="Started before that.")
@click.option("--min-cost", "min_cost_usd", type=_Usd(), metavar="USD", help="Cost at least so much.")
@click.option("--max-cost", "max_cost_usd", type=_Usd(), metavar="USD", help="Cost at most so much.")
@click.option("--text", metavar="WORDS", help="Has these words in a prompt, command, path or error.")
@click.option("--only-here", is_flag=True, help="Has transcripts that are gone, preserved only here.")
@click.option(
    "--sort",
    type=click.Choice(list(SORTS)),
    default="started",
    show_default=True,
    help="The greatest, the newest first.",
)
@click.option("--reverse", is_flag=True, help="The least, the oldest first.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="List so many; default: 20, for scripts all.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values for spreadsheets.")
@json_option
@zone_option
@samples_option
@data_dir_option
@no_sync_option
def command(
    *,
    project: str | None,
    branch: str | None,
    change: str | None,
    model: str | None,
    user: str | None,
    since: str | None,
    until: str | None,
    min_cost_usd: Decimal | None,
    max_cost_usd: Decimal | None,
    text: str | None,
    only_here: bool,
    sort: str,
    reverse: bool,
    limit: int | None,
    as_csv: bool,
    as_json: bool,
    timezone: str | None,
    or_samples: bool,
    data_dir: Path | None,
    no_sync: bool,
) -> None:
    """List the sessions of the index: which project, how long, how much.

    All conditions must hold. A session belongs to the time it started in.
    """
    if as_csv and as_json:
        raise UsageError("--csv and --json both write to the standard output: give one of them")
    zone, now = zone_of(timezone), datetime.now(UTC)
    wanted = SessionFilter(
        project=project,
        branch=branch,
        change=change,
        model=model,
        user=user,
        since_ns=None if since is None else time_ns_of("--since", since, zone, now),
        until_ns=None if until is None else time_ns_of("--until", until, zone, now),
        min_cost_usd=min_cost_usd,
        max_cost_usd=max_cost_usd,
        text=text,
        is_only_here=only_here,
    )
    with current_index(data_dir, or_samples=or_samples, no_sync=no_sync) as place:
        lines = list_sessions(place.connection, wanted, sort=sort, descending=not reverse)
    if as_csv:
        print_csv(SessionLine, lines[:limit])
    elif as_json:
        print_json(lines[:limit])
    else:
        from otel_bridge.cli.sessions_table import print_sessions

        print_sessions(lines, zone, shown=20 if limit is None else limit)
