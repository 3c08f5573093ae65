from decimal import Decimal

import pytest
from inline_snapshot import snapshot

from otel_bridge.convert import ConvertOptions, turn_spans
from otel_bridge.model import ApiError, Iteration, ModelCall, RecordContext, Terms, Usage
from otel_bridge.telemetry import AttributeValue, Span
from tests.builders import MODEL, at_ns, model_call, session, turn


def chat_span(call: ModelCall) -> Span:
    whole = session(turn("prompt-1", call))
    return turn_spans(whole, whole.turns[0], ConvertOptions())[1]


def attributes(call: ModelCall) -> dict[str, AttributeValue]:
    return chat_span(call).attributes


def test_a_plain_call_has_these_attributes() -> None:
    """A call at standard terms carries identity, tokens, cost, and nothing it has nothing to say about."""
    assert attributes(model_call("req_1")) == snapshot(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-5-20250929",
            "gen_ai.response.model": "claude-sonnet-4-5-20250929",
            "gen_ai.conversation.id": "5a1b2c3d-0000-4000-8000-000000000001",
            "session.id": "5a1b2c3d-0000-4000-8000-000000000001",
            "coding_agent.turn.key": "prompt-1",
            "coding_agent.turn.index": 0,
            "coding_agent.entrypoint": "cli",
            "coding_agent.agent.name": "claude-code",
            "vcs.ref.head.name": "feat/otlp",
            "gen_ai.usage.input_tokens": 1205,
            "gen_ai.usage.output_tokens": 40,
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.cache_write.input_tokens": 200,
            "coding_agent.usage.cache_write_5m.input_tokens": 200,
            "coding_agent.cost.amount": 0.00125,
            "coding_agent.cost.currency": "USD",
            "coding_agent.cost.source": "computed",
            "gen_ai.response.id": "msg_req_1",
            "gen_ai.response.finish_reasons": ("stop",),
            "coding_agent.request.id": "req_1",
        }
    )


def test_input_tokens_include_the_cache() -> None:
    """Anthropic counts the cache apart; the conventions want it inside, the parts beside it."""
    usage = Usage(1, 2, cache_read_tokens=10, cache_write_5m_tokens=100, cache_write_1h_tokens=1000, reasoning_tokens=1)
    chat = attributes(model_call(usage=usage))
    assert chat["gen_ai.usage.input_tokens"] == 1111
    assert chat["gen_ai.usage.output_tokens"] == 2
    assert chat["gen_ai.usage.cache_read.input_tokens"] == 10
    assert chat["gen_ai.usage.cache_write.input_tokens"] == 1100
    assert chat["gen_ai.usage.reasoning.output_tokens"] == 1
    assert chat["coding_agent.usage.cache_write_5m.input_tokens"] == 100
    assert chat["coding_agent.usage.cache_write_1h.input_tokens"] == 1000


def test_cost_is_a_double_in_dollars() -> None:
    """The cost is the nearest double of the exact amount, and says that we computed it."""
    chat = attributes(model_call(cost_usd=Decimal("0.0319246")))
    assert chat["coding_agent.cost.amount"] == 0.0319246
    assert chat["coding_agent.cost.currency"] == "USD"
    assert chat["coding_agent.cost.source"] == "computed"


def test_free_is_a_cost_and_unpriced_is_none() -> None:
    """An unknown model has no cost and says so, it does not cost zero; what costs zero has a cost."""
    unpriced = attributes(model_call(cost_usd=None))
    assert unpriced["coding_agent.cost.unpriced"] is True
    assert not {"coding_agent.cost.amount", "coding_agent.cost.currency", "coding_agent.cost.source"} & unpriced.keys()
    free = attributes(model_call(cost_usd=Decimal(0)))
    assert free["coding_agent.cost.amount"] == 0.0
    assert "coding_agent.cost.unpriced" not in free


@pytest.mark.parametrize(
    ("stop_reason", "finish_reasons"),
    [
        ("end_turn", ("stop",)),
        ("stop_sequence", ("stop",)),
        ("tool_use", ("tool_call",)),
        ("max_tokens", ("length",)),
        ("refusal", ("content_filter",)),
        ("reason_of_tomorrow", ("reason_of_tomorrow",)),
        (None, None),
    ],
)
def test_stop_reasons_speak_the_conventions_words(
    stop_reason: str | None, finish_reasons: tuple[str, ...] | None
) -> None:
    """Known stop reasons are translated, unknown ones kept, and an unseen end is not invented."""
    assert attributes(model_call(stop_reason=stop_reason)).get("gen_ai.response.finish_reasons") == finish_reasons


def test_the_name_is_the_model_asked_for() -> None:
    """Where another model answered than was asked for, the span is named by the request, priced by the answer."""
    span = chat_span(model_call(requested_model="claude-opus-4-5"))
    assert span.name == "chat claude-opus-4-5"
    assert span.attributes["gen_ai.request.model"] == "claude-opus-4-5"
    assert span.attributes["gen_ai.response.model"] == MODEL


def test_special_terms_are_named() -> None:
    """Speed, tier and geography appear where they are not the usual ones."""
    chat = attributes(model_call(terms=Terms("fast", "batch", "us")))
    assert chat["coding_agent.request.speed"] == "fast"
    assert chat["coding_agent.request.service_tier"] == "batch"
    assert chat["coding_agent.request.inference_geo"] == "us"
    assert [name for name in attributes(model_call(terms=Terms(speed="fast"))) if "service_tier" in name] == []


def test_retries_are_counted_with_their_reasons() -> None:
    """A call that came through on the third attempt says what the others failed of, each reason once."""
    failures = tuple(ApiError(at_ns(1), reason) for reason in ("overloaded_error", "rate_limit", "overloaded_error"))
    chat = attributes(model_call(retries=failures))
    assert chat["coding_agent.retry.count"] == 3
    assert chat["coding_agent.retry.error_types"] == ("overloaded_error", "rate_limit")
    assert "error.type" not in chat


def test_what_weakens_or_explains_a_count_is_said() -> None:
    """Lower bounds, several billed entries, web searches and compaction are marked; absence means no."""
    entries = (Iteration("message", MODEL, Usage()), Iteration("compaction", MODEL, Usage()))
    chat = attributes(
        model_call(usage=Usage(web_searches=2), output_is_lower_bound=True, iterations=entries, follows_compaction=True)
    )
    assert chat["coding_agent.usage.output_is_lower_bound"] is True
    assert chat["coding_agent.usage.iterations"] == 2
    assert chat["coding_agent.usage.web_searches"] == 2
    assert chat["gen_ai.conversation.compacted"] is True
    assert "gen_ai.conversation.compacted" not in attributes(model_call())


def test_every_call_has_the_branch_of_its_own_record() -> None:
    """Branches change inside a turn; a detached head and a folder without repository have none."""
    assert attributes(model_call(context=RecordContext(branch="fix/x")))["vcs.ref.head.name"] == "fix/x"
    for branch in ("HEAD", "", None):
        assert "vcs.ref.head.name" not in attributes(model_call(context=RecordContext(branch=branch)))
