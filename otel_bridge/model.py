"""The one in-memory model all stages speak: Session > Turn > ModelCall > ToolCall, sub-agents nested (pure).

Times are integer nanoseconds since the epoch (UTC), money is ``Decimal`` USD, tokens are plain counts.
Everything is frozen: a source builds it once, converters and reports only read it.
Wire shapes of a source never appear here.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType

from otel_bridge.counters import ClientCounters
from otel_bridge.reported import ReportedCall, ReportedTool, ReportedTurn
from otel_bridge.vcs import BranchLink, Commit, PullRequestLink

IDLE_TURN_NS = 30 * 60 * 1_000_000_000
"""A pause between two records of the main lane that ends a turn (docs/counting.md)."""


class Problem(Struct, frozen=True, order=True):
    """Something in the input that could not be used as it stands; it travels beside the result."""

    path: str
    line: int
    """1-based line number; 0 when the problem is the file itself."""
    offset_bytes: int
    """Offset of the line's first byte in the file."""
    reason: str
    """A short bounded word: ``bad_json``, ``bad_type``, ``line_too_long`` …"""
    detail: str = ""
    """What was seen, cut short; never file content beyond a few characters."""


class Usage(Struct, frozen=True):
    """Tokens billed for one response. ``input_tokens`` excludes the cache (Anthropic's counting)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of ``output_tokens``, where the client says so (2.1.229+)."""
    web_searches: int = 0

    @property
    def cache_write_tokens(self) -> int:
        """All cache writes, whatever their lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt: uncached input, cache reads and cache writes."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_5m_tokens + other.cache_write_5m_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.web_searches + other.web_searches,
        )


class Terms(Struct, frozen=True):
    """What besides the tokens decides the price of a response, as the response itself reports it."""

    speed: str = "standard"
    """``standard`` or ``fast`` (2.1.41+)."""
    service_tier: str = "standard"
    """``standard``, ``priority`` or ``batch``."""
    inference_geo: str = ""
    """``us`` is billed at 1.1 times the list price (Claude 4.6 and newer)."""


STANDARD_TERMS = Terms()


class Iteration(Struct, frozen=True):
    """One billed entry of ``usage.iterations`` where a response has several, each at its own model."""

    kind: str
    """``message``, ``compaction``, ``advisor_message`` or ``fallback_message``."""
    model: str
    usage: Usage


class RecordContext(Struct, frozen=True):
    """Where a record was written: the client stamps it on every line, and it may change inside a session."""

    cwd: str | None = None
    branch: str | None = None
    version: str | None = None
    entrypoint: str | None = None


class ApiError(Struct, frozen=True):
    """A failed request to the model API: one per retry, the last one final."""

    at_ns: int
    error_type: str
    """A bounded word such as ``rate_limit`` or ``overloaded_error``; ``http_529`` where only a status is known."""
    status: int | None = None
    attempt: int = 0
    retry_delay_ms: float | None = None
    is_final: bool = False


class HookRun(Struct, frozen=True):
    """One run of a user's hook, as an attachment or a stop-hook summary reports it."""

    at_ns: int
    event: str
    name: str
    outcome: str
    """``success``, ``blocking_error``, ``error`` or ``cancelled``."""
    duration_ms: float | None = None
    tool_call_id: str | None = None


class Compaction(Struct, frozen=True):
    """The point where the client replaced the history by a summary."""

    at_ns: int
    trigger: str
    tokens_before: int | None = None
    tokens_after: int | None = None
    duration_ms: float | None = None


class Content(Struct, frozen=True):
    """Text of a prompt, a response or a tool call. Only read when content capture was asked for."""

    request: str = ""
    """Prompt text, or a tool's input as JSON."""
    response: str = ""
    """Assistant text, or a tool's output."""


