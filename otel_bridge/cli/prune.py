"""``otel-bridge prune``."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from otel_bridge.cli.indexed import Source, data_dir_option, writer
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import json_option
from otel_bridge.cli.printable import say
from otel_bridge.cli.progress import progress_bars
from otel_bridge.cli.zones import local_zone, time_ns_of
from otel_bridge.errors import NotFoundError, UsageError
from otel_bridge.pipeline.index.pruning import Choice, Pruned, choose, prune, summary

_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*(k|m|g|t)?(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@click.command("prune", epilog="Example: otel-bridge prune --older-than 26w --dry-run")
@click.option("--older-than", metavar="TIME", help="Sessions that ended before a day, a time, so long ago (26w).")
@click.option("--max-size", metavar="SIZE", help="The oldest sessions, until the index is no larger (500M, 2G).")
@click.option("--archive-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the archive is put; default: archive in the folder of the index.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@data_dir_option
@json_option
def command(
    *,
    older_than: str | None,
    max_size: str | None,
    archive_dir: Path | None,
    dry_run: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Remove old sessions from the index, after they are written to a compressed archive.

    Transcripts are not touched, and what endpoints were sent stays known. A removed session comes back when its
    transcript grows. Sessions with an open turn stay, and those that share calls with one that stays.
    """
    if older_than is None and max_size is None:
        raise UsageError("say what may go: --older-than 26w, --max-size 500M, or both")
    now = datetime.now(UTC)
    before_ns = None if older_than is None else time_ns_of("--older-than", older_than, local_zone(), now)
    choice = Choice(before_ns, None if max_size is None else _bytes(max_size))
    source = Source((), data_dir, or_samples=False)
    if not source.path.exists():
        raise NotFoundError(f"there is no index at {source.path}; `otel-bridge sync` makes one")
    archive = (archive_dir or source.path.parent / "archive") / f"sessions-{now:%Y%m%dT%H%M%SZ}.jsonl.gz"
    with writer(source, command="prune") as place:
        chosen = choose(place, choice)
        if dry_run or not chosen:
            pruned = summary(chosen)
        else:
            with progress_bars("archiving", in_bytes=False) as (set_progress,):
                pruned = prune(place, chosen, archive, now_ns=time.time_ns(), progress=set_progress)
    if as_json:
        print_json(pruned)
    else:
        _say(pruned, dry_run=dry_run)


def _say(pruned: Pruned, *, dry_run: bool) -> None:
    what = f"{pruned.sessions:,} sessions with {pruned.calls:,} model calls, {pruned.cost_usd:,.4f} USD"
    size = f"about {pruned.index_bytes / (1 << 20):,.1f} MiB"
    if pruned.archive is not None:
        say(f"{what} removed ({size}); they are in {pruned.archive}")
        if not pruned.is_smaller:
            say("! there is no room to make the index file smaller; what is free in it is used first")
    else:
        say(f"{what} would be removed ({size})" if dry_run else "nothing is old or large enough to be removed")


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--max-size is {text!r}: give bytes, or a size such as 500M or 2G")
    return int(float(found[1]) * _UNITS[(found[2] or "").lower()])
