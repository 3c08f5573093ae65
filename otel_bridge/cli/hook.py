"""``otel-bridge hook``."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import Struct

from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import Seconds, json_option
from otel_bridge.cli.printable import printable
from otel_bridge.errors import BridgeError, UsageError
from otel_bridge.hooks.command import hook_command
from otel_bridge.pipeline.errands import Errand
from otel_bridge.pipeline.hook_files import find_hooks, install_hook, uninstall_hook
from otel_bridge.pipeline.metrics_files import METRICS_DIR, path_key, refresh_metrics
from otel_bridge.settings import data_folder, environment, user_settings_path

_NICENESS = 10
"""The client and what it runs go first."""
_SETTLE_S = 2.0
"""The client writes the last answer down a moment after it has started the hook (seen in 2.1.50)."""

project_option = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The project that is meant; default: the current folder.",
)
scope_option = click.option(
    "--scope", type=click.Choice(["project", "user"]), default="project", show_default=True,
    help="Whose settings: the project's, or your own, for all projects.",
)  # fmt: skip
metrics_dir_option = click.option(
    "--metrics-dir", default=METRICS_DIR, show_default=True, metavar="DIR", help="Where a project keeps its metrics."
)


class Place(Struct, frozen=True):
    """A settings file, and whether the hook is in it."""

    scope: str
    path: str
    commands: list[str]
    trouble: str | None = None
    """Why that cannot be told."""


class HookStatus(Struct, frozen=True):
    """What ``status --json`` prints."""

    settings: list[Place]
    metrics_dir: str
    troubles: str
    """What went wrong when the hook ran last, with the time; empty if nothing did."""


@click.group("hook", epilog="Example: otel-bridge hook install")
def command() -> None:
    """Keep a project's metrics fresh: a Stop hook that runs after each answer."""


@command.command("install", epilog="Example: otel-bridge hook install --project ~/src/widgets")
@project_option
@scope_option
@metrics_dir_option
def install_command(*, project: Path | None, scope: str, metrics_dir: str) -> None:
    """Put a Stop hook into a project's or your own settings; nothing else in them changes.

    After each answer it brings sessions.json and tasks.json up to date in the background and stages them in git. It
    never commits, and the client waits for nothing. In your own settings it works in all projects that have the folder
    of metrics already.
    """
    path = _settings_path(project, scope)
    is_new = install_hook(path, hook_command(_program(), metrics_dir, opt_in=scope == "user"))
    click.echo(f"{printable(str(path))}: {'the Stop hook is in' if is_new else 'the Stop hook was in already'}")


@command.command("uninstall", epilog="Example: otel-bridge hook uninstall")
@project_option
@scope_option
def uninstall_command(*, project: Path | None, scope: str) -> None:
    """Take the Stop hook out again: the file is as it was, to the byte."""
    path = _settings_path(project, scope)
    is_out = uninstall_hook(path)
    click.echo(f"{printable(str(path))}: {'the Stop hook is out' if is_out else 'there was no Stop hook of ours'}")


@command.command("status", epilog="Example: otel-bridge hook status")
@project_option
@metrics_dir_option
@json_option
def status_command(*, project: Path | None, metrics_dir: str, as_json: bool) -> None:
    """Say where the hook is and what went wrong when it ran last."""
    folder = _metrics_folder(project or Path(), metrics_dir)
    places = [
        _place(scope, _settings_path(None if scope == "user" else project, scope)) for scope in ("project", "user")
    ]
    status = HookStatus(places, str(folder), _errand(folder).troubles())
    if as_json:
        print_json(status)
        return
    for place in status.settings:
        state = place.trouble or ("installed" if place.commands else "not installed")
        click.echo(f"{place.scope:<8} {printable(place.path)}: {printable(state)}")
    for line in status.troubles.splitlines() or ["nothing went wrong"]:
        click.echo(f"{'last run':<8} {printable(line)}")


@command.command("run", hidden=True, epilog="Example: otel-bridge hook run --project .")
@project_option
@metrics_dir_option
@click.option("--opt-in", is_flag=True, help="Only where the folder of metrics exists.")
@click.option("--settle", type=Seconds(min=0, max=60), default=_SETTLE_S, show_default=True, metavar="SECONDS",
              help="How long to wait for the end of the transcript.")  # fmt: skip
def run_command(*, project: Path | None, metrics_dir: str, opt_in: bool, settle: float) -> None:
    """Bring the files up to date and stage them: what the hook starts in the background.

    Of several at once one does the work, and does it once more for those that came meanwhile.
    """
    project = project or Path()
    folder = _metrics_folder(project, metrics_dir)
    if opt_in and not folder.is_dir():
        return
    os.nice(_NICENESS)
    _errand(folder).run(lambda: _refresh(project, folder, settle))


def _refresh(project: Path, folder: Path, settle_s: float) -> str:
    """Refresh a project's metrics and return what went wrong: nobody sees what a hook in the background prints."""
    from otel_bridge.cli.report import metrics_options, sessions_for_report

    time.sleep(settle_s)
    try:
        troubles = refresh_metrics(folder, sessions_for_report((), project), metrics_options(None))
    except BridgeError as error:
        troubles = [str(error)]
    except Exception as error:
        troubles = [f"{type(error).__name__}: {error}; this is a fault of otel-bridge, please report it"]
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "".join(f"{at} {trouble}\n" for trouble in troubles)


def _place(scope: str, path: Path) -> Place:
    try:
        return Place(scope, str(path), [hook.command for hook in find_hooks(path)])
    except BridgeError as error:
        return Place(scope, str(path), [], str(error))


def _settings_path(project: Path | None, scope: str) -> Path:
    """Return the settings file that is meant.

    Raises:
        UsageError: a project and the user's own are asked for at once.
    """
    if scope == "project":
        return (project or Path()).resolve() / ".claude" / "settings.json"
    if project is not None:
        raise UsageError(
            "--project and --scope user: give one of them; a hook in your own settings works in all projects"
        )
    return user_settings_path(environment())


def _metrics_folder(project: Path, metrics_dir: str) -> Path:
    return project.resolve() / metrics_dir


def _errand(folder: Path) -> Errand:
    return Errand(data_folder(environment()) / "hooks" / path_key(folder))


def _program() -> list[str]:
    """Return how to call ourselves: by name where the shell finds it."""
    return ["otel-bridge"] if shutil.which("otel-bridge") else [sys.executable, "-m", "otel_bridge"]
