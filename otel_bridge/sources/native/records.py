"""What is kept of Claude Code's own telemetry: one small struct per log event and span (pure).

Texts (prompts, answers, commands, tool input and output, messages of errors) are never kept. A field that is ``None``
was not sent: many are gated by the client's settings or newer than the client (``contract.tsv`` says since when).
Records are stored as MessagePack and told apart by their first element. Stored bytes are kept for years: a new field
goes to the end of its struct and has a default, and ``NativeEvent``, which stands before the fields of all events,
never changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b
from typing import get_args

import msgspec
from msgspec import Struct, structs

Scalar = str | bool | int | float


class NativeEvent(Struct, array_like=True, frozen=True, gc=False):
    """What every log event says of itself."""

    session_id: str
    time_ns: int
    """When it was over, by the client's clock (milliseconds)."""
    sequence: int | None = None
    """Counts per process, from 0 (2.1.50+): orders events of one millisecond."""
    prompt_id: str | None = None
    """The prompt it was made for (2.1.50+)."""
    trace_id: bytes = b""
    span_id: bytes = b""
    """The agent's span, where spans are on: the interaction's for the main agent (2.1.181+)."""
    agent_id: str | None = None
    """The sub-agent (2.1.329)."""
    parent_agent_id: str | None = None
    version: str | None = None
    """Of the client."""
    repeat: int = 0
    """Which one of several equal events of one request: before 2.1.50 nothing else tells them apart."""


class UserPrompt(NativeEvent, frozen=True, tag="user_prompt"):
    """A prompt was sent, by a person or by the client itself."""

    length: int | None = None
    command: str | None = None
    message_uuid: str | None = None


class ApiRequest(NativeEvent, frozen=True, tag="api_request"):
    """A response of the model API. ``input_tokens`` excludes the cache."""

    model: str = ""
    """The model that answered."""
    cost_usd: Decimal | None = None
    """What the client says it cost, without the error of its binary floats."""
    duration_ms: float | None = None
    """From the first attempt to the end of the answer."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    """The split is sent since 2.1.329."""
    ttft_ms: float | None = None
    request_id: str | None = None
    query_source: str | None = None
    """What it was for: ``sdk``, ``repl_main_thread``, ``agent:…``, ``compact`` …"""
    speed: str | None = None
    effort: str | None = None
    agent_name: str | None = None
    skill: str | None = None
    mcp_server: str | None = None


class ApiFailure(NativeEvent, frozen=True, tag="api_error"):
    """A request that failed for good."""

    model: str = ""
    error_type: str | None = None
    """A bounded word found in its message."""
    status: int | None = None
    attempt: int | None = None
    duration_ms: float | None = None
    request_id: str | None = None
    query_source: str | None = None


class ApiRefusal(NativeEvent, frozen=True, tag="api_refusal"):
    """The model declined to answer a request."""

    model: str = ""
    request_id: str | None = None


class ToolResult(NativeEvent, frozen=True, tag="tool_result"):
    """A tool ran."""

    name: str = ""
    tool_id: str | None = None
    """``tool_use_id``; before 2.1.119 only failed calls have one."""
    succeeded: bool | None = None
    duration_ms: float | None = None
    error_type: str | None = None
    decision_source: str | None = None
    result_bytes: int | None = None
    request_id: str | None = None
    """The response that asked for it (2.1.329)."""
    mcp_server: str | None = None
    mcp_tool: str | None = None
    skill: str | None = None
    subagent_type: str | None = None
    executable: str | None = None
    commit_sha: str | None = None
    branch: str | None = None


class ToolDecision(NativeEvent, frozen=True, tag="tool_decision"):
    """Whether a tool may run, and who said so."""

    name: str = ""
    tool_id: str | None = None
    decision: str | None = None
    source: str | None = None
    request_id: str | None = None


class SubagentCompleted(NativeEvent, frozen=True, tag="subagent_completed"):
    """A sub-agent is done."""

    agent_type: str | None = None
    is_async: bool = False
    duration_ms: float | None = None


class CompactionDone(NativeEvent, frozen=True, tag="compaction"):
    """The client replaced the history by a summary, or could not."""

    trigger: str | None = None
    succeeded: bool | None = None
    duration_ms: float | None = None
    pre_tokens: int | None = None
    post_tokens: int | None = None


class HookDone(NativeEvent, frozen=True, tag="hook_execution_complete"):
    """The hooks of one occasion have run."""

    hook_event: str = ""
    hook_name: str | None = None
    blocking: int = 0
    failed: int = 0
    cancelled: int = 0
    duration_ms: float | None = None


class SpanLink(Struct, array_like=True, frozen=True):
    """A pointer of a span to another one."""

    trace_id: bytes
    span_id: bytes


class NativeSpan(Struct, array_like=True, frozen=True, tag="span"):
    """A span of the tracing beta; it is sent when it ends, so children come before their parents, or without them."""

    session_id: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Empty for a root. An interaction below an inbound ``TRACEPARENT`` has one."""
    span_type: str
    """``interaction``, ``llm_request``, ``tool``, ``tool.blocked_on_user``, ``tool.execution`` or ``hook``."""
    start_ns: int
    end_ns: int
    is_error: bool = False
    attributes: dict[str, Scalar] = {}
    """Those that say no more than a word or a number (``wire.SPAN_ATTRIBUTES``)."""
    links: tuple[SpanLink, ...] = ()
    attempt_times_ns: tuple[int, ...] = ()
    """When each attempt of a model request began (2.1.181+)."""
    version: str | None = None


