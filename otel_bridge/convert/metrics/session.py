"""Sessions → batches of data points, each of at most an hour (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes
from otel_bridge.convert.metrics.counters import (
    client_facts,
    counted_facts,
    counters_are_authority,
    difference_facts,
)
from otel_bridge.convert.metrics.facts import Fact, knowledge, session_facts
from otel_bridge.convert.metrics.series import NOTHING_SENT, Sent, SeriesSet
from otel_bridge.convert.options import ConvertOptions
from otel_bridge.counters import ClientCounters
from otel_bridge.model import Session
from otel_bridge.telemetry import Batch, DataPoint, Resource, Signal

_HOUR_NS = 3600 * 1_000_000_000

_KNOWN = (semconv.HOST_TYPE, semconv.USER_NAME, semconv.REPOSITORY_URL)


def session_metrics(
    session: Session, options: ConvertOptions, lesser_views: Iterable[Session] = (), sent: Sent = NOTHING_SENT
) -> Iterator[Batch]:
    """Yield the session's data points; nothing for a session without turns of its own and without counters.

    The resource is the service name alone: whatever else told two readers of one session apart would double it.
    ``lesser_views`` are the session as others see it, or we did, who know less of it: without a fork's origin, without
    telemetry, without the transcript. Series that only they write are ended at 0, and so are those of ``sent`` that are
    no more. The last values are written after the latest point that was sent.
    """
    known, counters = _known(options), session.client_counters
    series = SeriesSet()
    facts = list(session_facts(session, known)) if session.turns else []
    for fact in facts:
        series.add(_of_session(fact, session))
    for view in lesser_views:
        for fact in session_facts(view, known) if view.turns else ():
            series.touch(_of_session(fact, view))
    if counters is not None:
        _add_counters(series, session, facts, counters, known)
    series.end_others(sent.series)
    knows = knowledge(session) + (counters.point_count if counters is not None else 0)
    yield from _by_hour(series.points(knows, sent.until_ms), _resource(session, options))


def _add_counters(
    series: SeriesSet, session: Session, facts: list[Fact], counters: ClientCounters, known: Attributes
) -> None:
    """Add what the client counted, as far as it is the authority; who had the counters alone must not stand."""
    added, counted = [*client_facts(counters)], [*counted_facts(counters, session.agent, known)]
    if counters_are_authority(session):
        added += counted
    else:
        added += difference_facts(session, facts, counters)
        for fact in counted:
            series.touch(_of_session(fact, session))
    for fact in added:
        series.add(_of_session(fact, session))


class MergedMetrics:
    """Series over all sessions together, without session ids (docs/metrics.md says what is lost).

    They end without closing points: the knowledge of all sessions together would put those far into the future.
    """

    def __init__(self, options: ConvertOptions) -> None:
        self._options = options
        self._series = SeriesSet()
        self._resource: Resource | None = None

    def add(self, session: Session) -> None:
        """Take in a session."""
        self._resource = self._resource or _resource(session, self._options)
        for fact in session_facts(session, _known(self._options)):
            if fact.metric is not semconv.SESSION_INFO:
                self._series.add(fact._replace(at_ns=fact.at_ns or session.started_ns))

    def batches(self) -> Iterator[Batch]:
        """Yield the data points of all sessions taken in."""
        if self._resource is not None:
            yield from _by_hour(self._series.points(None), self._resource)


def _known(options: ConvertOptions) -> Attributes:
    given = dict(options.resource)
    return {name: given[name] for name in _KNOWN if name in given}


def _of_session(fact: Fact, session: Session) -> Fact:
    """Return the fact under the session's id; what has no time of its own happened when the session began."""
    return fact._replace(
        at_ns=fact.at_ns or session.started_ns, attributes={semconv.SESSION_ID: session.id, **fact.attributes}
    )


def _resource(session: Session, options: ConvertOptions) -> Resource:
    name = dict(options.resource).get(semconv.SERVICE_NAME, session.agent)
    return Resource(((semconv.SERVICE_NAME, name),), semconv.RESOURCE_SCHEMA_URL)


def _by_hour(points: Iterable[DataPoint], resource: Resource) -> Iterator[Batch]:
    """Cut at full hours: a receiver that refuses one point for its time refuses the request it came in."""
    hours: dict[int, list[DataPoint]] = {}
    for point in points:
        hours.setdefault(point.time_ns // _HOUR_NS, []).append(point)
    for _, items in sorted(hours.items()):
        yield Batch(Signal.METRICS, resource, items)