class ToolCall(Struct, frozen=True):
    """One tool call; it counts when it has a result (``ended_ns`` is set)."""

    id: str
    name: str
    started_ns: int
    ended_ns: int | None = None
    error_type: str | None = None
    """``None`` on success, else a bounded word (``denied``, ``exit_code``, ``validation`` …)."""
    denial: str | None = None
    """Why the user or a policy refused it (``user-rejected`` …); such a call has ``error_type`` ``denied``."""
    decision: str | None = None
    """``accept`` or ``reject``, where the transcript (2.1.3xx) or telemetry has the permission decision."""
    decision_source: str | None = None
    permission_wait_ns: int | None = None
    """Time the call waited for the user's answer, where the records tell it."""
    mcp_server: str | None = None
    mcp_tool: str | None = None
    skill: str | None = None
    executable: str | None = None
    """Name of the program a shell command runs, without path and arguments."""
    exit_code: int | None = None
    file_path: str | None = None
    lines_added: int = 0
    lines_removed: int = 0
    web_searches: int = 0
    result_bytes: int = 0
    commits: tuple[Commit, ...] = ()
    pull_requests: tuple[PullRequestLink, ...] = ()
    agent: Agent | None = None
    """The sub-agent this call started."""
    context: RecordContext = RecordContext()
    content: Content | None = None
    reported: ReportedTool | UnsetType = UNSET

    @property
    def is_finished(self) -> bool:
        """True when a result was recorded."""
        return self.ended_ns is not None


