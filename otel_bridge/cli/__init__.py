"""The command line. Commands are imported when they are called: ``--help`` must answer at once."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Any

import click

from otel_bridge import __version__
from otel_bridge.cli.printable import printable
from otel_bridge.cli.streams import open_closed_streams
from otel_bridge.errors import BridgeError

COMMANDS = {
    "db": "Check the index, or say what is in it.",
    "doctor": "Check what is here and what can be reached.",
    "env": "Print or set what makes Claude Code send its own telemetry.",
    "export": "Send sessions as OpenTelemetry spans, events and metrics.",
    "hook": "Keep a project's metrics fresh after each answer.",
    "prices": "List prices per million tokens.",
    "prune": "Archive old sessions and remove them from the index.",
    "receive": "Take OTLP, convert what Claude Code says, pass the rest on.",
    "report": "Write what sessions add up to into files.",
    "search": "Find sessions by their prompts, commands, paths and errors.",
    "sessions": "List sessions by project, branch, PR, model, time or cost.",
    "show": "Show one session as a tree.",
    "stats": "Add up calls, tokens and cost.",
    "sync": "Bring index and endpoint up to date once.",
    "up": "Index, watch, receive, send, and answer scrapes.",
    "watch": "Keep index and endpoint up to date as sessions grow.",
}
"""Command name → short help; each lives in the module of its name."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module: Any = importlib.import_module(f"otel_bridge.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: otel-bridge stats ~/.claude/projects",
)
@click.version_option(__version__, message="otel-bridge %(version)s")
def app() -> None:
    """Tell what coding agents cost and where the time goes.

    Reads Claude Code's transcripts (CLAUDE_CONFIG_DIR, else ~/.claude) and speaks OpenTelemetry.
    """


_COLLECT_FROM_OBJECTS = 100_000
"""New objects between searches for cycles: a short command should not spend a tenth of its time on that."""


def main() -> None:
    """Run the command line; failures end with one sentence on stderr and their exit code."""
    gc.set_threshold(_COLLECT_FROM_OBJECTS)
    open_closed_streams()
    try:
        app.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BridgeError as error:
        click.echo(f"error: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        click.echo(f"error: cannot write the output: {error.strerror or error}", err=True)
        sys.stdout = None  # the interpreter would try to flush it once more
        sys.exit(1)
    finally:
        gc.freeze()  # nor on a last search when everything is freed anyway
