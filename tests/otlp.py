"""Converted batches as the OTLP/JSON requests that the sinks would send."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from otel_bridge.semconv import SCOPE
from otel_bridge.sinks.otlp.encoder import Group
from otel_bridge.sinks.otlp.json import JsonEncoder
from otel_bridge.telemetry import Batch


def otlp_lines(batches: Iterable[Batch]) -> Iterable[bytes]:
    """Yield one request per batch, as a line."""
    for batch in batches:
        encoder = JsonEncoder(batch.signal, SCOPE)
        encoded = encoder.items(batch.items)
        yield encoder.request([Group(batch.resource, encoder.head(batch.resource), list(batch.items), encoded)])


def otlp_documents(batches: Iterable[Batch]) -> list[dict[str, Any]]:
    """Return the same, decoded."""
    return [json.loads(line) for line in otlp_lines(batches)]