class ModelCall(Struct, frozen=True):
    """One response of the model API, counted once however many lines and files repeat it."""

    key: str
    """Identity: the request id of the owner's record, else the message id, else the line's uuid."""
    message_id: str
    model: str
    """The model that answered; prices follow it."""
    started_ns: int
    ended_ns: int
    usage: Usage
    terms: Terms = STANDARD_TERMS
    iterations: tuple[Iteration, ...] = ()
    """Filled only where the response was billed in several entries; then cost is their sum."""
    cost_usd: Decimal | None = None
    """At list price, or the client's own (``reported.cost_is_own``); ``None`` is unpriced, never zero."""
    requested_model: str | None = None
    request_id: str | None = None
    stop_reason: str | None = None
    output_is_lower_bound: bool = False
    """True when no line carries a stop reason: the output count is the streaming placeholder."""
    effort: str | None = None
    skill: str | None = None
    mcp_server: str | None = None
    follows_compaction: bool = False
    """True when the conversation sent with this call had been compacted."""
    retries: tuple[ApiError, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    context: RecordContext = RecordContext()
    content: Content | None = None
    reported: ReportedCall | UnsetType = UNSET
    """What the client's own telemetry adds; unset without any."""


class Agent(Struct, frozen=True):
    """One run of a sub-agent."""

    id: str
    type: str | None
    started_ns: int
    ended_ns: int
    calls: tuple[ModelCall, ...] = ()
    agents: tuple[Agent, ...] = ()
    """Nested agents that no tool call of this agent could be found for."""
    description: str | None = None
    parent_agent_id: str | None = None
    tool_call_id: str | None = None
    is_background: bool = False
    is_complete: bool = True
    """False while the run may still grow."""
    link: str = "none"
    """How the parent was found: ``meta``, ``tool_result``, ``notification``, ``progress``, ``prompt`` or ``none``.

    Telemetry alone says ``span`` or ``time``.
    """
    errors: tuple[ApiError, ...] = ()
    compactions: tuple[Compaction, ...] = ()
    error_type: str | None = None
    context: RecordContext = RecordContext()


class Prompt(Struct, frozen=True):
    """What opened a turn."""

    kind: str
    """``human``, ``command``, ``notification`` or ``other``."""
    length: int = 0
    """Characters of the prompt's text."""
    command: str | None = None
    source: str | None = None
    """How the prompt came in (``typed``, ``sdk``, ``queued`` …), where the client says so."""
    content: Content | None = None


class Turn(Struct, frozen=True):
    """From a prompt to the end of the answer. A continuation has the same key and the next ordinal."""

    key: str
    """The prompt id (2.1.77+, owner's copy), else the uuid of the prompt's line."""
    ordinal: int
    """0 for the turn itself, 1… for what followed under the same prompt after it was over."""
    index: int
    """Position among the session's own turns, from 0."""
    started_ns: int
    ended_ns: int
    is_complete: bool
    """False while the session is live and this turn may still grow."""
    end_reason: str
    """``end_turn``, ``next_prompt``, ``idle`` or ``open``."""
    prompt: Prompt
    calls: tuple[ModelCall, ...] = ()
    agents: tuple[Agent, ...] = ()
    """Agents of this turn that hang on no finished tool call."""
    late_tool_calls: tuple[ToolCall, ...] = ()
    """Tool calls asked for in an earlier part of the turn whose result came in this one."""
    errors: tuple[ApiError, ...] = ()
    """Errors that ended a request for good in this turn."""
    hooks: tuple[HookRun, ...] = ()
    """Hooks that ran up to the end of the turn."""
    closing_hooks: tuple[HookRun, ...] = ()
    """Hooks that ran when it was over (stop hooks): known too late for the turn's own span."""
    compactions: tuple[Compaction, ...] = ()
    error_type: str | None = None
    context: RecordContext = RecordContext()
    previous_key: str | None = None
    """Key of the turn before it in the session (of the origin, for the first own turn of a fork)."""
    previous_ordinal: int = 0
    previous_session_id: str | None = None
    reported: ReportedTurn | UnsetType = UNSET


class Quality(Struct, frozen=True):
    """What the numbers of a session cannot promise, counted."""

    lower_bound_calls: int = 0
    unpriced_calls: int = 0
    unpriced_models: tuple[str, ...] = ()
    missing_parents: int = 0
    """Records whose ``parentUuid`` is in none of the session's files."""
    unlinked_agents: int = 0
    unfinished_tool_calls: int = 0
    orphan_tool_results: int = 0
    duplicate_records: int = 0
    foreign_calls: int = 0
    """Calls copied from another session (a fork or resume), counted there."""
    foreign_tool_calls: int = 0
    """Tool calls those calls asked for."""


class Unrecorded(Struct, frozen=True):
    """The client's total less ours, at the time it was written."""

    at_ns: int
    cost_usd: Decimal


class Session(Struct, frozen=True):
    """Everything one session did, from all of its files. Calls copied from another session are not in it."""

    id: str
    turns: tuple[Turn, ...]
    started_ns: int
    ended_ns: int
    agent: str = "claude-code"
    title: str | None = None
    project: str | None = None
    """The first working folder recorded."""
    forked_from: str | None = None
    pull_requests: tuple[PullRequestLink, ...] = ()
    branch_links: tuple[BranchLink, ...] = ()
    """What other sessions know of the branches of this one's project."""
    client_cost_usd: Decimal | None = None
    """The client's own total (``cost-state``), less what a fork inherited."""
    unrecorded_cost_usd: Decimal | None = None
    """Client total less ours for the calls the client had counted by then."""
    unrecorded_reasons: tuple[str, ...] = ()
    unrecorded_history: tuple[Unrecorded, ...] = ()
    """What ``unrecorded_cost_usd`` would have been at each total the client wrote, where it can be told."""
    client_counters: ClientCounters | None = None
    """What the client itself counted, where it sent metrics."""
    quality: Quality = Quality()
    problems: tuple[Problem, ...] = ()
    """The first ones of each file."""
    problem_count: int = 0
    """All of them."""
    paths: tuple[str, ...] = ()

    def calls(self) -> Iterator[ModelCall]:
        """Every model call of the session, sub-agents included, depth first in turn order."""
        for turn in self.turns:
            yield from turn_calls(turn)

    def tool_calls(self) -> Iterator[ToolCall]:
        """Every tool call of the session, sub-agents included; unfinished ones too."""
        for call in self.calls():
            yield from call.tool_calls
        for turn in self.turns:
            yield from turn.late_tool_calls


def turn_calls(turn: Turn) -> Iterator[ModelCall]:
    """Every model call of a turn, sub-agents included."""
    yield from _calls(turn.calls)
    yield from _calls_of_tools(turn.late_tool_calls)
    for agent in turn.agents:
        yield from agent_calls(agent)


def agent_calls(agent: Agent) -> Iterator[ModelCall]:
    """Every model call of an agent and of the agents below it."""
    yield from _calls(agent.calls)
    for nested in agent.agents:
        yield from agent_calls(nested)


def _calls(calls: tuple[ModelCall, ...]) -> Iterator[ModelCall]:
    for call in calls:
        yield call
        yield from _calls_of_tools(call.tool_calls)


def _calls_of_tools(tools: tuple[ToolCall, ...]) -> Iterator[ModelCall]:
    for tool in tools:
        if tool.agent is not None:
            yield from agent_calls(tool.agent)
