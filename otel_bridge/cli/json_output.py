"""What ``--json`` prints."""

from __future__ import annotations

import click

from otel_bridge.pipeline.plain_json import json_text


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    click.echo(json_text(value).encode())
