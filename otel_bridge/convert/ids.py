"""Trace and span ids as hashes of identities: who re-reads a file, anywhere and at any time, gets the same ids (pure).

The identities (one kind of key each, kept apart by the hash's personalisation):

* a turn: session, prompt and ordinal, because two forks of a lost origin share prompts;
* a model call and a tool call: their own ids, which the API makes unique;
* a sub-agent: session and agent id, because agent ids are short.

Nothing else may enter: no clock, no path, no order of files.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

_TRACE = blake2b(digest_size=16, person=b"otelb.turn.trace")
_TURN = blake2b(digest_size=8, person=b"otelb.turn")
_CALL = blake2b(digest_size=8, person=b"otelb.call")
_TOOL = blake2b(digest_size=8, person=b"otelb.tool")
_AGENT = blake2b(digest_size=8, person=b"otelb.agent")
_EVENT = blake2b(digest_size=16, person=b"otelb.event")

SpanIdOf = Callable[[str], bytes]
"""From the id of a model call, or of a tool call, to the one of its span."""


def turn_trace_id(session_id: str, turn_key: str, ordinal: int) -> bytes:
    """Return the 16 bytes of the trace of a turn, or of a continuation of it."""
    return _digest(_TRACE, _joined(session_id, turn_key, str(ordinal)))


def turn_span_id(session_id: str, turn_key: str, ordinal: int) -> bytes:
    """Return the 8 bytes of the root span of that trace."""
    return _digest(_TURN, _joined(session_id, turn_key, str(ordinal)))


def call_span_id(call_key: str) -> bytes:
    """Return the 8 bytes of a model call."""
    return _digest(_CALL, call_key)


def tool_span_id(tool_call_id: str) -> bytes:
    """Return the 8 bytes of a tool call."""
    return _digest(_TOOL, tool_call_id)


def agent_span_id(session_id: str, agent_id: str) -> bytes:
    """Return the 8 bytes of the run of a sub-agent."""
    return _digest(_AGENT, _joined(session_id, agent_id))


def event_uid(*facts: str) -> str:
    """Return the 32 hex digits of an event, identified by the facts it is about."""
    return _digest(_EVENT, _joined(*facts)).hex()


def _digest(base: blake2b, key: str) -> bytes:
    hasher = base.copy()
    hasher.update(key.encode("utf-8", "surrogatepass"))
    return _non_zero(hasher.digest())


def _non_zero(digest: bytes) -> bytes:
    """Return the digest, unless it is all zeros, which W3C Trace Context calls invalid."""
    return digest if any(digest) else digest[:-1] + b"\x01"


def _joined(*parts: str) -> str:
    """Return one string per sequence of parts: the lengths keep ``("ab", "c")`` from meeting ``("a", "bc")``."""
    return "".join([f"{len(part)}:{part}" for part in parts])
