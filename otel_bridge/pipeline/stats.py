"""What was used, added up: totals, by model, by day, by project, by session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import partial

from msgspec import UNSET, Struct, UnsetType

from otel_bridge.model import Problem
from otel_bridge.pipeline.changes import ChangeCost
from otel_bridge.prices import RateCard, default_book, price_call
from otel_bridge.sources.transcript.census import SessionCensus
from otel_bridge.sources.transcript.discover import SessionFiles
from otel_bridge.sources.transcript.lines import LineAccount, LineCounts
from otel_bridge.sources.transcript.survey import Survey, survey_sessions
from otel_bridge.totals import Totals, day_of

_PRICED_LATER = Decimal(0)


Group = tuple[str, str, Totals]
"""Model, day, counters."""


class SessionTally(Struct, array_like=True):
    """One session's own calls, added up by model and day."""

    groups: list[Group]
    """A model may have several on one day (price bands)."""
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
    by_project: dict[str, Totals]
    """By the first working folder; sessions without one under ``""``."""
    sessions: list[SessionStats]
    client_cost_usd: Decimal
    """Sum of the sessions' own totals, where the client wrote one."""
    unrecorded_cost_usd: Decimal
    timezone: str
    lines: LineCounts
    problems: list[Problem]
    by_change: list[ChangeCost] | UnsetType = UNSET
    """The cost by pull request, where it was asked for: of files, it takes reading every session whole."""


def collect_stats(
    sessions: Sequence[SessionFiles],
    *,
    zone: tzinfo,
    workers: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Stats:
    """Count sessions from their files; sessions are listed by start."""
    survey = survey_sessions(sessions, workers=workers, summarize=partial(tally_calls, zone=zone), progress=progress)
    counted = ((_session_stats(survey, session_id, tally), tally.groups) for session_id, tally in survey.summaries())
    return build_stats(counted, zone=zone, account=survey.account)


def build_stats(
    sessions: Iterable[tuple[SessionStats, Iterable[Group]]], *, zone: tzinfo, account: LineAccount
) -> Stats:
    """Add up sessions, given with all their counters still 0 and with what they used."""
    stats = Stats(
        totals=Totals(),
        by_model={},
        by_day={},
        by_project={},
        sessions=[],
        client_cost_usd=Decimal(0),
        unrecorded_cost_usd=Decimal(0),
        timezone=str(zone),
        lines=account.counts(),
        problems=sorted(account.problems),
    )
    for session, groups in sessions:
        _add_session(stats, session, groups)
    stats.sessions.sort(key=lambda session: (session.started_at or "", session.session_id))
    stats.by_model = _by_cost(stats.by_model)
    stats.by_day = dict(sorted(stats.by_day.items()))
    stats.by_project = _by_cost(stats.by_project)
    return stats


def tally_calls(census: SessionCensus, *, zone: tzinfo) -> SessionTally:
    """Price and add up a session's own calls. A call falls on the day it ended, a tool call on that of its result.

    Cost is linear in the tokens for one rate card: usages are added up first and each group is priced once.
    """
    day, rate_card = day_of(zone), default_book().rate_card
    groups: defaultdict[tuple[str, str, RateCard | None], Totals] = defaultdict(Totals)
    lower_bound_calls = 0
    for call in census.calls:
        at_ns, card = call.ended_ns, None
        lower_bound_calls += not call.is_stopped
        usage, model, on = call.usage(), call.model, day(at_ns)
        if call.iterations:
            cost = call.cost_usd(price_call)
        else:
            card = rate_card(model, at_ns, call.terms(), usage.prompt_tokens)
            cost = None if card is None else _PRICED_LATER
        group = groups[model, on, card]
        group.add_call(usage, cost)
        if call.tool_ends_ns:
            for result_ns in call.tool_ends_ns.values():
                result_on = day(result_ns)
                (group if result_on == on else groups[model, result_on, card]).tool_calls += 1
    for model, at_ns in census.late_tools:
        groups[model, day(at_ns), None].tool_calls += 1
    for (_, _, card), totals in groups.items():
        if card is not None:
            totals.cost_usd = card.cost(totals.usage())
    started_ns, ended_ns = census.times_ns()
    return SessionTally(
        groups=[(model, on, totals) for (model, on, _), totals in groups.items()],
        started_ns=started_ns,
        ended_ns=ended_ns,
        lower_bound_calls=lower_bound_calls,
        unpriced_models=sorted({model for (model, _, _), totals in groups.items() if totals.unpriced_calls}),
    )


def _add_session(stats: Stats, session: SessionStats, groups: Iterable[Group]) -> None:
    for model, on, totals in groups:
        session.add(totals)
        stats.by_model.setdefault(model, Totals()).add(totals)
        stats.by_day.setdefault(on, Totals()).add(totals)
    stats.totals.add(session)
    stats.by_project.setdefault(session.project or "", Totals()).add(session)
    stats.client_cost_usd += session.client_cost_usd or 0
    stats.unrecorded_cost_usd += session.unrecorded_cost_usd or 0
    stats.sessions.append(session)


def _by_cost(groups: dict[str, Totals]) -> dict[str, Totals]:
    return dict(sorted(groups.items(), key=lambda item: (-item[1].cost_usd, item[0])))


def _session_stats(survey: Survey[SessionTally], session_id: str, tally: SessionTally) -> SessionStats:
    head, client = survey.heads[session_id], survey.compare_with_client(session_id, price_call)
    return SessionStats(
        session_id=session_id,
        started_at=iso_time(tally.started_ns),
        ended_at=iso_time(tally.ended_ns),
        client_cost_usd=client.cost_usd,
        unrecorded_cost_usd=client.unrecorded_usd,
        unrecorded_reasons=client.unrecorded_reasons,
        models=sorted({model for model, _, _ in tally.groups}),
        unpriced_models=tally.unpriced_models,
        lower_bound_calls=tally.lower_bound_calls,
        forked_from=survey.origin_id(session_id),
        project=head.project,
        title=head.title,
    )


def iso_time(at_ns: int) -> str | None:
    """Return a time in UTC to the millisecond (``2026-11-21T01:53:49.000Z``); ``None`` for 0."""
    if not at_ns:
        return None
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{at_ns // 1_000_000 % 1000:03d}Z"
    )
