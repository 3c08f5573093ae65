"""A session as telemetry: spans and events from the model, and from nothing else (pure)."""

from otel_bridge.convert.events import session_events, turn_events
from otel_bridge.convert.options import ContentPolicy, ConvertOptions, turn_resource
from otel_bridge.convert.spans import session_spans, turn_spans

__all__ = [
    "ContentPolicy",
    "ConvertOptions",
    "session_events",
    "session_spans",
    "turn_events",
    "turn_resource",
    "turn_spans",
]
