"""What sinks carry: spans, log records and data points with their resource, whatever the wire format (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum

from msgspec import Struct

AttributeValue = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, AttributeValue]


class Signal(StrEnum):
    """The OTLP signals; the value is the last part of the OTLP/HTTP path."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


class SpanKind(IntEnum):
    """OTLP span kinds this bridge emits."""

    INTERNAL = 1
    CLIENT = 3


class Link(Struct, frozen=True):
    """A pointer to another span (previous turn, fork origin)."""

    trace_id: bytes
    span_id: bytes
    attributes: dict[str, AttributeValue] = {}


class Span(Struct):
    """One finished span. Status is ERROR exactly when ``error.type`` is among the attributes, else unset."""

    trace_id: bytes
    """16 bytes."""
    span_id: bytes
    """8 bytes."""
    parent_id: bytes
    """8 bytes, or empty for a root."""
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: dict[str, AttributeValue]
    links: tuple[Link, ...] = ()
    status_message: str = ""

    @property
    def is_error(self) -> bool:
        """True when the status is ERROR."""
        return "error.type" in self.attributes


class LogRecord(Struct):
    """One event: a log record with an event name."""

    event_name: str
    time_ns: int
    severity_number: int
    attributes: dict[str, AttributeValue]
    trace_id: bytes = b""
    span_id: bytes = b""


class Resource(Struct, frozen=True):
    """Who produced the telemetry, as sorted pairs so that equal resources compare and hash equal."""

    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    schema_url: str = ""


class Scope(Struct, frozen=True):
    """The instrumentation scope all of our telemetry is emitted under."""

    name: str
    version: str
    schema_url: str = ""


class Instrument(StrEnum):
    """How the points of a metric are to be read; all are cumulative since the start of their series."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(Struct, frozen=True):
    """What is measured."""

    name: str
    unit: str
    """UCUM."""
    instrument: Instrument
    brief: str = ""
    attributes: tuple[str, ...] = ()
    """All that its points may carry."""


class Distribution(Struct, frozen=True):
    """An exponential histogram: bucket ``i`` counts values above 2^(i / 2^scale), up to and with the next bound."""

    count: int
    sum: float
    scale: int
    zero_count: int = 0
    """Values of exactly 0; there are none below."""
    offset: int = 0
    """Index of the first bucket."""
    buckets: tuple[int, ...] = ()


class DataPoint(Struct):
    """What a series had come to at a time."""

    metric: Metric
    attributes: dict[str, AttributeValue]
    start_ns: int
    time_ns: int
    value: int | float | Distribution


class Batch(Struct, frozen=True):
    """Items of one signal under one resource, the unit a sink encodes and sends."""

    signal: Signal
    resource: Resource
    items: Sequence[Span] | Sequence[LogRecord] | Sequence[DataPoint]
