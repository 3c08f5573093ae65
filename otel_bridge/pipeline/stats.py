"""What was used, added up: totals, by model, by day, by session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import partial

from msgspec import Struct

from otel_bridge.model import Problem
from otel_bridge.pipeline.client import client_account
from otel_bridge.prices import price_call
from otel_bridge.sources.transcript.census import SessionCensus
from otel_bridge.sources.transcript.discover import SessionFiles
from otel_bridge.sources.transcript.lines import LineAccount
from otel_bridge.sources.transcript.survey import Survey, survey_sessions
from otel_bridge.totals import Totals, day_of


class SessionTally(Struct, array_like=True):
    """One session's own calls, added up by model and day."""

    groups: list[tuple[str, str, Totals]]
    """Model, day, counters."""
    started_ns: int = 0
    ended_ns: int = 0
    lower_bound_calls: int = 0
    unpriced_models: list[str] = []


class SessionStats(Totals, kw_only=True):
    """One session's line of the report."""

    session_id: str
    started_at: str | None
    ended_at: str | None
    client_cost_usd: Decimal | None
    """The client's own total, where it wrote one."""
    unrecorded_cost_usd: Decimal | None
    """Client total less ours: calls no transcript records, or priced otherwise."""
    unrecorded_reasons: tuple[str, ...]
    models: list[str]
    unpriced_models: list[str]
    lower_bound_calls: int
    """Calls whose output count is only a lower bound."""
    forked_from: str | None
    project: str | None
    title: str | None


class Stats(Struct):
    """The whole report; ``stats --json`` prints it as it is."""

    totals: Totals
    by_model: dict[str, Totals]
    by_day: dict[str, Totals]
    sessions: list[SessionStats]
    client_cost_usd: Decimal
    """Sum of the sessions' own totals, where the client wrote one."""
    unrecorded_cost_usd: Decimal
    timezone: str
    lines: LineAccount
    problems: list[Problem]


def collect_stats(
    sessions: Sequence[SessionFiles],
    *,
    zone: tzinfo,
    workers: int,
    progress: Callable[[int], None] = lambda size_bytes: None,
) -> Stats:
    """Count sessions from their files; sessions are listed by start."""
    survey = survey_sessions(sessions, workers=workers, summarize=partial(tally_calls, zone=zone), progress=progress)
    stats = Stats(Totals(), {}, {}, [], Decimal(0), Decimal(0), str(zone), LineAccount(), [])
    for session_id, tally in survey.summaries():
        _add_session(stats, survey, session_id, tally)
    stats.sessions.sort(key=lambda session: (session.started_at or "", session.session_id))
    stats.by_model = dict(sorted(stats.by_model.items(), key=lambda item: (-item[1].cost_usd, item[0])))
    stats.by_day = dict(sorted(stats.by_day.items()))
    stats.lines = survey.account
    stats.problems = sorted(survey.account.problems)
    survey.account.problems = []
    return stats


def tally_calls(census: SessionCensus, *, zone: tzinfo) -> SessionTally:
    """Price and add up a session's own calls. A call falls on the day it ended, a tool call on that of its result."""
    day = day_of(zone)
    groups: dict[tuple[str, str], Totals] = {}
    tally = SessionTally([])
    unpriced: set[str] = set()
    times = [at_ns for _, at_ns in census.prompts]
    for call in census.calls:
        usage = call.usage()
        cost = price_call(call.model, usage, call.ended_ns, call.terms(), call.billed_entries())
        _group(groups, call.model, day(call.ended_ns)).add_call(usage, cost)
        times.append(call.ended_ns)
        if cost is None:
            unpriced.add(call.model)
        tally.lower_bound_calls += not call.is_stopped
        for tool_id in call.tool_ids:
            at_ns = census.finished_tool_ids[tool_id]
            times.append(at_ns)
            _group(groups, call.model, day(at_ns)).tool_calls += 1
    known = [at_ns for at_ns in times if at_ns]
    tally.started_ns, tally.ended_ns = (min(known), max(known)) if known else (0, 0)
    tally.groups = [(model, on, totals) for (model, on), totals in sorted(groups.items())]
    tally.unpriced_models = sorted(unpriced)
    return tally


def _group(groups: dict[tuple[str, str], Totals], model: str, day: str) -> Totals:
    key = model, day
    group = groups.get(key)
    if group is None:
        group = groups[key] = Totals()
    return group


def _add_session(stats: Stats, survey: Survey[SessionTally], session_id: str, tally: SessionTally) -> None:
    session = _session_stats(survey, session_id, tally)
    for model, on, totals in tally.groups:
        session.add(totals)
        stats.by_model.setdefault(model, Totals()).add(totals)
        stats.by_day.setdefault(on, Totals()).add(totals)
    stats.totals.add(session)
    client = client_account(survey, session_id)
    session.client_cost_usd = client.cost_usd
    session.unrecorded_cost_usd = client.unrecorded_usd
    session.unrecorded_reasons = client.unrecorded_reasons
    stats.client_cost_usd += session.client_cost_usd or 0
    stats.unrecorded_cost_usd += session.unrecorded_cost_usd or 0
    stats.sessions.append(session)


def _session_stats(survey: Survey[SessionTally], session_id: str, tally: SessionTally) -> SessionStats:
    head = survey.heads[session_id]
    return SessionStats(
        session_id=session_id,
        started_at=_iso(tally.started_ns),
        ended_at=_iso(tally.ended_ns),
        client_cost_usd=None,
        unrecorded_cost_usd=None,
        unrecorded_reasons=(),
        models=sorted({model for model, _, _ in tally.groups}),
        unpriced_models=tally.unpriced_models,
        lower_bound_calls=tally.lower_bound_calls,
        forked_from=survey.ownership.origins.get(session_id),
        project=head.project,
        title=head.title,
    )


def _iso(at_ns: int) -> str | None:
    if not at_ns:
        return None
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{at_ns // 1_000_000 % 1000:03d}Z"
    )
