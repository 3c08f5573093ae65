"""Metrics as Prometheus's text formats know them: families of samples under one name (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import Metric as Family
from prometheus_client.core import Sample

from otel_bridge.prometheus_names import series
from otel_bridge.telemetry import Distribution, Instrument, Metric

Value = int | float | Distribution
"""Of a distribution, only count and sum are shown."""

_KINDS = {Instrument.COUNTER: "counter", Instrument.GAUGE: "gauge", Instrument.HISTOGRAM: "summary"}
"""The text formats have no exponential histogram; a summary without quantiles says of it what can be said exactly."""


def family(metric: Metric, points: Iterable[tuple[Mapping[str, str], Value]]) -> Family:
    """Return a metric with the labels and values of its series, spelled as Prometheus's OTLP receiver does."""
    name = series(metric).name
    kind = _KINDS[metric.instrument]
    # The library adds to a counter's name what Prometheus has in it already.
    found = Family(name.removesuffix("_total") if kind == "counter" else name, metric.brief, kind)
    for labels, value in points:
        if isinstance(value, Distribution):
            found.samples.append(Sample(f"{name}_count", dict(labels), value.count))
            found.samples.append(Sample(f"{name}_sum", dict(labels), value.sum))
        else:
            found.samples.append(Sample(name, dict(labels), value))
    return found
