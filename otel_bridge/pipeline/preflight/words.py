"""How a loss is told (pure)."""

from __future__ import annotations

from otel_bridge.backends.durations import DAY_NS
from otel_bridge.pipeline.checks import Loss

LEAST_KEPT_NS = 400 * DAY_NS
"""What the shipped configurations keep: a year and a month."""
_SPARE_NS = 30 * DAY_NS
"""Sessions grow older while people make up their minds."""


def wanted_ns(age_ns: int) -> int:
    """Return what to set a window or a retention to, so that telemetry of this age fits with time to spare."""
    return max(LEAST_KEPT_NS, age_ns + _SPARE_NS)


def told(loss: Loss, of_sessions: int, *, gone: str = "would be lost", cut: str) -> str:
    """Return a loss in words: what happens to whole sessions, and to those that lose (``cut``) only a part."""
    parts = []
    if loss.sessions:
        parts.append(f"{loss.sessions:,} of {of_sessions:,} sessions {gone}")
    if loss.shortened_sessions:
        more = " more" if loss.sessions else f" of {of_sessions:,} sessions"
        parts.append(f"{loss.shortened_sessions:,}{more} {cut}")
    return " and ".join(parts) + (f" ({loss.cost_usd:,.4f} USD)" if loss.cost_usd else "")


def has_loss(loss: Loss) -> bool:
    """Say whether there is any."""
    return bool(loss.sessions or loss.shortened_sessions)
