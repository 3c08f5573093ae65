"""Changes of series in any order → their points in time order: zero first, one a millisecond, a closing one (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from otel_bridge import semconv
from otel_bridge.convert.metrics.buckets import Histogram
from otel_bridge.convert.metrics.facts import Amount, Fact
from otel_bridge.telemetry import AttributeValue, DataPoint, Distribution, Instrument, Metric

MS_NS = 1_000_000
"""Prometheus keeps milliseconds."""

_PER_SECOND = 1_000_000_000

_DECLARED = {name: place for place, name in enumerate(semconv.METRICS)}

_Key = tuple[Metric, tuple[tuple[str, AttributeValue], ...]]
_Change = tuple[int, Amount | None]
"""Millisecond, and what is added or, in a histogram, counted; ``None`` for nothing."""


class Sent(NamedTuple):
    """What a target has of a session."""

    until_ms: int = 0
    """The time of the latest point."""
    series: Collection[tuple[str, Mapping[str, AttributeValue], int]] = ()
    """Metric, attributes and start in milliseconds of each series, as far as it is known which they were."""


NOTHING_SENT = Sent()


def identity(metric: str, attributes: Mapping[str, AttributeValue]) -> str:
    """Return what tells a series from all others of its resource, in whatever order its attributes are."""
    return repr((metric, sorted(attributes.items())))


class SeriesSet:
    """Series under construction, by metric and attributes."""

    def __init__(self) -> None:
        self._changes: defaultdict[_Key, list[_Change]] = defaultdict(list)
        self._last_ms = 0

    def add(self, fact: Fact) -> None:
        """Add a fact, in any order. What has no time is put at the beginning of all time."""
        self._append(fact, fact.amount)

    def touch(self, fact: Fact) -> None:
        """Let there be the series of a fact that is not true, so that it says 0 in the end."""
        self._append(fact, None)

    def end_others(self, known: Collection[tuple[str, Mapping[str, AttributeValue], int]]) -> None:
        """Let those of some series that are not among these say 0 in the end."""
        present = {identity(metric.name, dict(attributes)) for metric, attributes in self._changes} if known else ()
        for name, attributes, start_ms in known:
            metric = semconv.METRICS.get(name)
            if metric is not None and identity(name, attributes) not in present:
                self._changes[metric, tuple(attributes.items())].append((start_ms + 1, None))

    def _append(self, fact: Fact, amount: Amount | None) -> None:
        at_ms = max(fact.at_ns // MS_NS, 1)
        self._last_ms = max(self._last_ms, at_ms)
        self._changes[fact.metric, tuple(fact.attributes.items())].append((at_ms, amount))

    def points(self, closing_after_ms: int | None, sent_until_ms: int = 0) -> Iterator[DataPoint]:
        """Yield the points, series by series, each in time order.

        A series begins with an explicit zero 1 ms before its first change. With ``closing_after_ms`` each one ends with
        its last value so long after the last change of any: whoever knows more writes later, and so is read. Where
        something was sent that is later still, it ends then: what made it so late is not so any more.
        """
        closing_ms = None if closing_after_ms is None else max(self._last_ms + closing_after_ms, sent_until_ms)
        for metric, attributes in sorted(self._changes, key=_order):
            changes = sorted(self._changes[metric, attributes], key=itemgetter(0))
            yield from _points(metric, dict(attributes), changes, closing_ms)


def _order(key: _Key) -> tuple[int, str]:
    metric, attributes = key
    return _DECLARED[metric.name], str(attributes)


def _points(
    metric: Metric, attributes: dict[str, AttributeValue], changes: list[_Change], closing_ms: int | None
) -> Iterator[DataPoint]:
    start_ns = (changes[0][0] - 1) * MS_NS
    state = _state(metric)
    yield DataPoint(metric, attributes, start_ns, start_ns, state.value())
    for at_ms, same_ms in groupby(changes, key=itemgetter(0)):
        for _, amount in same_ms:
            if amount is not None:
                state.add(amount)
        yield DataPoint(metric, attributes, start_ns, at_ms * MS_NS, state.value())
    if closing_ms is not None:
        yield DataPoint(metric, attributes, start_ns, closing_ms * MS_NS, state.value())


class _Sum:
    def __init__(self, per_unit: int) -> None:
        self._total: Amount = 0
        self._per_unit = per_unit

    def add(self, amount: Amount) -> None:
        self._total += amount

    def value(self) -> int | float:
        if isinstance(self._total, Decimal):
            return float(self._total)
        return self._total if self._per_unit == 1 else self._total / self._per_unit


class _Counted:
    def __init__(self, per_unit: int) -> None:
        self._histogram = Histogram(per_unit)

    def add(self, amount: Amount) -> None:
        self._histogram.add(int(amount))

    def value(self) -> Distribution:
        return self._histogram.distribution()


def _state(metric: Metric) -> _Sum | _Counted:
    per_unit = _PER_SECOND if metric.unit == "s" else 1
    return _Counted(per_unit) if metric.instrument is Instrument.HISTOGRAM else _Sum(per_unit)
