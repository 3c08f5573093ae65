"""``sessions.json``: every session of a project, its days and its totals (pure).

The names are a contract with the scripts that read the file. ``total_tokens`` is input and output, ``all_tokens`` has
the cache too. Amounts are JSON numbers, in USD. Totals are sums of exact values, rounded when all is added up: they may
differ in the last digit from the sum of what the sessions show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal

import msgspec
from msgspec import Struct

from otel_bridge.reports.active_time import GAP_NS, active_ns, active_ns_by_day, local_iso_time, whole_minutes
from otel_bridge.reports.work import SessionWork, all_tokens, known_cost_usd, shown_usd, total
from otel_bridge.totals import Totals, day_of

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class SessionEntry(Struct, frozen=True):
    """One session. Times are ISO 8601 with the local offset, ``day`` is the local day it started on."""

    session_id: str
    started: str
    ended: str
    duration_wall_min: int
    duration_active_min: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_create_tokens: int
    total_tokens: int
    all_tokens: int
    messages: int
    """Responses of the model, each counted once."""
    cost_usd: Decimal | None
    """Without calls that have no price; ``None`` where none of them has one."""
    model: str | None
    """The one that cost most."""
    day: str


class DayEntry(Struct, frozen=True):
    """One local day: sessions that started on it, and what was spent and done on it, whenever the session started."""

    sessions: int
    cost_usd: Decimal | None
    active_min: int
    messages: int


class TotalsEntry(Struct, frozen=True):
    """Everything together."""

    total_sessions: int
    total_cost_usd: Decimal | None
    total_active_min: int
    total_wall_min: int
    total_input_tokens: int
    total_output_tokens: int
    total_cache_read_tokens: int
    total_cache_create_tokens: int
    total_all_tokens: int
    total_messages: int
    model: str | None


class SessionsReport(Struct, frozen=True):
    """The whole file."""

    sessions: list[SessionEntry]
    by_day: dict[str, DayEntry]
    totals: TotalsEntry


def sessions_report(works: Sequence[SessionWork], zone: tzinfo, gap_ns: int = GAP_NS) -> SessionsReport:
    """Return the report on sessions that come by start; a pause of ``gap_ns`` or longer is not active time."""
    return SessionsReport(
        [_session_entry(work, zone, gap_ns) for work in works],
        _day_entries(works, zone, gap_ns),
        _totals_entry(works, gap_ns),
    )


def sessions_json(report: SessionsReport) -> bytes:
    """Return the text of the file, the same bytes for the same report."""
    return msgspec.json.format(_ENCODER.encode(report), indent=2) + b"\n"


def _session_entry(work: SessionWork, zone: tzinfo, gap_ns: int) -> SessionEntry:
    totals = work.totals
    return SessionEntry(
        session_id=work.id,
        started=local_iso_time(work.started_ns, zone),
        ended=local_iso_time(work.ended_ns, zone),
        duration_wall_min=whole_minutes(work.ended_ns - work.started_ns),
        duration_active_min=whole_minutes(active_ns(work.moments, gap_ns)),
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        cache_read_tokens=totals.cache_read_tokens,
        cache_create_tokens=totals.cache_write_tokens,
        total_tokens=totals.input_tokens + totals.output_tokens,
        all_tokens=all_tokens(totals),
        messages=totals.calls,
        cost_usd=shown_usd(known_cost_usd(totals)),
        model=_dearest(work.by_model),
        day=day_of(zone)(work.started_ns),
    )


def _day_entries(works: Sequence[SessionWork], zone: tzinfo, gap_ns: int) -> dict[str, DayEntry]:
    day = day_of(zone)
    totals: defaultdict[str, Totals] = defaultdict(Totals)
    starts: defaultdict[str, int] = defaultdict(int)
    active: defaultdict[str, int] = defaultdict(int)
    for work in works:
        starts[day(work.started_ns)] += 1
        for on, group in work.by_day.items():
            totals[on].add(group)
        for on, duration_ns in active_ns_by_day(work.moments, day, gap_ns).items():
            active[on] += duration_ns
    return {
        on: DayEntry(starts[on], shown_usd(known_cost_usd(totals[on])), whole_minutes(active[on]), totals[on].calls)
        for on in sorted({*totals, *starts, *active})
    }


def _totals_entry(works: Sequence[SessionWork], gap_ns: int) -> TotalsEntry:
    totals = total(work.totals for work in works)
    by_model: defaultdict[str, Totals] = defaultdict(Totals)
    for work in works:
        for model, group in work.by_model.items():
            by_model[model].add(group)
    return TotalsEntry(
        total_sessions=len(works),
        total_cost_usd=shown_usd(known_cost_usd(totals)),
        total_active_min=whole_minutes(sum(active_ns(work.moments, gap_ns) for work in works)),
        total_wall_min=whole_minutes(sum(work.ended_ns - work.started_ns for work in works)),
        total_input_tokens=totals.input_tokens,
        total_output_tokens=totals.output_tokens,
        total_cache_read_tokens=totals.cache_read_tokens,
        total_cache_create_tokens=totals.cache_write_tokens,
        total_all_tokens=all_tokens(totals),
        total_messages=totals.calls,
        model=_dearest(by_model),
    )


def _dearest(by_model: Mapping[str, Totals]) -> str | None:
    """Return the model that cost most, the first by name of several."""
    return min(by_model, key=lambda model: (-by_model[model].cost_usd, model), default=None)
