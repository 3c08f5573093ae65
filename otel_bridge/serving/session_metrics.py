"""What sessions cost and did, as a scrape can have it: the newest value of each series, without its past (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice

from prometheus_client.core import Metric as Family

from otel_bridge import semconv
from otel_bridge.prometheus_names import label
from otel_bridge.serving.families import Value, family
from otel_bridge.telemetry import AttributeValue, DataPoint, Distribution, Metric

PART = 1000
"""How many series of a metric are made into samples at a time."""

_SESSION = label(semconv.SESSION_ID)
_ORDER = {name: place for place, name in enumerate(semconv.METRICS)}
_HALVES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
"""Lone surrogates, which UTF-8 cannot hold; OTLP is sent the same."""

_Labels = Mapping[str, str]


class SessionMetrics:
    """A collector of prometheus-client: asks for the newest point of each series at every scrape."""

    def __init__(self, points: Callable[[], Iterable[DataPoint]]) -> None:
        self._points = points

    def collect(self) -> Iterator[Family]:
        """Yield the families in the order of ``semconv.METRICS``, a large one in several parts one after the other.

        The points may come in any order, one of each series. Of histograms, only count and sum are shown.
        """
        by_metric = _gathered(self._points())
        for name in sorted(by_metric, key=lambda name: _ORDER.get(name, len(_ORDER))):
            rows = by_metric[name].rows()
            while part := list(islice(rows, PART)):
                yield family(by_metric[name].metric, part)


class _Columns:
    """The series of one metric, in a fraction of the memory of their points."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.shared: list[_Labels] = []
        """All labels but the session's: the same few mappings for all sessions."""
        self.sessions: list[str] = []
        self.values: list[Value] = []

    def rows(self) -> Iterator[tuple[_Labels, Value]]:
        for shared, session, value in zip(self.shared, self.sessions, self.values, strict=True):
            yield ({_SESSION: session, **shared} if session else shared), value


def _gathered(points: Iterable[DataPoint]) -> dict[str, _Columns]:
    by_metric: dict[str, _Columns] = {}
    labels, readable = cache(_spelled), cache(_readable)
    for point in points:
        attributes = dict(point.attributes)
        session = attributes.pop(semconv.SESSION_ID, "")
        name = point.metric.name
        columns = by_metric.get(name) or by_metric.setdefault(name, _Columns(point.metric))
        columns.shared.append(labels(tuple(attributes.items())))
        columns.sessions.append(readable(session))
        columns.values.append(_without_buckets(point.value))
    return by_metric


def _spelled(attributes: tuple[tuple[str, AttributeValue], ...]) -> _Labels:
    return {label(name): _readable(value) for name, value in attributes}


def _readable(value: AttributeValue) -> str:
    return str(value).translate(_HALVES)


def _without_buckets(value: Value) -> Value:
    return Distribution(value.count, value.sum, 0) if isinstance(value, Distribution) else value
