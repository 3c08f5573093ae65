"""How each client version counted and priced a call, as steps from our figures to its own.

A step changes the tokens or the price of one call and has a name; nothing but these steps lies between a transcript
read by us and the native telemetry of the same run. Every step was found call by call on the captures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct, structs

from otel_bridge.model import STANDARD_TERMS, Agent, ModelCall, Session, Usage
from otel_bridge.prices import RateCard, rate_card
from otel_bridge.prices.rates import epoch_ns
from tests.captures import Request


class Entry(Struct, frozen=True):
    """A call on its way from our account to the client's."""

    call: ModelCall
    agent: Agent | None
    """The sub-agent that made the call."""
    main_model: str
    """Model of the session's main lane."""
    usage: Usage
    label: str
    """The model the client's counters name."""
    rates: RateCard
    request: Request | None = None
    """The native event of the same call, once it is found."""

    @property
    def cost_usd(self) -> Decimal:
        """Cost of the usage at the rates."""
        return self.rates.cost(self.usage)


Step = Callable[[Entry], Entry]
UNSTREAMED = "not streamed: free"


def session_entries(session: Session) -> list[Entry]:
    """Return all calls of a session as we count and price them."""
    main_model = next(call.model for turn in session.turns for call in turn.calls)
    entries = []
    for turn in session.turns:
        for call, agent in _walk(turn.calls, None):
            entries.append(_entry(call, agent, main_model))
        for agent in turn.agents:
            entries += [_entry(call, inner, main_model) for call, inner in _walk(agent.calls, agent)]
    return entries


def _walk(calls: tuple[ModelCall, ...], agent: Agent | None) -> Iterator[tuple[ModelCall, Agent | None]]:
    for call in calls:
        yield call, agent
        for tool in call.tool_calls:
            if tool.agent is not None:
                yield from _walk(tool.agent.calls, tool.agent)


def _entry(call: ModelCall, agent: Agent | None, main_model: str) -> Entry:
    rates = rate_card(call.model, call.ended_ns, call.terms, call.usage.prompt_tokens)
    assert rates is not None
    return Entry(call, agent, main_model, call.usage, call.model, rates)


def final_output(entry: Entry, start_tokens: int = 0) -> Entry:
    """Take the final count, where the line was written while the answer streamed in and has the count so far.

    Only calls that we mark as lower bounds are touched, and never downwards.
    """
    if entry.request is None or not entry.call.output_is_lower_bound:
        return entry
    final = entry.request.output_tokens - start_tokens
    assert final >= entry.call.usage.output_tokens
    return structs.replace(entry, usage=structs.replace(entry.usage, output_tokens=final))


def final_output_less_start(entry: Entry) -> Entry:
    """As above, where native adds the count at the stream's start, which is 1, to the final one."""
    return final_output(entry, 1)


def unstreamed_is_free(entry: Entry) -> Entry:
    """Leave out an answer that came in one piece after a failed stream (529 here), as the client does."""
    return structs.replace(entry, usage=Usage()) if is_unstreamed(entry.call) else entry


def is_unstreamed(call: ModelCall) -> bool:
    """Tell whether a line that asks for tools has its stop reason: streamed ones are written before it is known."""
    return call.stop_reason == "tool_use" and not call.output_is_lower_bound


def streamed_twice(entry: Entry) -> Entry:
    """Add the counts at the start of the stream to those at its end; the start's output count is 1."""
    usage = entry.usage
    if is_unstreamed(entry.call):
        return entry
    doubled = usage + structs.replace(usage, output_tokens=1)
    return structs.replace(entry, usage=doubled)


def only_output(entry: Entry) -> Entry:
    """Leave out the prompt, cached or not."""
    return structs.replace(entry, usage=Usage(output_tokens=entry.usage.output_tokens))


def writes_at_5_minutes(entry: Entry) -> Entry:
    """Price cache writes that live an hour as those that live five minutes."""
    return structs.replace(entry, rates=_changed(entry.rates, cache_write_1h=entry.rates.cache_write_5m))


def model_asked_for(entry: Entry) -> Entry:
    """Price the model asked for where another one answered; the transcript names both."""
    return _asked_for(entry, entry.call.requested_model or entry.call.model)


def model_of_parent(entry: Entry) -> Entry:
    """As above where transcripts do not say: a general-purpose sub-agent asks for the main lane's model."""
    is_general = entry.agent is not None and entry.agent.type == "general-purpose"
    return _asked_for(entry, entry.main_model if is_general else entry.call.model)


def model_of_agents(entry: Entry) -> Entry:
    """As above on 2.0.30, which asks for Sonnet 4.5 in every general-purpose sub-agent."""
    is_general = entry.agent is not None and entry.agent.type == "general-purpose"
    return _asked_for(entry, "claude-sonnet-4-5-20250929" if is_general else entry.call.model)


def priced_as(prices: dict[str, str]) -> Step:
    """Make the step of a client that does not know a model yet and takes another one's price for it."""

    def unknown_model(entry: Entry) -> Entry:
        price = prices.get(entry.label)
        return entry if price is None else structs.replace(_asked_for(entry, price), label=entry.label)

    return unknown_model


def long_prompt(entry: Entry) -> Entry:
    """Price a prompt over 200,000 tokens as when the client was released, before that surcharge ended."""
    released_ns = epoch_ns(datetime(2026, 2, 20, tzinfo=UTC))
    then = rate_card(entry.label, released_ns, STANDARD_TERMS, entry.usage.prompt_tokens)
    now = rate_card(entry.label, released_ns, STANDARD_TERMS, 0)
    assert then is not None
    assert now is not None
    if then is now:
        return entry
    return structs.replace(entry, rates=_changed(then, cache_write_1h=then.cache_write_5m))


STEPS: dict[str, dict[str, Step]] = {
    "1.0.60": {
        "final output": final_output_less_start,
        UNSTREAMED: unstreamed_is_free,
        "stream counted twice": streamed_twice,
        "1-hour writes at 5-minute": writes_at_5_minutes,
        "unknown model's price": priced_as(
            {"claude-opus-4-6": "claude-opus-4", "claude-haiku-4-5-20251001": "claude-sonnet-4"}
        ),
    },
    "2.0.30": {
        "final output": final_output,
        UNSTREAMED: unstreamed_is_free,
        "prompt not counted": only_output,
        "model asked for": model_of_agents,
        "unknown model's price": priced_as({"claude-opus-4-6": "claude-opus-4"}),
    },
    "2.1.50": {
        "final output": final_output,
        "model asked for": model_of_parent,
        "unknown model's price": priced_as({"claude-sonnet-4-5": "claude-opus-4-5"}),
        "1-hour writes at 5-minute": writes_at_5_minutes,
        "long-prompt surcharge": long_prompt,
    },
    "2.1.181": {"final output": final_output, "model asked for": model_of_parent},
    "2.1.329": {"model asked for": model_asked_for},
}
"""What lies between our figures and the client's, by client version, in the order it is applied."""


def _asked_for(entry: Entry, model: str) -> Entry:
    if model == entry.label:
        return entry
    rates = rate_card(model, entry.call.ended_ns, entry.call.terms, entry.usage.prompt_tokens)
    assert rates is not None
    if entry.rates.cache_write_1h == entry.rates.cache_write_5m:
        rates = _changed(rates, cache_write_1h=rates.cache_write_5m)
    return structs.replace(entry, label=model, rates=rates)


def _changed(rates: RateCard, **prices: Decimal) -> RateCard:
    return structs.replace(rates, **prices)
