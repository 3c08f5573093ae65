"""When the sessions of these files spent what (I/O: counts them)."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.pipeline.preflight.spending import SessionSpend
from otel_bridge.prices import price_call
from otel_bridge.sources.transcript.census import SessionCensus
from otel_bridge.sources.transcript.discover import SessionFiles
from otel_bridge.sources.transcript.survey import survey_sessions


def collect_spending(sessions: Sequence[SessionFiles], *, workers: int) -> list[SessionSpend]:
    """Count all sessions; those without any time in them are left out. The costs add up to those of ``stats``."""
    survey = survey_sessions(sessions, workers=workers, summarize=spent_by)
    return [spend for _, spend in survey.summaries() if spend.started_ns]


def spent_by(census: SessionCensus) -> SessionSpend:
    """Return the times of a session's own calls, and when it began and ended."""
    calls = []
    for call in census.calls:
        cost_usd = call.cost_usd(price_call)
        if cost_usd is not None:
            calls.append((call.ended_ns, cost_usd))
    started_ns, ended_ns = census.times_ns()
    return SessionSpend(census.session_id, started_ns, ended_ns, tuple(calls), turns=len(census.prompts))
