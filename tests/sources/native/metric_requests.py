"""Small metrics requests as Claude Code and others send them."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint, Sum

from tests.sources.native.otlp import AT_NS, SESSION, pairs

METRICS_SCOPE = "com.anthropic.claude_code"
DELTA, CUMULATIVE = 1, 2


def data_point(value: float, attributes: dict[str, Any] | None = None, **fields: Any) -> NumberDataPoint:
    known: dict[str, Any] = {"start_time_unix_nano": AT_NS, "time_unix_nano": AT_NS + 1}
    amount = {"as_int": value} if isinstance(value, int) else {"as_double": value}
    given = pairs({"session.id": SESSION, **(attributes or {})})
    return NumberDataPoint(**{**known, **amount, **fields}, attributes=given)


def counter(name: str, *points: NumberDataPoint, temporality: int = DELTA, is_monotonic: bool = True) -> Metric:
    data = Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=is_monotonic)  # type: ignore[arg-type]
    return Metric(name=name, sum=data)


def metrics(
    *found: Metric, scope: str = METRICS_SCOPE, resource: dict[str, Any] | None = None
) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    add_metrics(request, *found, scope=scope, resource=resource)
    return request


def add_metrics(
    request: ExportMetricsServiceRequest, *found: Metric, scope: str, resource: dict[str, Any] | None = None
) -> None:
    group = request.resource_metrics.add()
    group.resource.attributes.extend(pairs({"service.version": "2.1.329", **(resource or {})}))
    scoped = group.scope_metrics.add()
    scoped.scope.name = scope
    scoped.metrics.extend(found)
