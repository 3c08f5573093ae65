"""Which agent each event of a session belongs to (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otel_bridge.reported import AUXILIARY, MAIN, SUBAGENT
from otel_bridge.sources.native.assemble.times import started_ns
from otel_bridge.sources.native.records import AnyEvent, ApiRequest, SubagentCompleted, UserPrompt, record_key
from otel_bridge.sources.native.spans import SpanIndex

MAIN_LANE = ""
MAIN_SOURCES = ("sdk", "repl_main_thread")
"""Query sources of the main conversation; variants are appended with a colon."""
AGENT_SOURCE = "agent:"
SLACK_NS = 50_000_000
"""How far apart two events of one moment may be stamped."""


def source_kind(query_source: str | None) -> str | None:
    """Return the word of the client's own counters for what a request was for; ``None`` before 2.1.181."""
    if query_source is None:
        return None
    if query_source.startswith(AGENT_SOURCE):
        return SUBAGENT
    return MAIN if query_source.split(":", 1)[0] in MAIN_SOURCES else AUXILIARY


class Lanes:
    """The agents of a session, by what its events and spans say of them.

    An event names its agent itself (2.1.329), or a span does, or it shares the span of an agent's requests; a request
    of an agent that nothing names belongs to the one run of its kind that was going on, if there is just one. What is
    left is the main agent's.
    """

    def __init__(self, events: Sequence[AnyEvent], spans: SpanIndex) -> None:
        self._spans = spans
        self._main_spans = {event.span_id for event in events if isinstance(event, UserPrompt) and event.span_id}
        self._main_spans |= {span.span_id for span in spans.interactions}
        unnamed = [event for event in events if isinstance(event, ApiRequest) and self._is_unnamed(event)]
        self._span_lanes = {event.span_id: event.span_id.hex() for event in unnamed if self._has_own_span(event)}
        self.completed: dict[str, SubagentCompleted] = {}
        """The end of each agent's run, where the client reported it."""
        self._guesses: dict[bytes, str] = {}
        windows: list[tuple[str, SubagentCompleted]] = []
        for event in events:
            if isinstance(event, SubagentCompleted):
                self.completed.setdefault(self.of(event), event)
                if self._named(event) is None:
                    windows.append((_own_lane(event), event))
        for event in unnamed:
            run = None if self._has_own_span(event) else _only_run(event, windows)
            if run is not None:
                self._guesses[record_key(event)] = run

    def of(self, event: AnyEvent) -> str:
        """Return the agent's id, empty for the main agent."""
        named = self._named(event)
        if named is None and isinstance(event, SubagentCompleted):
            return _own_lane(event)
        if named is not None or not self._guesses:
            return named or MAIN_LANE
        return self._guesses.get(record_key(event), MAIN_LANE)

    def _named(self, event: AnyEvent) -> str | None:
        return event.agent_id or self._spans.agent_of(event) or self._span_lanes.get(event.span_id)

    def _is_unnamed(self, request: ApiRequest) -> bool:
        is_agents = source_kind(request.query_source) == SUBAGENT
        return is_agents and not (request.agent_id or self._spans.agent_of(request))

    def _has_own_span(self, event: AnyEvent) -> bool:
        return bool(event.span_id) and event.span_id not in self._main_spans


def _own_lane(run: SubagentCompleted) -> str:
    return f"run-{record_key(run).hex()}"


def _only_run(request: ApiRequest, runs: Iterable[tuple[str, SubagentCompleted]]) -> str | None:
    """Return the one run of the request's kind of agent, in the same prompt, within which it was made."""
    fitting = [
        lane
        for lane, run in runs
        if run.prompt_id == request.prompt_id
        and run.agent_type == request.agent_name
        and started_ns(run) - SLACK_NS <= started_ns(request)
        and request.time_ns <= run.time_ns + SLACK_NS
    ]
    return fitting[0] if len(fitting) == 1 else None
