"""When what an event reports began: events are stamped at the end and say how long it took (pure)."""

from __future__ import annotations

from otel_bridge.sources.native.records import AnyEvent


def started_ns(event: AnyEvent) -> int:
    """Return the end less the duration, where there is one; never before the epoch."""
    duration_ms = getattr(event, "duration_ms", None)
    return event.time_ns if duration_ms is None else max(0, event.time_ns - round(duration_ms * 1_000_000))
