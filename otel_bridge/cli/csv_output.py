"""Results as comma-separated values, for spreadsheets."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from otel_bridge.cli.printable import printable
from otel_bridge.prices import usd_str

_FORMULA_STARTS = ("=", "+", "-", "@")


def print_csv(kind: type[Struct], lines: Sequence[Struct]) -> None:
    """Print results of a kind under the names of its fields; nothing for unknown, lists joined by commas."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names = kind.__struct_fields__
    writer.writerow(names)
    writer.writerows([_cell(getattr(line, name)) for name in names] for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return usd_str(value)
    if isinstance(value, list):
        return _text(",".join(map(str, value)))
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: anybody may have named a branch."""
    return ("'" if text.startswith(_FORMULA_STARTS) else "") + printable(text)
