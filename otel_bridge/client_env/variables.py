"""Which variables make Claude Code send everything, and why each has its value (pure; docs/client.md).

What is said of the client was read in its documentation and seen in 2.1.329.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from otel_bridge.client_env.places import Destination, Place
from otel_bridge.semconv import HOST_TYPE

SWITCH = "CLAUDE_CODE_ENABLE_TELEMETRY"
BETA_SWITCH = "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA"
OTHER_BETA_SWITCH = "ENABLE_ENHANCED_TELEMETRY_BETA"
RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"

_QUEUE_SIZE = "16384"
_FLUSH_MS, _SHUTDOWN_MS = "20000", "20000"
"""Less than the 30 s that Kubernetes leaves a pod to end."""


class Variable(Struct, frozen=True):
    """One variable of the client."""

    name: str
    value: str
    why: str


class LeftOut(Struct, frozen=True):
    """A variable that stays as it is on purpose."""

    name: str
    why: str


_LEFT_OUT = (
    LeftOut("OTEL_LOG_USER_PROMPTS", "texts stay home unless you decide otherwise"),
    LeftOut("OTEL_LOG_ASSISTANT_RESPONSES", "the same; unset it follows OTEL_LOG_USER_PROMPTS"),
    LeftOut("OTEL_LOG_TOOL_DETAILS", "commands and paths stay home; with it come names of MCP servers and commits"),
    LeftOut("OTEL_LOG_TOOL_CONTENT", "what tools read and print stays home"),
    LeftOut("OTEL_LOG_RAW_API_BODIES", "whole requests stay home"),
    LeftOut("OTEL_METRICS_INCLUDE_SESSION_ID", "true unless set: without session.id nothing can be joined"),
    LeftOut(
        "OTEL_METRICS_INCLUDE_VERSION", "the resource says it; as a label it splits sessions that outlive an update"
    ),
    LeftOut("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", "true unless set: tells users of one machine apart"),
    LeftOut(HEADERS, "credentials: yours to add, or an otelHeadersHelper (HTTP only)"),
    LeftOut("ENABLE_BETA_TRACING_DETAILED", "sends logs and traces elsewhere: to BETA_TRACING_ENDPOINT"),
    LeftOut("OTEL_RESOURCE_INCLUDE_HOST", "names your machine; seen in 2.1.329 and documented nowhere"),
)
_LEFT_OUT_WHERE_PEOPLE_LOOK = LeftOut(
    "CLAUDE_CODE_OTEL_DIAG_STDERR", "writes across the screen of an interactive session; with -p set it to 1"
)


def client_variables(place: Place, to: Destination, *, has_traces: bool = True) -> list[Variable]:
    """Return the variables that make a client at this place send all it knows there, in the order to read them."""
    return [*_signals(has_traces=has_traces), *_way(to), *_labels(place), *_pace(place)]


def left_out(place: Place) -> list[LeftOut]:
    """Return the variables that are left as they are, for that is decided, too."""
    return [*_LEFT_OUT, *([] if place.is_short_lived else [_LEFT_OUT_WHERE_PEOPLE_LOOK])]


def _signals(*, has_traces: bool) -> Iterator[Variable]:
    yield Variable(SWITCH, "1", "the main switch: without it nothing is sent")
    yield Variable("OTEL_METRICS_EXPORTER", "otlp", "the client's own counters, for sessions without a transcript")
    yield Variable("OTEL_LOGS_EXPORTER", "otlp", "events: cost and tokens of each request, decisions, errors")
    if has_traces:
        yield Variable("OTEL_TRACES_EXPORTER", "otlp", "spans: latency, waiting for permission, sub-agents")
        yield Variable(BETA_SWITCH, "1", "spans are beta: without it OTEL_TRACES_EXPORTER does nothing")
    else:
        yield Variable("OTEL_TRACES_EXPORTER", "none", "no spans, as asked for")


def _way(to: Destination) -> Iterator[Variable]:
    where = "the bridge beside the client" if to.is_loopback else "as asked for"
    yield Variable(ENDPOINT, to.endpoint, f"{where}; without a path: each signal appends its own")
    yield Variable(
        "OTEL_EXPORTER_OTLP_PROTOCOL", to.protocol, "documented as having no default: unset, exports may fail"
    )
    yield Variable(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
        "a lost request is made up for by the next one; Prometheus takes no delta, the client's default",
    )


def _labels(place: Place) -> Iterator[Variable]:
    if place is not Place.LAPTOP:
        yield Variable(RESOURCE_ATTRIBUTES, host_type(place), "where it ran: a receiver elsewhere cannot know")
    yield Variable(
        "OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "false", "who and where stay on the resource: no series per pod"
    )
    yield Variable("OTEL_METRICS_INCLUDE_REPOSITORY", "1", "the repository (2.1.269): else only transcripts know it")
    yield Variable(
        "OTEL_METRICS_INCLUDE_ENTRYPOINT", "1", "terminal, SDK or editor (2.1.152): few values, never change"
    )


def _pace(place: Place) -> Iterator[Variable]:
    if place.is_short_lived:
        yield Variable("OTEL_METRIC_EXPORT_INTERVAL", "5000", "ms; a run that is killed loses 5 s, not a minute")
    yield Variable("OTEL_LOGS_EXPORT_INTERVAL", "1000", "ms; as soon as it happens, and little is left for the end")
    yield Variable("OTEL_TRACES_EXPORT_INTERVAL", "1000", "ms; transcripts wait 10 s for the client's own span ids")
    if place.is_short_lived:
        yield Variable("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", _FLUSH_MS, "the last data may take 20 s (5 by default)")
        yield Variable(
            "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS",
            _SHUTDOWN_MS,
            "so may the exit (2 by default): else what is left is lost",
        )
    yield Variable("OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE_SIZE, "spans in a burst: beyond 2048 they are dropped in silence")
    yield Variable("OTEL_BLRP_MAX_QUEUE_SIZE", _QUEUE_SIZE, "events in a burst: the same")
    if place.is_short_lived:
        yield Variable(
            "CLAUDE_CODE_OTEL_DIAG_STDERR", "1", "failed exports are told on stderr (2.1.179), not swallowed"
        )


def host_type(place: Place) -> str:
    """Return the resource attribute that says what kind of host a place is."""
    return f"{HOST_TYPE}={'cluster' if place is Place.POD else 'ci'}"
