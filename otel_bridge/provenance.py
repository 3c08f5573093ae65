"""Where the numbers of a session come from: transcripts, the client's own telemetry, or both (pure).

What was chosen is noted where it was chosen (``reported``); a call without such a note is the transcript's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, structs

from otel_bridge.model import ModelCall, Session, ToolCall
from otel_bridge.reported import TRANSCRIPT, CallSources, ToolSources

BOTH = "both"
TELEMETRY = "telemetry"
COMPUTED = "computed"
REPORTED = "reported"
UNPRICED = "unpriced"

_RECORDED_CALL = CallSources(*[TRANSCRIPT] * 5)
_RECORDED_TOOL = ToolSources(*[TRANSCRIPT] * 6)

Sources = dict[str, str]
"""Fact → ``transcript``, ``event`` or ``span``; a cost is ``computed``, ``reported`` or ``unpriced``."""


class Provenance(Struct, frozen=True):
    """How many calls of a session are known from where, and whose word their cost is."""

    calls: dict[str, int]
    """By ``both``, ``transcript`` and ``telemetry``."""
    tool_calls: dict[str, int]
    """The same of tool calls that have a result."""
    cost: dict[str, int]
    """Calls by ``computed``, ``reported`` and ``unpriced``."""


def session_provenance(session: Session) -> Provenance:
    """Return the counts of a session, without those that are 0."""
    calls = list(session.calls())
    return Provenance(
        dict(sorted(Counter(map(known_from, calls)).items())),
        dict(sorted(Counter(known_from(tool) for tool in session.tool_calls() if tool.is_finished).items())),
        dict(sorted(Counter(map(cost_source, calls)).items())),
    )


def known_from(call: ModelCall | ToolCall) -> str:
    """Return which side knows a call: ``transcript``, ``telemetry`` or ``both``."""
    if not call.reported:
        return TRANSCRIPT
    return TELEMETRY if call.reported.is_unrecorded else BOTH


def cost_source(call: ModelCall) -> str:
    """Return whose word the cost of a call is."""
    if call.cost_usd is None:
        return UNPRICED
    return REPORTED if call.reported and call.reported.cost_is_own else COMPUTED


def call_sources(call: ModelCall) -> Sources:
    """Return whose word each number of a model call is, of those that it has."""
    told = call.reported
    sources = structs.asdict(told.sources if told else _RECORDED_CALL)
    if not told or told.ttft_ms is None:
        del sources["first_token"]
    return sources | {"cost": cost_source(call)}


def tool_sources(tool: ToolCall) -> Sources:
    """Return whose word each fact of a tool call is, of those that it has."""
    sources = structs.asdict(tool.reported.sources if tool.reported else _RECORDED_TOOL)
    missing = {
        "end": tool.ended_ns is None,
        "outcome": tool.ended_ns is None,
        "decision": tool.decision is None,
        "permission_wait": tool.permission_wait_ns is None,
        "result_bytes": not tool.result_bytes,
    }
    return {fact: source for fact, source in sources.items() if not missing.get(fact)}


def usual_sources(all_sources: Iterable[Sources]) -> Sources:
    """Return whose word each fact mostly is; of equally many the first in the alphabet."""
    counts: dict[str, Counter[str]] = {}
    for sources in all_sources:
        for fact, source in sources.items():
            counts.setdefault(fact, Counter())[source] += 1
    return {fact: min(count, key=lambda source: (-count[source], source)) for fact, count in counts.items()}
