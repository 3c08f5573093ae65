"""OTLP in JSON: ids in hex, 64-bit integers as text, enums as numbers, camelCase names (pure).

Like the protobuf encoder it encodes every item for itself and the texts among the attributes once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from otel_bridge.sinks.otlp.cache import Cache
from otel_bridge.sinks.otlp.encoder import METRIC_FRAMES_BYTES, Framing, Group, ItemEncoder, sendable_time, unframed
from otel_bridge.sinks.otlp.json_attributes import JsonAttributes, quoted
from otel_bridge.sinks.otlp.json_metrics import metric_frames, point_encoder
from otel_bridge.telemetry import Link, LogRecord, Resource, Scope, Signal, Span

_encode = msgspec.json.Encoder().encode


class JsonEncoder:
    """The JSON encoding of one signal."""

    content_type = "application/json"

    def __init__(self, signal: Signal, scope: Scope) -> None:
        self._form = form = _FORMS[signal]
        self.items = form.item_encoder()
        self._attributes = JsonAttributes()
        self._scope = b'"%b":[{"scope":{"name":%b,"version":%b}%b,"%b":[' % (
            form.scopes,
            quoted(scope.name),
            quoted(scope.version),
            _schema(scope.schema_url),
            form.items,
        )
        self.frame_bytes = len(b'{"":[]},]}]}') + len(form.resources)
        if signal is Signal.METRICS:
            self.frame_bytes += METRIC_FRAMES_BYTES

    def head(self, resource: Resource) -> bytes:
        """Encode the resource and the scope, up to the bracket the items follow."""
        attributes = self._attributes.all(dict(resource.attributes))
        return b'{"resource":{"attributes":%b}%b,%b' % (attributes, _schema(resource.schema_url), self._scope)

    def request(self, groups: Sequence[Group]) -> bytes:
        """Put an ``Export…ServiceRequest`` of one resource entry per group on one line."""
        framed = self._form.framed
        entries = [b"%b%b]}]}" % (group.head, b",".join(framed(group.items, group.encoded))) for group in groups]
        return b'{"%b":[%b]}' % (self._form.resources, b",".join(entries))


class _Link(Struct, rename="camel"):
    trace_id: str
    span_id: str
    attributes: Raw


class _Status(Struct, rename="camel", omit_defaults=True):
    code: int
    message: Raw = Raw(b'""')


class _Span(Struct, rename="camel", omit_defaults=True):
    trace_id: str
    span_id: str
    name: Raw
    kind: int
    start_time_unix_nano: str
    end_time_unix_nano: str
    attributes: Raw
    parent_span_id: str = ""
    links: list[_Link] = []
    status: _Status | None = None


class _LogRecord(Struct, rename="camel", omit_defaults=True):
    time_unix_nano: str
    observed_time_unix_nano: str
    severity_number: int
    event_name: Raw
    attributes: Raw
    trace_id: str = ""
    span_id: str = ""


def _span_encoder() -> ItemEncoder:
    attributes = JsonAttributes()
    names: Cache[str, Raw] = Cache(lambda name: Raw(quoted(name)))

    def link(link: Link) -> _Link:
        return _Link(link.trace_id.hex(), link.span_id.hex(), Raw(attributes.all(link.attributes)))

    def encode(spans: Sequence[Span]) -> list[bytes]:
        return [
            _encode(
                _Span(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    name=names[span.name],
                    kind=span.kind,
                    start_time_unix_nano=str(sendable_time(span.start_ns)),
                    end_time_unix_nano=str(sendable_time(span.end_ns)),
                    attributes=Raw(attributes.all(span.attributes)),
                    parent_span_id=span.parent_id.hex(),
                    links=list(map(link, span.links)),
                    status=_Status(2, Raw(quoted(span.status_message))) if span.is_error else None,
                )
            )
            for span in spans
        ]

    return encode


def _log_encoder() -> ItemEncoder:
    attributes = JsonAttributes()
    names: Cache[str, Raw] = Cache(lambda name: Raw(quoted(name)))

    def encode(records: Sequence[LogRecord]) -> list[bytes]:
        return [
            _encode(
                _LogRecord(
                    time_unix_nano=str(sendable_time(record.time_ns)),
                    # Observed when it happened: a later reading of the same record must give the same bytes.
                    observed_time_unix_nano=str(sendable_time(record.time_ns)),
                    severity_number=record.severity_number,
                    event_name=names[record.event_name],
                    attributes=Raw(attributes.all(record.attributes)),
                    trace_id=record.trace_id.hex(),
                    span_id=record.span_id.hex(),
                )
            )
            for record in records
        ]

    return encode


class _Form(NamedTuple):
    """What differs between the signals."""

    resources: bytes
    scopes: bytes
    items: bytes
    item_encoder: Callable[[], ItemEncoder]
    framed: Framing = unframed


_FORMS: Mapping[Signal, _Form] = {
    Signal.TRACES: _Form(b"resourceSpans", b"scopeSpans", b"spans", _span_encoder),
    Signal.LOGS: _Form(b"resourceLogs", b"scopeLogs", b"logRecords", _log_encoder),
    Signal.METRICS: _Form(b"resourceMetrics", b"scopeMetrics", b"metrics", point_encoder, metric_frames),
}


def _schema(url: str) -> bytes:
    return b',"schemaUrl":' + quoted(url) if url else b""
