"""What the user decides about the telemetry of a session (pure)."""

from __future__ import annotations

from msgspec import Struct

from otel_bridge import semconv
from otel_bridge.model import Session, Turn
from otel_bridge.telemetry import AttributeValue, Resource


class ContentPolicy(Struct, frozen=True):
    """Which texts may leave the machine. Nothing does unless asked for; what does is redacted first, then cut."""

    messages: bool = False
    """Prompts, answers and what sub-agents were sent for."""
    tools: bool = False
    """Input and output of tools."""
    max_bytes: int = 2048
    """Longest attribute value; Tempo cuts longer ones itself (``max_attribute_bytes``), in mid-JSON."""
    redact_emails: bool = False


class ConvertOptions(Struct, frozen=True):
    """Decisions that hold for a whole run."""

    resource: tuple[tuple[str, AttributeValue], ...] = ()
    """Attributes of every resource: service, deployment, host, cluster, user. A service name given here wins."""
    content: ContentPolicy = ContentPolicy()
    include_open: bool = False
    """Also convert turns and sub-agents that may still grow: for previews, since a span once sent cannot be amended."""
    agent_usage: bool = True
    """Token counts on agents: recommended by the conventions, but whoever sums without a filter counts twice."""
    metrics_by_session: bool = True
    """Session ids on metrics: without them there are fewer series, and sums are no longer exact (docs/metrics.md)."""
    original_attributes: bool = False
    """What the client itself said on its spans, under its own names: as much as was kept when they were received."""
    paths: bool = False
    """Working folders and the files tools touched; off because they name people and projects."""


def turn_resource(session: Session, turn: Turn | None, options: ConvertOptions) -> Resource:
    """Return who produced a turn's telemetry; without a turn, what holds for the session as a whole.

    The client's version is a resource attribute, as in its native telemetry: it seldom changes inside a session.
    """
    own: dict[str, AttributeValue] = {semconv.SERVICE_NAME: session.agent}
    if turn is not None and turn.context.version:
        own[semconv.SERVICE_VERSION] = turn.context.version
    return Resource(tuple(sorted((own | dict(options.resource)).items())), semconv.RESOURCE_SCHEMA_URL)
