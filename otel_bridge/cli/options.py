"""Options that mean the same in all commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import otel_bridge
from otel_bridge.errors import NotFoundError
from otel_bridge.settings import environment, present_roots, transcript_roots
from otel_bridge.sources.transcript.discover import SessionFiles, discover_sessions

_LONGEST_S = 1_000_000_000


class Seconds(click.FloatRange):
    """A number of seconds somebody may wait for: up to 30 years; ``nan`` and ``inf`` are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or refuse what is none."""
        seconds = float(super().convert(value, param, ctx))
        if not seconds <= _LONGEST_S:
            self.fail(f"{value} is no number of seconds up to {_LONGEST_S}", param, ctx)
        return seconds


paths_argument = click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts.")
samples_option = click.option(
    "--or-samples", is_flag=True, help="Use the bundled sample sessions where no transcripts are found."
)
of_project_option = click.option(
    "--project", metavar="DIR", help="Began in this folder or below it; or the last name of a folder."
)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add PATH…, ``--json`` and ``--or-samples`` to a command."""
    return paths_argument(json_option(samples_option(function)))


def find_sessions(paths: Sequence[Path], *, or_samples: bool) -> list[SessionFiles]:
    """Return the sessions under the paths given, else under Claude Code's own folders.

    Raises:
        NotFoundError: there are none; the sentence says where they were looked for.
    """
    roots = list(paths) or present_roots(environment())
    sessions = discover_sessions(roots)
    if not sessions and or_samples:
        click.echo("no transcripts found: using the bundled sample sessions", err=True)
        sessions = discover_sessions([samples_folder()])
    if not sessions:
        raise no_transcripts(paths)
    return sessions


def no_transcripts(roots: Sequence[Path]) -> NotFoundError:
    """Return the error of a command that found nothing under some folders, for none the client's own.

    It advises what this very command can be given.
    """
    context = click.get_current_context(silent=True)
    names = {parameter.name for parameter in context.command.params} if context else set()
    advice = ["set CLAUDE_CONFIG_DIR"]
    if "paths" in names:
        advice.insert(0, "give a PATH")
    if "or_samples" in names:
        advice.append("add --or-samples to see how it looks")
    looked = ", ".join(map(str, roots or transcript_roots(environment())))
    return NotFoundError(f"no transcripts under {looked}: {', or '.join(advice)}")


def samples_folder() -> Path:
    """Return the folder of the sample sessions that come with the package."""
    return Path(otel_bridge.__file__).parent / "samples"
