"""The same report as ``stats`` makes of files, from the index."""

from __future__ import annotations

from datetime import tzinfo
from sqlite3 import Connection

from otel_bridge.pipeline.changes import ChangeCost
from otel_bridge.pipeline.stats import SessionStats, Stats, build_stats, iso_time
from otel_bridge.sources.transcript.lines import LineAccount
from otel_bridge.store.listing import SessionLine
from otel_bridge.store.tallies import ChangeTally, change_tallies, session_tallies


def stored_stats(connection: Connection, *, zone: tzinfo, account: LineAccount) -> Stats:
    """Add up all sessions of the index; ``account`` says what became of the lines of their files."""
    tallies = session_tallies(connection, zone)
    return build_stats(((_session_stats(tally.session), tally.groups) for tally in tallies), zone=zone, account=account)


def stored_changes(connection: Connection) -> list[ChangeCost]:
    """Return the cost of every pull request in the index as ``collect_changes`` does, the dearest first."""
    return [_change_cost(tally) for tally in change_tallies(connection)]


def _change_cost(tally: ChangeTally) -> ChangeCost:
    change = tally.change
    if change is None:
        return ChangeCost(None, None, None, tally.sessions, tally.cost_usd)
    return ChangeCost(change.repository, str(change.number), change.url, tally.sessions, tally.cost_usd)


def _session_stats(line: SessionLine) -> SessionStats:
    """Return a session's line with its counters still 0."""
    return SessionStats(
        session_id=line.session_id,
        started_at=iso_time(line.started_ns),
        ended_at=iso_time(line.ended_ns),
        client_cost_usd=line.client_cost_usd,
        unrecorded_cost_usd=line.unrecorded_cost_usd,
        unrecorded_reasons=tuple(line.unrecorded_reasons),
        models=sorted(line.models),
        unpriced_models=line.unpriced_models,
        lower_bound_calls=line.lower_bound_calls,
        forked_from=line.forked_from,
        project=line.project,
        title=line.title,
    )
