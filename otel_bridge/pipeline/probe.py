"""A record of each signal that belongs to no session, sent to see whether it arrives (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from otel_bridge.semconv import PROBE, PROBE_SERVICE, RESOURCE_SCHEMA_URL, SERVICE_NAME
from otel_bridge.sinks.otlp.encoder import Encoder, Group, Item
from otel_bridge.telemetry import DataPoint, LogRecord, Resource, Signal, Span, SpanKind

_INFO = 9
_RESOURCE = Resource(((SERVICE_NAME, PROBE_SERVICE),), RESOURCE_SCHEMA_URL)


def probe_request(encoder: Encoder, signal: Signal, now_ns: int) -> bytes:
    """Return a request with one record, of this moment."""
    items = _items(signal, now_ns)
    group = Group(_RESOURCE, encoder.head(_RESOURCE), list(items), encoder.items(items))
    return encoder.request([group])


def _items(signal: Signal, now_ns: int) -> Sequence[Item]:
    if signal is Signal.METRICS:
        return [DataPoint(PROBE, {}, now_ns, now_ns, 1)]
    ids = blake2b(f"{PROBE.name} {now_ns}".encode(), digest_size=24).digest()
    if signal is Signal.LOGS:
        return [LogRecord(PROBE.name, now_ns, _INFO, {}, ids[:16], ids[16:])]
    return [Span(ids[:16], ids[16:], b"", PROBE.name, SpanKind.INTERNAL, now_ns, now_ns, {})]
