"""Any telemetry at all, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from otel_bridge.telemetry import Batch, Link, LogRecord, Resource, Signal, Span, SpanKind

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
