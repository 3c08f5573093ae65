"""What ``--json`` prints."""

from __future__ import annotations

import json
from decimal import Decimal

import click
import msgspec

from otel_bridge.prices import usd_str


def print_json(value: object) -> None:
    """Print a value as one line of JSON: structs as objects, money as decimal strings in plain notation."""
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,))
    click.echo(json.dumps(plain, default=usd_str, ensure_ascii=False, separators=(",", ":")).encode())
