"""What the client's own telemetry says beyond its transcripts; part of the model (pure)."""

from __future__ import annotations

from msgspec import Struct

Scalar = str | bool | int | float

MAIN = "main"
SUBAGENT = "subagent"
AUXILIARY = "auxiliary"
"""Calls the client makes for itself: titles, summaries, classifiers."""


TRANSCRIPT = "transcript"
EVENT = "event"
SPAN = "span"
"""Whose word a number is: the transcript's, or the client's telemetry's, by its log event or by its span."""


class CallSources(Struct, frozen=True):
    """Whose word the numbers of a model call are. A cost is computed, or reported (``cost_is_own``).

    As they stand, it is one that telemetry alone knows.
    """

    tokens: str = EVENT
    """Of the prompt, the cache with it."""
    output: str = EVENT
    start: str = EVENT
    end: str = EVENT
    first_token: str = EVENT


class ToolSources(Struct, frozen=True):
    """Whose word the facts of a tool call are: as they stand, of one that telemetry alone knows."""

    start: str = EVENT
    end: str = EVENT
    outcome: str = EVENT
    """Whether it failed or was refused, and why."""
    decision: str = EVENT
    permission_wait: str = SPAN
    result_bytes: str = EVENT


class ReportedCall(Struct, frozen=True):
    """Of a model call."""

    query_source: str | None = None
    """``main``, ``subagent`` or ``auxiliary`` (2.1.181+)."""
    is_unrecorded: bool = False
    """No transcript has the call: its tokens are the client's own."""
    cost_is_own: bool = False
    """The cost is the client's own: nothing is recorded to compute it from, or the model has no known price."""
    ttft_ms: float | None = None
    """From the request to the first token of the answer."""
    trace_id: str = ""
    span_id: str = ""
    """Hex; the span the client sent of it."""
    key: str = ""
    """What it is called where telemetry alone knows it."""
    links: tuple[tuple[str, str], ...] = ()
    """Hex trace and span that the client's span points to: the API's own, where it answered with one."""
    attempts: int = 1
    """How often the request was sent until the answer came."""
    sources: CallSources = CallSources()


class ReportedTool(Struct, frozen=True):
    """Of a tool call."""

    span_id: str = ""
    """Hex; the span of its run, which is what a program it started gets as ``TRACEPARENT``."""
    outer_span_id: str = ""
    """Hex; the span of the whole call, the wait for permission included. It is the only one as long as nothing ran."""
    trace_id: str = ""
    is_named: bool = True
    """The client sent the call's id; else (before 2.1.119) the id is a hash of its event."""
    is_unrecorded: bool = False
    """No transcript has the call."""
    sources: ToolSources = ToolSources()
    key: str = ""
    """What it is called where telemetry alone knows it."""


class ReportedSpan(Struct, frozen=True):
    """A span as the client sent it; ids are hex."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    type: str
    """``interaction``, ``llm_request``, ``tool``, ``tool.blocked_on_user``, ``tool.execution`` or ``hook``."""
    started_ns: int
    ended_ns: int
    error_type: str | None = None
    """A bounded word where its status is ERROR."""
    agent_id: str | None = None
    """The sub-agent it is of."""
    links: tuple[tuple[str, str], ...] = ()
    """Trace and span."""
    attributes: dict[str, Scalar] = {}
    """What is kept of its own (``sources.native.wire``)."""


class ReportedTurn(Struct, frozen=True):
    """Of a turn: the client's trace, and the span outside that its root hangs on (an inbound ``TRACEPARENT``)."""

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    key: str = ""
    """What it is called where telemetry alone knows it."""
    spans: tuple[ReportedSpan, ...] = ()
    """All spans of the client's trace, and of others it began meanwhile, but those whose event is still to come."""