AnyEvent = (
    UserPrompt
    | ApiRequest
    | ApiFailure
    | ApiRefusal
    | ToolResult
    | ToolDecision
    | SubagentCompleted
    | CompactionDone
    | HookDone
)
NativeRecord = AnyEvent | NativeSpan

_DEFAULTS = {kind: [(field.name, field.default) for field in structs.fields(kind)] for kind in get_args(AnyEvent)}
"""Name and default of each field; what must be given has a default that nothing equals."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NativeRecord).decode


def pack(record: NativeRecord) -> bytes:
    """Return a record as the bytes to store."""
    return _encode(record)


def unpack(data: bytes) -> NativeRecord:
    """Return a stored record.

    Raises:
        msgspec.ValidationError: the bytes are those of another version of these structs.
    """
    record: NativeRecord = _decode(data)
    return record


def record_key(record: NativeRecord) -> bytes:
    """Return the 16 bytes that identify a record: a span's ids, all that an event says. Sent twice, it is one.

    Fields that were not sent do not count: a field added to the structs later changes no key of older clients.
    """
    if isinstance(record, NativeSpan):
        return blake2b(record.trace_id + record.span_id, digest_size=16, person=b"otelb.nspan").digest()
    defaults = _DEFAULTS[type(record)]
    said = {name: value for name, default in defaults if (value := getattr(record, name)) != default}
    name = type(record).__struct_config__.tag
    return blake2b(_encode((name, said)), digest_size=16, person=b"otelb.nevent").digest()


def by_session(records: Iterable[NativeRecord]) -> dict[str, list[NativeRecord]]:
    """Return the records of each session, in the order they came."""
    sessions: dict[str, list[NativeRecord]] = {}
    for record in records:
        sessions.setdefault(record.session_id, []).append(record)
    return sessions


def distinct(records: Iterable[NativeRecord]) -> list[NativeRecord]:
    """Return each record once, in an order that does not depend on the one they arrived in."""
    kept: dict[bytes, tuple[tuple[int, int, bytes], NativeRecord]] = {}
    for record in records:
        place = _place(record)
        key = record.trace_id + record.span_id if isinstance(record, NativeSpan) else place[2]
        if key not in kept or place < kept[key][0]:
            kept[key] = place, record
    return [record for _, record in sorted(kept.values(), key=_placed)]


def _placed(item: tuple[tuple[int, int, bytes], NativeRecord]) -> tuple[int, int, bytes]:
    return item[0]


def _place(record: NativeRecord) -> tuple[int, int, bytes]:
    if isinstance(record, NativeSpan):
        return record.start_ns, -1, _encode(record)
    return record.time_ns, -1 if record.sequence is None else record.sequence, _encode(record)
