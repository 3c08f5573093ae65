from inline_snapshot import snapshot

from otel_bridge.convert import ContentPolicy, ConvertOptions, turn_spans
from otel_bridge.model import Compaction, Content, Prompt, RecordContext, Turn, Usage
from otel_bridge.telemetry import Span
from tests.builders import at_ns, model_call, session, sub_agent, tool_call, turn


def spans_of(whole: Turn, options: ConvertOptions = ConvertOptions()) -> list[Span]:  # noqa: B008
    return turn_spans(session(whole), whole, options)


def test_the_root_of_a_turn_has_these_attributes() -> None:
    """The root says which turn, how it was opened and closed, and what its own calls used."""
    assert spans_of(turn("prompt-1", model_call()))[0].attributes == snapshot(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "claude-code",
            "gen_ai.conversation.id": "5a1b2c3d-0000-4000-8000-000000000001",
            "session.id": "5a1b2c3d-0000-4000-8000-000000000001",
            "coding_agent.turn.key": "prompt-1",
            "coding_agent.turn.index": 0,
            "coding_agent.entrypoint": "cli",
            "vcs.ref.head.name": "feat/otlp",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 1205,
            "gen_ai.usage.output_tokens": 40,
            "coding_agent.turn.end_reason": "end_turn",
            "coding_agent.prompt.kind": "human",
            "coding_agent.prompt.length": 12,
            "coding_agent.prompt.source": "typed",
        }
    )


def test_agents_carry_nothing_that_is_counted_on_calls() -> None:
    """Consumers take a model, a provider or a cost for a model call; cache usage is not an agent's."""
    agent = sub_agent("a1", model_call("req_2"))
    for span in spans_of(turn("p", model_call("req_1", tool_call(agent=agent)))):
        if span.name.startswith("invoke_agent"):
            assert not [name for name in span.attributes if "cost" in name or "cache" in name or "model" in name]
            assert "gen_ai.provider.name" not in span.attributes
            assert "gen_ai.agent.id" not in span.attributes


def test_usage_of_an_agent_is_that_of_its_own_calls() -> None:
    """A turn does not include its sub-agents' tokens, so that agents add up; and a switch takes usage off agents."""
    agent = sub_agent("a1", model_call("req_3", usage=Usage(1000, 1000)))
    calls = model_call("req_1", tool_call(agent=agent), usage=Usage(1, 2, 10)), model_call("req_2", usage=Usage(3, 4))
    root, *_, sub, _ = spans_of(turn("p", *calls))
    assert (root.attributes["gen_ai.usage.input_tokens"], root.attributes["gen_ai.usage.output_tokens"]) == (14, 6)
    assert sub.attributes["gen_ai.usage.input_tokens"] == 1000
    quiet = spans_of(turn("p", *calls), ConvertOptions(agent_usage=False))[0]
    assert "gen_ai.usage.input_tokens" not in quiet.attributes


def test_prompts_are_described_not_quoted() -> None:
    """Kind, length, command and source of the prompt; its text only on request."""
    prompt = Prompt("command", 21, "/review", "typed", Content("/review my secret plan"))
    root = spans_of(turn("p", prompt=prompt))[0].attributes
    assert root["coding_agent.prompt.kind"] == "command"
    assert root["coding_agent.prompt.length"] == 21
    assert root["coding_agent.prompt.command"] == "/review"
    assert root["coding_agent.prompt.source"] == "typed"
    assert not [name for name, value in root.items() if "secret plan" in str(value)]


def test_failed_turns_are_errors() -> None:
    """A turn that an API error ended has that error's type."""
    root = spans_of(turn("p", error_type="rate_limit"))[0]
    assert root.attributes["error.type"] == "rate_limit"
    assert root.is_error


def test_compactions_are_counted_where_they_happened() -> None:
    """The agent whose history was compacted carries the count; others have none."""
    compactions = (Compaction(at_ns(1), "auto"), Compaction(at_ns(2), "manual"))
    root, sub = spans_of(turn("p", agents=(sub_agent(compactions=compactions),)))
    assert sub.attributes["coding_agent.compaction.count"] == 2
    assert "coding_agent.compaction.count" not in root.attributes


def test_a_sub_agent_says_who_it_is_and_how_its_parent_was_found() -> None:
    """Identity is our own attribute: the conventions keep ``gen_ai.agent.id`` for hosted agents."""
    agent = sub_agent("a2", type="Plan", parent_agent_id="a1", is_background=True, link="meta", description="Find it")
    attributes = spans_of(turn("p", agents=(agent,)))[1].attributes
    assert attributes["gen_ai.agent.name"] == "Plan"
    assert attributes["coding_agent.agent.id"] == "a2"
    assert attributes["coding_agent.agent.parent_id"] == "a1"
    assert attributes["coding_agent.agent.background"] is True
    assert attributes["coding_agent.agent.link"] == "meta"
    assert "coding_agent.agent.description" not in attributes


def test_an_agent_of_unknown_type_has_a_name() -> None:
    """Backends group by agent name, so there always is one."""
    assert spans_of(turn("p", agents=(sub_agent(type=None),)))[1].name == "invoke_agent subagent"


def test_the_last_answer_is_the_turns_answer() -> None:
    """With messages asked for, the root has the prompt and the last text the model gave."""
    calls = [model_call(f"req_{n}", content=Content(response=text)) for n, text in enumerate(("Looking.", "Done.", ""))]
    whole = turn("p", *calls, prompt=Prompt("human", content=Content("Ship it")))
    root = spans_of(whole, ConvertOptions(content=ContentPolicy(messages=True)))[0].attributes
    assert root["gen_ai.input.messages"] == '[{"role":"user","parts":[{"type":"text","content":"Ship it"}]}]'
    assert root["gen_ai.output.messages"] == '[{"role":"assistant","parts":[{"type":"text","content":"Done."}]}]'


def test_a_continuation_is_marked() -> None:
    """The ordinal is on every span of a continuation and on none of the turn itself."""
    assert {span.attributes["coding_agent.turn.ordinal"] for span in spans_of(turn("p", model_call(), ordinal=2))} == {
        2
    }
    assert "coding_agent.turn.ordinal" not in spans_of(turn("p"))[0].attributes


def test_the_turns_entrypoint_is_on_all_its_spans() -> None:
    """How the client was started is the same for a whole turn; unknown is absent."""
    spans = spans_of(turn("p", model_call(), context=RecordContext(entrypoint="sdk-cli")))
    assert {span.attributes["coding_agent.entrypoint"] for span in spans} == {"sdk-cli"}
    assert "coding_agent.entrypoint" not in spans_of(turn("p", context=RecordContext()))[0].attributes
