"""Which days and times are meant: the time zone option, and times as people write them."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, tzinfo

import click

from otel_bridge.errors import UsageError
from otel_bridge.settings import environment
from otel_bridge.store.cells import fitting

_AGO = re.compile(r"(\d{1,18})([hdw])")
_UNITS_S = {"h": 3_600, "d": 86_400, "w": 604_800}

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


def time_ns_of(option: str, text: str, zone: tzinfo, now: datetime) -> int:
    """Return nanoseconds since the epoch: of a day's start, a time, or a span before now (``12h``, ``7d``, ``4w``).

    A time that is further away than the index can tell is the furthest it can.

    Raises:
        UsageError: it is none of these.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            at_s = int(now.timestamp()) - int(ago[1]) * _UNITS_S[ago[2]]
        else:
            at = datetime.fromisoformat(text.strip())
            at_s = int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp())
        return fitting(at_s * 1_000_000_000)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} is {text!r}: give a day (2026-11-21), a time (2026-11-21T14:00), or how long ago (12h, 7d, 4w)"
        ) from None


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
