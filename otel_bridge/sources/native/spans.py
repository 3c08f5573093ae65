"""What the spans of a session add to its events: agents, waits, ids of the client's own (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from otel_bridge.reported import EVENT, SPAN
from otel_bridge.sources.native.records import AnyEvent, ApiRequest, NativeSpan, ToolDecision, ToolResult

BY_USER = "user"
"""How the sources of a person's decisions begin (``user_temporary``, ``user_reject`` …)."""


class SpanIndex:
    """The spans of one session, found by what events name."""

    def __init__(self, spans: Iterable[NativeSpan], *, are_all: bool = False) -> None:
        """``are_all`` says that there are no events: what is told of calls is the word of spans."""
        self.word = SPAN if are_all else EVENT
        self.by_request: dict[str, NativeSpan] = {}
        """By the key of the call: its request id, or what ``name`` was told."""
        self.by_tool: dict[str, NativeSpan] = {}
        self.runs: dict[bytes, NativeSpan] = {}
        """The execution of each tool call that was allowed, by the tool's span."""
        self._runs_by_id: dict[str, NativeSpan] = {}
        self.interactions: list[NativeSpan] = []
        self._by_id: dict[bytes, NativeSpan] = {}
        self._agents_below: dict[bytes, list[str]] = {}
        """The agents that work below a span: the execution of the tool call that started them."""
        self._tool_of_agent: dict[str, str] = {}
        self._waits: dict[bytes, NativeSpan] = {}
        """The wait for a decision, by the tool's span."""
        for span in spans:
            self._take(span)
        for parent_id, agents in self._agents_below.items():
            parent = self._by_id.get(parent_id)
            if parent is not None and (tool_id := text(parent, "tool_use_id")):
                for agent_id in agents:
                    self._tool_of_agent.setdefault(agent_id, tool_id)
        self.missing_roots = self._missing_roots()
        """The root of each trace whose interaction is not there, by trace: spans below it name it as their parent."""

    def _missing_roots(self) -> dict[bytes, bytes]:
        complete = {span.trace_id for span in self.interactions}
        roots: dict[bytes, bytes] = {}
        for span in sorted(self._by_id.values(), key=lambda span: (span.start_ns, span.span_id)):
            is_main = span.span_type == "llm_request" and text(span, "llm_request.context") == "interaction"
            if is_main and span.parent_id and span.trace_id not in complete and not text(span, "agent_id"):
                roots.setdefault(span.trace_id, span.parent_id)
        return roots

    def _take(self, span: NativeSpan) -> None:
        self._by_id.setdefault(span.span_id, span)
        agent_id = text(span, "agent_id")
        if agent_id and span.parent_id and span.span_type in ("llm_request", "tool"):
            below = self._agents_below.setdefault(span.parent_id, [])
            below += [agent_id] if agent_id not in below else []
        if span.span_type == "llm_request" and (request_id := text(span, "request_id")):
            self.by_request.setdefault(request_id, span)
        elif span.span_type == "tool" and (tool_id := text(span, "tool_use_id")):
            self.by_tool.setdefault(tool_id, span)
        elif span.span_type == "tool.execution":
            self.runs.setdefault(span.parent_id, span)
            if tool_id := text(span, "tool_use_id"):
                self._runs_by_id.setdefault(tool_id, span)
        elif span.span_type == "tool.blocked_on_user":
            self._waits.setdefault(span.parent_id, span)
        elif span.span_type == "interaction":
            self.interactions.append(span)

    def agent_of(self, event: AnyEvent) -> str | None:
        """Return the agent that spans name for an event: by its request or tool call, else by the span it was in."""
        named = None
        if isinstance(event, ApiRequest):
            named = self.by_request.get(event.request_id or "")
        elif isinstance(event, ToolResult | ToolDecision):
            named = self.by_tool.get(event.tool_id or "")
        if named is not None:
            return text(named, "agent_id")
        below = self._agents_below.get(event.span_id, [])
        return below[0] if len(below) == 1 else None

    def starting_tool(self, agent_id: str) -> str | None:
        """Return the tool call below which an agent works."""
        return self._tool_of_agent.get(agent_id)

    def __iter__(self) -> Iterator[NativeSpan]:
        """Yield all spans."""
        return iter(self._by_id.values())

    def parent(self, span: NativeSpan) -> NativeSpan | None:
        """Return the span that one hangs on, if it was received."""
        return self._by_id.get(span.parent_id)

    def name(self, requests: Mapping[str, NativeSpan], tools: Mapping[str, NativeSpan]) -> None:
        """Take in which calls and tool calls, by their keys, the spans without ids are of."""
        self.by_request = {**requests, **self.by_request}
        self.by_tool = {**tools, **self.by_tool}

    def run_of(self, tool_id: str) -> NativeSpan | None:
        """Return the span that the programs of a tool call hang on: that of its run, else its own."""
        tool = self.by_tool.get(tool_id)
        run = self.runs.get(tool.span_id) if tool is not None else None
        nameless = run if run is not None and not text(run, "tool_use_id") else None
        return self._runs_by_id.get(tool_id) or nameless or tool

    def user_wait_ns(self, tool_id: str, source: str | None) -> int | None:
        """Return how long a tool call waited for a person, ``None`` where none was asked or no span says so.

        Who decided is told by ``source``, the decision event's, or by the span (2.1.329; before, it says ``unknown``).
        """
        tool = self.by_tool.get(tool_id)
        wait = self._waits.get(tool.span_id) if tool is not None else None
        if wait is None or not any((who or "").startswith(BY_USER) for who in (source, text(wait, "source"))):
            return None
        return wait.end_ns - wait.start_ns


def has_failed(span: NativeSpan) -> bool:
    """Tell whether a request or a run of a tool came to nothing."""
    return span.is_error or span.attributes.get("success") in (False, "false")


def text(span: NativeSpan, name: str) -> str | None:
    """Return an attribute that is a text."""
    value = span.attributes.get(name)
    return value if isinstance(value, str) else None


def whole(span: NativeSpan, name: str) -> int | None:
    """Return an attribute that is a whole number; older clients send it as text."""
    value = span.attributes.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
