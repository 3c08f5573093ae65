"""Durations as Prometheus (``400d``, ``1h30m``) and Go (``336h0m0s``, ``1.5s``) write them (pure)."""

from __future__ import annotations

import re
from fractions import Fraction

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

_UNITS_NS = {
    "y": 365 * DAY_NS,
    "w": 7 * DAY_NS,
    "d": DAY_NS,
    "h": HOUR_NS,
    "m": MINUTE_NS,
    "s": SECOND_NS,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ns": 1,
}
"""Go writes the micro sign; it reads the Greek letter too."""
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ms|us|µs|μs|ns|y|w|d|h|m|s)")
_SHOWN_UNITS = ("d", "h", "m", "s", "ms")


def parse_duration(text: object) -> int | None:
    """Return the nanoseconds of a duration; ``None`` where it is none. Both syntaxes, and ``0`` without a unit."""
    written = str(text).strip() if isinstance(text, (str, int)) and not isinstance(text, bool) else ""
    if written == "0":
        return 0
    sign = -1 if written.startswith("-") else 1
    digits = written.lstrip("+-")
    parts = list(_PART.finditer(digits))
    if not parts or "".join(part[0] for part in parts) != digits:
        return None
    return sign * int(sum(Fraction(part[1]) * _UNITS_NS[part[2]] for part in parts))


def duration_text(span_ns: int) -> str:
    """Return a duration for reading, at most two units of it: ``400d``, ``1d12h``, ``2m``, ``0s``."""
    shown = ""
    for unit in _SHOWN_UNITS:
        count, span_ns = divmod(span_ns, _UNITS_NS[unit])
        if count:
            shown += f"{count}{unit}"
            if len(_PART.findall(shown)) == 2:
                break
        elif shown:
            break
    return shown or "0s"


def days_text(span_ns: int) -> str:
    """Return the whole days that hold a duration, as Prometheus reads them: ``400d``."""
    return f"{-(-span_ns // DAY_NS)}d"


def hours_text(span_ns: int) -> str:
    """Return the whole hours that hold a duration, as Go reads them (it knows no days): ``9600h``."""
    return f"{-(-span_ns // HOUR_NS)}h"
