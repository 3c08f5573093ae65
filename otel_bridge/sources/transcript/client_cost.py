"""The client's own total of a session, and what our calls leave unexplained of it (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct, structs

from otel_bridge.model import Unrecorded
from otel_bridge.sources.transcript.asides import CostState
from otel_bridge.sources.transcript.calls import CallDraft, Pricer
from otel_bridge.sources.transcript.census import SessionCensus

_GRAIN_USD = Decimal("0.0000000001")
"""Finer than any price per token (the smallest is 5.5e-9 USD); the client adds binary floats, whose error is below."""


class ClientCost(Struct, frozen=True):
    """What the client says a session cost."""

    total_usd: Decimal
    until_ns: int
    """Calls that ended before this are in the total; 0 means all."""
    has_unknown_model: bool


class ClientComparison(Struct, frozen=True):
    """The client's own total of a session beside ours; all ``None`` where the client wrote none."""

    cost_usd: Decimal | None = None
    unrecorded_usd: Decimal | None = None
    """Client total less our price of the calls it had counted; ``None`` if one of them is unpriced."""
    unrecorded_reasons: tuple[str, ...] = ()


def client_cost(census: SessionCensus, origin: SessionCensus | None, birth_ns: int) -> ClientCost | None:
    """Return the session's own total, or ``None`` where the client wrote none or it cannot be told from a parent's.

    The last state of each process counts (a process is told by its start time, a resumed one keeps it), processes add
    up. A fork starts from its parent's totals and start time: what the parent had written before the fork was born is
    taken off (checked on 2.1.329).
    """
    finals = _final_states(census.cost_states)
    if not finals:
        return None
    total = Decimal(0)
    copied_until_ns = _copied_until_ns(census, origin)
    for state in finals:
        inherited = _inherited(state, origin, birth_ns, copied_until_ns)
        if inherited is None:
            return None
        total += state.total_usd - inherited
    last = max(finals, key=lambda state: (state.at_ns, state.until_ns))
    return ClientCost(
        total.quantize(_GRAIN_USD).normalize(),
        0 if any(not state.until_ns for state in finals) else last.until_ns,
        any(state.has_unknown_model for state in finals),
    )


def unrecorded_reasons(census: SessionCensus, cost: ClientCost) -> tuple[str, ...]:
    """Return the likely reasons for a difference between the client's total and ours, most telling first."""
    calls = census.calls
    reasons = {
        "answered_model": any(call.requested_model not in (None, call.model) for call in calls),
        "unknown_model_price": cost.has_unknown_model,
        "compaction": census.compaction_count > 0,
        "output_lower_bound": any(not call.is_stopped for call in calls),
        "session_title": census.title is not None,
    }
    return tuple(reason for reason, applies in reasons.items() if applies) or ("unknown",)


def compare(own: SessionCensus, client: ClientCost | None, price: Pricer) -> ClientComparison:
    """Set the client's total beside our price of the session's own calls."""
    if client is None:
        return ClientComparison()
    unrecorded_usd = _unrecorded_usd(own.calls, client, price)
    reasons = unrecorded_reasons(own, client) if unrecorded_usd is None or unrecorded_usd else ()
    return ClientComparison(client.total_usd, unrecorded_usd, reasons)


def unrecorded_history(
    census: SessionCensus, own: SessionCensus, origin: SessionCensus | None, birth_ns: int, price: Pricer
) -> tuple[Unrecorded, ...]:
    """Return what was unrecorded at each total the client wrote; totals that cannot be compared are left out."""
    states = sorted(census.cost_states, key=lambda state: (state.at_ns, state.total_usd))
    history = []
    for count, state in enumerate(states, 1):
        so_far = structs.replace(census, cost_states=states[:count])
        client = client_cost(so_far, origin, birth_ns)
        unrecorded_usd = None if client is None else _unrecorded_usd(own.calls, client, price)
        if unrecorded_usd is not None:
            history.append(Unrecorded(state.at_ns, unrecorded_usd))
    return tuple(history)


def _unrecorded_usd(calls: Iterable[CallDraft], client: ClientCost, price: Pricer) -> Decimal | None:
    ours = Decimal(0)
    for call in calls:
        if client.until_ns and call.ended_ns >= client.until_ns:
            continue
        cost = call.cost_usd(price)
        if cost is None:
            return None
        ours += cost
    return client.total_usd - ours


def _final_states(states: Iterable[CostState]) -> list[CostState]:
    last: dict[int, CostState] = {}
    for state in states:
        known = last.get(state.start_time_ms)
        if known is None or (state.at_ns, state.total_usd) >= (known.at_ns, known.total_usd):
            last[state.start_time_ms] = state
    return [last[start] for start in sorted(last)]


def _copied_until_ns(census: SessionCensus, origin: SessionCensus | None) -> int:
    """Return the end of the latest call a fork copied, 0 for no fork."""
    keys = set() if origin is None else {call.key for call in origin.calls}
    return max((call.ended_ns for call in census.calls if call.key in keys), default=0)


def _inherited(state: CostState, origin: SessionCensus | None, birth_ns: int, copied_until_ns: int) -> Decimal | None:
    """Return what a fork's total starts from, 0 if nothing, ``None`` if its parent never wrote it down.

    A process that started after the copied calls counted none of them.
    """
    if origin is None or state.start_time_ms * 1_000_000 > copied_until_ns:
        return Decimal(0)
    parents = [parent for parent in origin.cost_states if parent.start_time_ms == state.start_time_ms]
    before = [parent for parent in parents if parent.at_ns <= birth_ns]
    return max(before, key=lambda parent: (parent.at_ns, parent.total_usd)).total_usd if before else None
