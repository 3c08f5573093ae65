"""One API response from its many lines: the counting rule of docs/counting.md (pure).

A response is written as one line per content block, and repeated by forks, resumes and embedded sub-agent copies.
It is counted once per ``message.id`` with the maximum of every token field. Checked on 736 independent token rows
of real sessions (all four counters equal); summing, taking the first line or the last line are all wrong somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol
from zlib import crc32

from msgspec import Struct, structs

from otel_bridge.model import STANDARD_TERMS, Iteration, Terms, Usage
from otel_bridge.sources.transcript.records import (
    EMPTY_RAW,
    SYNTHETIC_MODEL,
    CountMessage,
    CountRecord,
    IterationRecord,
    UsageRecord,
)

RANK_MAIN, RANK_SIDECHAIN, RANK_EMBEDDED = 0, 1, 2
"""Which copy names a call inside a session: main lane before sub-agent file before ``agent_progress`` copy."""


NO_MODEL = "unknown"
"""Model of a response that names none; no price list has it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_OF_TIME_NS = 1 << 63

_FORK_ORIGIN = re.compile(rb'"sessionId"\s*:\s*"([^"]+)"')
"""The session a line was copied from (``forkedFrom``)."""

_ANYWHERE = frozenset({"not_available", "global"})
"""Values of ``inference_geo`` that mean no chosen region."""


Pricer = Callable[[str, Usage, int, Terms, tuple[Iteration, ...]], Decimal | None]
"""Model, tokens, time, terms, billed entries → USD, ``None`` for unpriced."""


class CallDraft(Struct, array_like=True, gc=False):
    """A response under construction: maxima of what its lines said. Packs to about 100 bytes."""

    key: str
    """``message.id``, else the line's uuid."""
    rank: int
    model: str
    ended_ns: int
    request_id: str | None = None
    requested_model: str | None = None
    home: str = ""
    """The session the owner copy's lines name, where it is not the file's own (a fork's unchanged copy)."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    web_searches: int = 0
    is_stopped: bool = False
    """A line carried a stop reason, so the output count is final."""
    speed: str = ""
    service_tier: str = ""
    inference_geo: str = ""
    iterations: list[tuple[str, str, Usage]] = []
    tool_ids: list[str] = []
    """Tool calls it asked for; only while lines are still coming."""
    tool_ends_ns: dict[int, int] = {}
    """Time of the result, by ``fingerprint`` of the tool_use id, of those that have one."""

    def usage(self) -> Usage:
        """Return the tokens billed; writes whose lifetime is unknown are 5-minute ones."""
        hour = self.cache_write_1h_tokens
        # before 2.1.152 the flat count could be 0 while the split one was filled
        writes = max(self.cache_write_tokens, self.cache_write_5m_tokens + hour)
        return Usage(
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            writes - hour,
            hour,
            self.reasoning_tokens,
            self.web_searches,
        )

    def terms(self) -> Terms:
        """Return speed, tier and region as the response reported them."""
        if not (self.speed or self.service_tier or self.inference_geo):
            return STANDARD_TERMS
        return Terms(self.speed or "standard", self.service_tier or "standard", self.inference_geo)

    def billed_entries(self) -> tuple[Iteration, ...]:
        """Return the entries the response was billed in, where they differ from one plain message."""
        return tuple(Iteration(kind, model or self.model, usage) for kind, model, usage in self.iterations)

    def cost_usd(self, price: Pricer) -> Decimal | None:
        """Return the price of the response, ``None`` if it has none."""
        return price(self.model, self.usage(), self.ended_ns, self.terms(), self.billed_entries())

    def copy(self) -> CallDraft:
        """Return a draft that can be changed without changing this one."""
        return structs.replace(self)

    def joined(self, after: CallDraft) -> CallDraft:
        """Return the draft of these lines and those that follow in the same session, as ``absorb_line`` makes it."""
        whole = self.copy()
        for field in _COUNTS:
            setattr(whole, field, max(getattr(self, field), getattr(after, field)))
        whole.is_stopped = self.is_stopped or after.is_stopped
        whole.speed = after.speed or self.speed
        whole.service_tier = after.service_tier or self.service_tier
        whole.inference_geo = after.inference_geo or self.inference_geo
        whole.iterations = max(self.iterations, after.iterations, key=_weight)
        if after.rank == self.rank:
            whole.ended_ns = max(self.ended_ns, after.ended_ns)
            whole.request_id = self.request_id or after.request_id
        elif after.rank < self.rank:
            whole.rank, whole.ended_ns, whole.home = after.rank, after.ended_ns, after.home
            whole.request_id, whole.requested_model = after.request_id, after.requested_model
            whole.model = self.model if after.model == NO_MODEL else after.model
        return whole

    def absorb_copy(self, other: CallDraft) -> None:
        """Take the larger of each count from a copy in another session; identity and time stay the owner's."""
        for field in _COUNTS:
            setattr(self, field, max(getattr(self, field), getattr(other, field)))
        self.is_stopped = self.is_stopped or other.is_stopped
        self.speed = self.speed or other.speed
        self.service_tier = self.service_tier or other.service_tier
        self.inference_geo = self.inference_geo or other.inference_geo
        self.iterations = max(self.iterations, other.iterations, key=_weight)


_COUNTS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "reasoning_tokens", "web_searches",
)  # fmt: skip


