"""Which days are meant: the time zone option."""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import click

from otel_bridge.errors import UsageError
from otel_bridge.settings import environment

zone_option = click.option(
    "--timezone", metavar="NAME", help="Time zone of days, such as Europe/Prague or UTC; default: this machine's."
)


def zone_of(name: str | None) -> tzinfo:
    """Return the time zone of a name, this machine's for ``None``.

    Raises:
        UsageError: no such zone.
    """
    if name is None:
        return local_zone()
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"--timezone: no zone {name!r} here; names look like Europe/Prague, or UTC") from error


def local_zone() -> tzinfo:
    """Return this machine's zone: by name where it has one, so that past days get their own offset."""
    name = environment().get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return datetime.now().astimezone().tzinfo or UTC
