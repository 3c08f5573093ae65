"""Any telemetry at all, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from otel_bridge.telemetry import (
    Batch,
    DataPoint,
    Distribution,
    Instrument,
    Link,
    LogRecord,
    Metric,
    Resource,
    Signal,
    Span,
    SpanKind,
)

_texts = st.text(max_size=200)
_times = st.integers(0, 2**64 - 1)
_values = st.one_of(
    _texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 2),
    st.floats(),
    st.lists(_texts, max_size=3),
    st.lists(_texts, max_size=3).map(tuple),
)
# Few keys and few texts, so that the encoders' caches are hit with every type of value.
_attributes = st.dictionaries(st.sampled_from(["a", "b", "error.type"]) | _texts, _values, max_size=8)
_links = st.builds(Link, st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), _attributes)
_parents = st.just(b"") | st.binary(min_size=8, max_size=8)

spans = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_id=_parents,
    name=_texts,
    kind=st.sampled_from(SpanKind),
    start_ns=_times,
    end_ns=_times,
    attributes=_attributes,
    links=st.lists(_links, max_size=2).map(tuple),
    status_message=_texts,
)
records = st.builds(
    LogRecord,
    event_name=_texts,
    time_ns=_times,
    severity_number=st.integers(0, 24),
    attributes=_attributes,
    trace_id=st.just(b"") | st.binary(min_size=16, max_size=16),
    span_id=_parents,
)
_resources = st.builds(Resource, _attributes.map(lambda pairs: tuple(sorted(pairs.items(), key=str))), _texts)
trace_batches = st.lists(st.builds(Batch, st.just(Signal.TRACES), _resources, st.lists(spans, max_size=4)), max_size=3)
log_batches = st.lists(st.builds(Batch, st.just(Signal.LOGS), _resources, st.lists(records, max_size=4)), max_size=3)

_counts = st.integers(0, 2**40)
_names = st.sampled_from(["a", "b"])
_finite = st.floats(allow_nan=False, allow_infinity=False)
_distributions = st.builds(
    Distribution,
    _counts,
    _finite,
    st.integers(-4, 8),
    zero_count=_counts,
    offset=st.integers(-300, 300),
    buckets=st.lists(_counts, max_size=5).map(tuple),
)


def _points(metric: Metric) -> st.SearchStrategy[DataPoint]:
    numbers = st.integers(-(2**63), 2**63 - 1) | _finite
    values = _distributions if metric.instrument is Instrument.HISTOGRAM else numbers
    return st.builds(DataPoint, st.just(metric), _attributes, _times, _times, values)


points = st.builds(Metric, _names, _names, st.sampled_from(Instrument), _names).flatmap(_points)
metric_batches = st.lists(
    st.builds(Batch, st.just(Signal.METRICS), _resources, st.lists(points, max_size=6)), max_size=3
)