NO_TOOL_USE_ID = "tool_use without id: its result cannot be told"
NO_RESULT_ID = "tool_result without tool_use_id: nobody knows whose it is"
NO_PROMPT_ID = "prompt without uuid: copies of it cannot be told"


class Position(Protocol):
    """Where the record at hand stands."""

    @property
    def place(self) -> str:
        """A name for the line that does not depend on where the file lies."""

    def report(self, reason: str, detail: str) -> None:
        """Note a problem with the line."""


def response_key(record: CountRecord, message: CountMessage, position: Position) -> str:
    """Return what the response is counted by: message id, else line uuid, else the line's place."""
    if message.id:
        return message.id
    position.report("missing_id", "response without message id: copies of it cannot be told")
    return record.uuid or position.place


def fingerprint(name: str) -> int:
    """Return 32 bits of an id, in a fifth of its room: enough to tell the tool calls of one response apart."""
    return crc32(name.encode("utf-8", "replace"))


def is_response(message: CountMessage | None) -> bool:
    """Return True for a line of a real API response; the client's own ``<synthetic>`` notices are none.

    A response without usage (some proxies) is one too: its tokens are unknown, and it is marked as a lower bound.
    """
    if message is None or message.model == SYNTHETIC_MODEL:
        return False
    return message.usage is not None or bool(message.model and message.id)


def absorb_line(  # noqa: PLR0917 - called once per line: positions are faster than names
    drafts: dict[str, CallDraft],
    key: str,
    record: CountRecord,
    message: CountMessage,
    at_ns: int,
    rank: int,
    session_id: str,
) -> CallDraft:
    """Add one line of a response to its draft (made on first sight) and return the draft."""
    draft = drafts.get(key)
    if draft is None:
        draft = drafts[key] = CallDraft(key, rank, message.model or NO_MODEL, at_ns)
        _take_identity(draft, record, message, session_id)
    elif rank == draft.rank:
        draft.ended_ns = max(draft.ended_ns, at_ns)
        draft.request_id = draft.request_id or record.requestId
    elif rank < draft.rank:
        draft.rank, draft.ended_ns = rank, at_ns
        _take_identity(draft, record, message, session_id)
    if message.usage is not None:
        _take_usage(draft, message.usage)
        if message.stop_reason:
            draft.is_stopped = True
    return draft


def _take_identity(draft: CallDraft, record: CountRecord, message: CountMessage, session_id: str) -> None:
    draft.model = message.model or draft.model
    draft.request_id = record.requestId
    draft.requested_model = record.requestedModel
    named = record.sessionId
    if record.forkedFrom is not EMPTY_RAW and (found := _FORK_ORIGIN.search(bytes(record.forkedFrom))):
        named = found[1].decode("utf-8", "replace")
    draft.home = named if named and named != session_id else ""


def _take_usage(draft: CallDraft, usage: UsageRecord) -> None:  # noqa: C901, PLR0912 - one flat run, once per line
    # comparisons instead of max(): this runs once per line of every transcript
    if (count := usage.input_tokens or 0) > draft.input_tokens:
        draft.input_tokens = count
    if (count := usage.output_tokens or 0) > draft.output_tokens:
        draft.output_tokens = count
    if (count := usage.cache_read_input_tokens or 0) > draft.cache_read_tokens:
        draft.cache_read_tokens = count
    if (count := usage.cache_creation_input_tokens or 0) > draft.cache_write_tokens:
        draft.cache_write_tokens = count
    writes = usage.cache_creation
    if writes is not None:
        if (count := writes.ephemeral_5m_input_tokens or 0) > draft.cache_write_5m_tokens:
            draft.cache_write_5m_tokens = count
        if (count := writes.ephemeral_1h_input_tokens or 0) > draft.cache_write_1h_tokens:
            draft.cache_write_1h_tokens = count
    if usage.output_tokens_details is not None:
        draft.reasoning_tokens = max(draft.reasoning_tokens, usage.output_tokens_details.thinking_tokens or 0)
    if usage.server_tool_use is not None:
        draft.web_searches = max(draft.web_searches, usage.server_tool_use.web_search_requests or 0)
    if usage.speed and usage.speed != "standard":
        draft.speed = usage.speed
    if usage.service_tier and usage.service_tier != "standard":
        draft.service_tier = usage.service_tier
    if usage.inference_geo and usage.inference_geo not in _ANYWHERE:
        draft.inference_geo = usage.inference_geo
    if usage.iterations and (len(usage.iterations) > 1 or usage.iterations[0].type not in (None, "message")):
        entries = [(entry.type or "message", entry.model or "", iteration_usage(entry)) for entry in usage.iterations]
        draft.iterations = max(draft.iterations, entries, key=_weight)


def iteration_usage(entry: IterationRecord) -> Usage:
    """Return the tokens of one entry of ``usage.iterations``."""
    draft = CallDraft("", 0, "", 0)
    _take_usage(draft, entry)
    return draft.usage()


def _weight(entries: list[tuple[str, str, Usage]]) -> tuple[int, int]:
    return len(entries), sum(usage.prompt_tokens + usage.output_tokens for _, _, usage in entries)


def time_ns(at: datetime | None) -> int:
    """Return nanoseconds since the epoch; 0 where there is no usable time (till 2262). Times without zone are UTC."""
    if at is None:
        return 0
    since = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - _EPOCH
    at_ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    return at_ns if 0 < at_ns < _END_OF_TIME_NS else 0
