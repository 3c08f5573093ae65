"""``otel-bridge db``."""

from __future__ import annotations

from pathlib import Path

import click

from otel_bridge.cli.checks import print_checks
from otel_bridge.cli.indexed import data_dir_option, holder, index_path
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import json_option
from otel_bridge.cli.printable import printable, say
from otel_bridge.cli.text import usd
from otel_bridge.errors import BusyError, StoreError
from otel_bridge.pipeline.index.health import IndexInfo, check_file, index_info
from otel_bridge.pipeline.index.opening import reading, repair
from otel_bridge.store.lock import WriterLock

_MIB = 1024 * 1024


@click.group("db", epilog="Example: otel-bridge db info")
def command() -> None:
    """Look at the index itself."""


@command.command("info", epilog="Example: otel-bridge db info --json")
@data_dir_option
@json_option
def info_command(*, data_dir: Path | None, as_json: bool) -> None:
    """Say where the index lies, what is in it, what only it has, and what was sent where."""
    with reading(index_path(data_dir)) as place:
        info = index_info(place)
    if as_json:
        print_json(info)
    else:
        for name, value in _lines(info):
            click.echo(f"{name:<12}{printable(value)}")


@command.command("check", epilog="Example: otel-bridge db check")
@data_dir_option
@json_option
def check_command(*, data_dir: Path | None, as_json: bool) -> None:
    """Check that the index is sound and that transcripts are as they were read. Exits with 1 if it is not sound."""
    print_checks(check_file(index_path(data_dir)), as_json=as_json)


@command.command("repair", epilog="Example: otel-bridge db repair")
@data_dir_option
def repair_command(*, data_dir: Path | None) -> None:
    """Mend a damaged index: what only it has is kept, all else is read again from the transcripts."""
    path = index_path(data_dir)
    if not path.exists():
        raise StoreError(f"there is no index at {path}; `otel-bridge sync` makes one")
    with WriterLock(path) as lock:
        if not lock.acquire(holder("db repair")):
            raise BusyError(f"the index {path} is being written by {lock.holder()}; end that first")
    is_mended = repair(path, "", holder=holder("db repair"), notify=lambda line: say(f"! {line}"))
    say("run `otel-bridge sync` to fill it" if is_mended else f"nothing to repair in {path}")


def _lines(info: IndexInfo) -> list[tuple[str, str]]:
    lines = [
        ("index", f"{info.path}, {info.size_bytes / _MIB:,.1f} MiB"),
        ("versions", f"schema {info.schema_version}, data {info.data_version}"),
        ("sessions", f"{info.sessions:,} with {info.calls:,} model calls, {usd(info.cost_usd)} USD"),
        ("transcripts", f"{info.files:,} with {info.transcript_bytes / _MIB:,.1f} MiB"),
        ("only here", f"{info.gone_files:,} transcripts that are there no more"),
        ("texts", f"{info.texts:,} to search"),
    ]
    if info.unsettled_sessions:
        lines.append(("unsettled", f"{info.unsettled_sessions:,} sessions wait for the next pass"))
    if info.pruned_sessions:
        lines.append(("pruned", f"{info.pruned_sessions:,} sessions, {usd(info.pruned_cost_usd)} USD: in the archive"))
    return lines + [
        ("sent", f"{target.place}: {target.sent:,} ids, {target.pending_sessions:,} sessions pending")
        for target in info.targets
    ]
