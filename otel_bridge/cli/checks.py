"""Checks as commands print them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.printable import printable
from otel_bridge.pipeline.checks import FAILED, OK, Check

_MARKS = {OK: ("ok", "green"), FAILED: ("FAILED", "red")}


def print_checks(checks: Sequence[Check], *, as_json: bool) -> NoReturn:
    """Print checks and end the program, with 1 if one failed."""
    if as_json:
        print_json(checks)
    else:
        for check in checks:
            _print(check)
    sys.exit(any(check.verdict == FAILED for check in checks))


def _print(check: Check) -> None:
    mark, color = _MARKS.get(check.verdict, ("warning", "yellow"))
    click.echo(f"{click.style(f'{mark:<8}', fg=color)}{check.name}: {printable(check.found)}")
    for advice in (check.advice, *map(str, check.fixes)):
        if advice:
            click.echo(f"        → {printable(advice)}")
