"""``otel-bridge report``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from otel_bridge.cli.indexed import data_dir_option
from otel_bridge.cli.library import open_library
from otel_bridge.cli.options import paths_argument
from otel_bridge.cli.printable import printable
from otel_bridge.cli.zones import zone_of, zone_option
from otel_bridge.model import Session
from otel_bridge.pipeline.metrics_files import (
    METRICS_DIR,
    SESSIONS_NAME,
    TASKS_NAME,
    MetricsOptions,
    is_below,
    update_tasks,
    write_sessions,
)
from otel_bridge.reports.active_time import MINUTE_NS
from otel_bridge.reports.sessions_json import sessions_json, sessions_report
from otel_bridge.reports.work import SessionWork, collect_work, known_cost_usd, total
from otel_bridge.settings import data_folder, environment

project_option = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="Only sessions that began in this folder or below it; default: the current one.",
)


def report_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add PATH…, whose sessions, whose days and which pauses to a command."""
    for option in (
        zone_option,
        click.option("--gap-minutes", type=click.IntRange(min=1), default=5, show_default=True,
                     metavar="N", help="A pause of this length is not active time."),
        click.option("--all-projects", is_flag=True, help="Sessions of all projects."),
        project_option,
        data_dir_option,
        paths_argument,
    ):  # fmt: skip
        function = option(function)
    return function


@click.group("report", epilog="Example: otel-bridge report sessions-json")
def command() -> None:
    """Write what sessions add up to into files."""


@command.command("sessions-json", epilog="Example: otel-bridge report sessions-json --out - | jq .totals")
@report_options
@click.option("--out", metavar="FILE", help=f"Where to write; default: {METRICS_DIR}/{SESSIONS_NAME} of the project;"
              " - for stdout.")  # fmt: skip
def sessions_json_command(
    *, paths: tuple[Path, ...], project: Path, all_projects: bool, gap_minutes: int, timezone: str | None,
    out: str | None, data_dir: Path | None,
) -> None:  # fmt: skip
    """Write sessions, days and totals with tokens, cost and active time."""
    options = metrics_options(timezone, gap_minutes)
    works = collect_work(sessions_for_report(paths, None if all_projects else project, data_dir), options.zone)
    if out == "-":
        click.echo(sessions_json(sessions_report(works, options.zone, options.gap_ns)), nl=False)
        return
    path = Path(out) if out else project / METRICS_DIR / SESSIONS_NAME
    _tell(path, works, has_changed=write_sessions(path, works, options))


@command.command("tasks-json", epilog="Example: otel-bridge report tasks-json --file docs/metrics/tasks.json")
@report_options
@click.option("--file", "file", type=click.Path(path_type=Path), metavar="FILE",
              help=f"The list of tasks; default: {METRICS_DIR}/{TASKS_NAME} of the project.")  # fmt: skip
def tasks_json_command(
    *, paths: tuple[Path, ...], project: Path, all_projects: bool, gap_minutes: int, timezone: str | None,
    file: Path | None, data_dir: Path | None,
) -> None:  # fmt: skip
    """Fill sessions, missing costs and totals into a list of tasks.

    All else in the list stays as it is. A session belongs to the tasks during whose time it went on; its cost is shared
    in proportion to the time it had with each. Costs that somebody put in are never changed.
    """
    options = metrics_options(timezone, gap_minutes)
    works = collect_work(sessions_for_report(paths, None if all_projects else project, data_dir), options.zone)
    path = file or project / METRICS_DIR / TASKS_NAME
    update = update_tasks(path, works, options)
    for note in update.notes:
        click.echo(printable(note), err=True)
    _tell(path, works, has_changed=update.has_changed)


def sessions_for_report(paths: Sequence[Path], project: Path | None, data_dir: Path | None = None) -> Iterator[Session]:
    """Yield the sessions that began in a folder or below it, all for ``None``: of some paths, else of the index.

    Raises:
        NotFoundError: there are no transcripts; the sentence says where they were looked for.
        StoreError: the index cannot be used.
    """
    with open_library(paths, data_dir) as library:
        if project is None:
            yield from library
        else:
            yield from library.of_projects(lambda folder: is_below(folder, project))


def metrics_options(timezone: str | None, gap_minutes: int = 5) -> MetricsOptions:
    """Return how to report: the zone of days, and where is remembered what was filled in."""
    return MetricsOptions(zone_of(timezone), data_folder(environment()), gap_minutes * MINUTE_NS)


def _tell(path: Path, works: Sequence[SessionWork], *, has_changed: bool) -> None:
    from otel_bridge.cli.text import usd

    totals = total(work.totals for work in works)
    state = "written" if has_changed else "is up to date"
    click.echo(f"{printable(str(path))} {state}: {len(works)} sessions, {usd(known_cost_usd(totals))} USD", err=True)
    if totals.unpriced_calls:
        models = sorted({model for work in works for model, group in work.by_model.items() if group.unpriced_calls})
        click.echo(
            f"{totals.unpriced_calls} calls are not in the cost: no list price is known for"
            f" {printable(', '.join(models))}",
            err=True,
        )
