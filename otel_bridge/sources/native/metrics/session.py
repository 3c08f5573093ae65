"""A session and the points of the client's counters → the session with what they add to it (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from otel_bridge.counters import ClientCounters
from otel_bridge.model import Session
from otel_bridge.sources.native.metrics.fold import fold_points
from otel_bridge.sources.native.metrics.records import NativePoint

COUNTERS_ONLY = "counters_only"
"""Why a session's cost is unrecorded of which neither a transcript nor an event told any call."""


def with_counters(session: Session, points: Iterable[NativePoint]) -> Session:
    """Return a session with what its client counted, the points given in any order and with repeats.

    Where nothing else told of a turn, the counters say when it was, and their cost is the client's own total: of calls
    that nobody recorded.
    """
    counters = fold_points(session.id, points)
    if session.turns or not counters.point_count:
        return structs.replace(session, client_counters=counters)
    told = structs.replace(
        session,
        client_counters=counters,
        started_ns=min(session.started_ns or counters.first_ns, counters.first_ns),
        ended_ns=max(session.ended_ns, _last_ns(counters)),
    )
    if told.client_cost_usd is not None or counters.cost_usd is None:
        return told
    reasons = (COUNTERS_ONLY,) if counters.cost_usd else ()
    return structs.replace(
        told,
        client_cost_usd=counters.cost_usd,
        unrecorded_cost_usd=counters.cost_usd,
        unrecorded_reasons=reasons,
    )


def _last_ns(counters: ClientCounters) -> int:
    return max([counters.first_ns, *counters.report_times()])
