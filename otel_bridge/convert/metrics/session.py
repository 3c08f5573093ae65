"""Sessions → batches of data points, each of at most an hour (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes
from otel_bridge.convert.metrics.facts import Fact, knowledge, session_facts
from otel_bridge.convert.metrics.series import SeriesSet
from otel_bridge.convert.options import ConvertOptions
from otel_bridge.model import Session
from otel_bridge.telemetry import Batch, DataPoint, Resource, Signal

_HOUR_NS = 3600 * 1_000_000_000

_KNOWN = (semconv.HOST_TYPE, semconv.USER_NAME, semconv.REPOSITORY_URL)


def session_metrics(session: Session, options: ConvertOptions, lesser_views: Iterable[Session] = ()) -> Iterator[Batch]:
    """Yield the session's data points; nothing for a session without turns of its own.

    The resource is the service name alone: whatever else told two readers of one session apart would double it.
    ``lesser_views`` are the session as others see it, or we did, who know less of it: without a fork's origin, without
    telemetry, without the transcript. Series that only they write are ended at 0.
    """
    series = SeriesSet()
    if session.turns:
        for fact in session_facts(session, _known(options)):
            series.add(_of_session(fact, session))
    for view in lesser_views:
        for fact in session_facts(view, _known(options)) if view.turns else ():
            series.touch(_of_session(fact, view))
    yield from _by_hour(series.points(knowledge(session)), _resource(session, options))


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
