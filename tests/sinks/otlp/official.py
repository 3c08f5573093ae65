"""The same telemetry as official OTLP messages, built field by field: what our encoders are measured against."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as OfficialRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    NumberDataPoint,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OfficialMetric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as OfficialResource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OfficialSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from otel_bridge.telemetry import (
    Attributes,
    AttributeValue,
    Batch,
    DataPoint,
    Distribution,
    Instrument,
    LogRecord,
    Metric,
    Scope,
    Signal,
    Span,
)


def official_request(batches: Iterable[Batch], scope: Scope, signal: Signal) -> Any:
    """Build the export request that holds the batches, one resource entry each."""
    if signal is Signal.METRICS:
        return _metrics_request(batches, scope)
    is_traces = signal is Signal.TRACES
    request = ExportTraceServiceRequest() if is_traces else ExportLogsServiceRequest()
    for batch in batches:
        entry = request.resource_spans.add() if is_traces else request.resource_logs.add()
        entry.resource.CopyFrom(OfficialResource(attributes=_attributes(dict(batch.resource.attributes))))
        entry.schema_url = batch.resource.schema_url
        inner = entry.scope_spans.add() if is_traces else entry.scope_logs.add()
        inner.scope.CopyFrom(InstrumentationScope(name=scope.name, version=scope.version))
        inner.schema_url = scope.schema_url
        for item in batch.items:
            if isinstance(item, Span):
                inner.spans.append(_span(item))
            else:
                inner.log_records.append(_record(item))
    return request


def _metrics_request(batches: Iterable[Batch], scope: Scope) -> Any:
    request = ExportMetricsServiceRequest()
    for batch in batches:
        entry = request.resource_metrics.add()
        entry.resource.CopyFrom(OfficialResource(attributes=_attributes(dict(batch.resource.attributes))))
        entry.schema_url = batch.resource.schema_url
        inner = entry.scope_metrics.add()
        inner.scope.CopyFrom(InstrumentationScope(name=scope.name, version=scope.version))
        inner.schema_url = scope.schema_url
        for metric, points in groupby(batch.items, key=lambda point: point.metric):  # type: ignore[union-attr]
            inner.metrics.append(_metric(metric, points))
    return request


def _metric(metric: Metric, points: Iterable[Any]) -> OfficialMetric:
    official = OfficialMetric(name=metric.name, description=metric.brief, unit=metric.unit)
    if metric.instrument is Instrument.HISTOGRAM:
        official.exponential_histogram.aggregation_temporality = AggregationTemporality.Value(CUMULATIVE)
        official.exponential_histogram.data_points.extend(map(_histogram_point, points))
    elif metric.instrument is Instrument.COUNTER:
        official.sum.aggregation_temporality = AggregationTemporality.Value(CUMULATIVE)
        official.sum.is_monotonic = True
        official.sum.data_points.extend(map(_number_point, points))
    else:
        official.gauge.SetInParent()
        official.gauge.data_points.extend(map(_number_point, points))
    return official


CUMULATIVE = "AGGREGATION_TEMPORALITY_CUMULATIVE"


def _number_point(point: DataPoint) -> NumberDataPoint:
    value = {"as_int": point.value} if isinstance(point.value, int) else {"as_double": point.value}
    return NumberDataPoint(
        attributes=_attributes(point.attributes),
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        **value,  # type: ignore[arg-type]
    )


def _histogram_point(point: DataPoint) -> ExponentialHistogramDataPoint:
    value = point.value
    assert isinstance(value, Distribution)
    official = ExponentialHistogramDataPoint(
        attributes=_attributes(point.attributes),
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        count=value.count,
        sum=value.sum,
        scale=value.scale,
        zero_count=value.zero_count,
    )
    if value.buckets:
        official.positive.offset = value.offset
        official.positive.bucket_counts.extend(value.buckets)
    return official


def _span(span: Span) -> OfficialSpan:
    official = OfficialSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id,
        name=span.name,
        kind=span.kind,
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_attributes(span.attributes),
        links=[
            OfficialSpan.Link(trace_id=link.trace_id, span_id=link.span_id, attributes=_attributes(link.attributes))
            for link in span.links
        ],
    )
    if "error.type" in span.attributes:
        official.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=span.status_message))
    return official


def _record(record: LogRecord) -> OfficialRecord:
    return OfficialRecord(
        time_unix_nano=record.time_ns,
        observed_time_unix_nano=record.time_ns,
        severity_number=record.severity_number,
        event_name=record.event_name,
        attributes=_attributes(record.attributes),
        trace_id=record.trace_id,
        span_id=record.span_id,
    )


def _attributes(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: AttributeValue) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    official = AnyValue()
    official.array_value.SetInParent()
    official.array_value.values.extend(map(_value, value))
    return official
