"""The client's own total of a session beside ours."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from otel_bridge.prices import price_call, usd_str
from otel_bridge.sources.transcript.calls import CallDraft
from otel_bridge.sources.transcript.client_cost import ClientAccount, ClientCost, unrecorded_reasons
from otel_bridge.sources.transcript.survey import Survey

SummaryT = TypeVar("SummaryT")


def client_account(survey: Survey[SummaryT], session_id: str) -> ClientAccount:
    """Return what the client says the session cost and what our calls leave unexplained, with the likely reasons."""
    if not survey.heads[session_id].has_cost_state:
        return ClientAccount()
    census = survey.census(session_id)
    client = survey.client_cost(census)
    if client is None:
        return ClientAccount()
    own = survey.ownership.own_part(census)
    unrecorded = unrecorded_usd(own.calls, client)
    reasons = unrecorded_reasons(own, client) if unrecorded is None or unrecorded else ()
    return ClientAccount(client.total_usd, unrecorded, reasons)


def unrecorded_usd(calls: Iterable[CallDraft], client: ClientCost) -> Decimal | None:
    """Return the client's total less our price of the calls it had counted; ``None`` if one of them is unpriced."""
    ours = Decimal(0)
    for call in calls:
        if client.until_ns and call.ended_ns >= client.until_ns:
            continue
        cost = price_call(call.model, call.usage(), call.ended_ns, call.terms(), call.billed_entries())
        if cost is None:
            return None
        ours += cost
    return Decimal(usd_str(client.total_usd - ours))
