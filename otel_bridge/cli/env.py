"""``otel-bridge env``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from msgspec import Struct

from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import json_option
from otel_bridge.cli.printable import printable, say
from otel_bridge.client_env.formats import Format, Setup, settings_env, written
from otel_bridge.client_env.places import Place, Protocol, destination, port_fault
from otel_bridge.client_env.variables import LeftOut, Variable, client_variables, left_out
from otel_bridge.errors import UsageError
from otel_bridge.pipeline.client_settings import (
    Change,
    managed_settings_path,
    refuse_project_settings,
    remove_variables,
    write_variables,
)
from otel_bridge.resource import host_type
from otel_bridge.settings import environment, home_folder, user_settings_path

_PLACES = {"local": Place.LAPTOP, "ci": Place.CI, "cloud": Place.CI, "cluster": Place.POD}


class Printed(Struct, frozen=True):
    """What ``--json`` prints."""

    place: str
    endpoint: str
    protocol: str
    variables: Sequence[Variable]
    left_out: Sequence[LeftOut]


class Written(Struct, frozen=True):
    """What ``--json`` prints after ``--write`` and ``--remove``."""

    path: str
    is_changed: bool
    is_dry_run: bool
    kept: Sequence[str]
    """Variables of ours that somebody changed since, which are left alone."""


@click.command("env", epilog="Example: otel-bridge env --write user")
@click.option("--for", "place", type=click.Choice([place.value for place in Place]),
              help="Where the client runs; default: what this looks like.")  # fmt: skip
@click.option("--endpoint", metavar="URL", help="Where the client sends; default: the bridge on its own machine.")
@click.option("--protocol", type=click.Choice([protocol.value for protocol in Protocol]),
              help="How it sends; default: grpc for port 4317, else http/protobuf.")  # fmt: skip
@click.option("--traces/--no-traces", "has_traces", default=True, show_default=True, help="Send spans, too (beta).")
@click.option("--format", "form", type=click.Choice([form.value for form in Format]),
              help="How to write them; default: kubernetes with --for pod, else shell.")  # fmt: skip
@click.option("--write", metavar="user|managed|PATH", help="Put them into the env of a settings file instead.")
@click.option("--remove", metavar="[user|managed|PATH]", is_flag=False, flag_value="user",
              help="Take them out of it again; without a value, of your own.")  # fmt: skip
@click.option("--dry-run", "is_dry", is_flag=True, help="With --write and --remove: only show what would change.")
@json_option
def command(
    *,
    place: str | None,
    endpoint: str | None,
    protocol: str | None,
    has_traces: bool,
    form: str | None,
    write: str | None,
    remove: str | None,
    is_dry: bool,
    as_json: bool,
) -> None:
    """Print the variables that make Claude Code send its own telemetry to the bridge, each with its reason.

    --write puts them into your own settings, into those an administrator gives to all users, or into a file for
    the client's --settings; nothing else in it changes, and --remove restores it to the byte. No texts of prompts,
    answers or tools are switched on.
    """
    _refuse_combinations(write=write, remove=remove, form=form, is_dry=is_dry)
    if remove is not None:
        path = _settings_path(remove)
        _report(path, remove_variables(path, is_dry=is_dry), verb="taken out", is_dry=is_dry, as_json=as_json)
        return
    setup = _setup(place, endpoint, protocol, has_traces=has_traces)
    if write is not None:
        path = _settings_path(write)
        change = write_variables(path, settings_env(setup.variables), is_dry=is_dry)
        _report(path, change, verb="put in", is_dry=is_dry, as_json=as_json)
    elif as_json:
        print_json(Printed(setup.place, setup.to.endpoint, setup.to.protocol, setup.variables, left_out(setup.place)))
    else:
        click.echo(written(setup, _format(form, place)), nl=False)


def _refuse_combinations(*, write: str | None, remove: str | None, form: str | None, is_dry: bool) -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: they do; the sentence names them.
    """
    if write is not None and remove is not None:
        raise UsageError("--write and --remove: give one of them")
    if form is not None and (write or remove) is not None:
        raise UsageError("--format is about what is printed; a settings file has a format of its own")
    if is_dry and write is None and remove is None:
        raise UsageError("--dry-run goes with --write or --remove; without them nothing is written anyway")


def _setup(place: str | None, endpoint: str | None, protocol: str | None, *, has_traces: bool) -> Setup:
    where = Place(place) if place else _PLACES[host_type(environment())]
    to = destination(endpoint, protocol)
    if doubt := port_fault(to.endpoint, to.protocol):
        say(f"warning: {to.endpoint} with {to.protocol}: {doubt}")
    return Setup(where, to, client_variables(where, to, has_traces=has_traces))


def _format(form: str | None, place: str | None) -> Format:
    if form is not None:
        return Format(form)
    return Format.KUBERNETES if place == Place.POD else Format.SHELL


def _settings_path(where: str) -> Path:
    """Return the settings file that is meant.

    Raises:
        UsageError: it belongs to a project.
    """
    user = user_settings_path(environment())
    if where == "user":
        return user
    if where == "managed":
        return managed_settings_path()
    path = Path(where)
    refuse_project_settings(path, user, home_folder())
    return path


def _report(path: Path, change: Change, *, verb: str, is_dry: bool, as_json: bool) -> None:
    if as_json:
        print_json(Written(str(path), not change.is_none, is_dry, change.kept))
        return
    if is_dry:
        for line in change.diff(path).splitlines():
            click.echo(printable(line))
    else:
        done = "nothing was to be done" if change.is_none else f"the variables are {verb}"
        click.echo(f"{printable(str(path))}: {done}")
    for name in change.kept:
        say(f"{name} was changed since it was put in: it stays as it is")
    if not (is_dry or change.is_none):
        say("running clients keep what they started with: start them anew")
