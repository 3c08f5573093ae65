"""Which days are meant: the time zone option."""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo

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
    zone = _zone_named(name)
    if zone is None:
        raise UsageError(f"--timezone: no zone {name!r} here; names look like Europe/Prague, or UTC")
    return zone


def local_zone() -> tzinfo:
    """Return this machine's zone: by name where it has one, so that past days get their own offset."""
    name = environment().get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    return _zone_named(name) or datetime.now().astimezone().tzinfo or UTC


def _zone_named(name: str) -> tzinfo | None:
    if name.upper() in {"UTC", "ETC/UTC"}:
        return UTC
    if not name:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
