"""Values as JSON for scripts and archives (pure)."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec

from otel_bridge.prices import usd_str


def json_text(value: object) -> str:
    r"""Return a value as one line of JSON: structs as objects, money as decimal strings in plain notation.

    A path whose bytes are no text has ``\udcNN`` for these, as JSON escapes what UTF-8 cannot hold.
    """
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,))
    line = json.dumps(plain, default=usd_str, ensure_ascii=False, separators=(",", ":"))
    return line.encode("utf-8", "backslashreplace").decode()
