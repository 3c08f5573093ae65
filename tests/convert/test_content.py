import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.convert import ContentPolicy, ConvertOptions, turn_spans
from otel_bridge.convert.content import json_arguments, messages_json, plain_text
from otel_bridge.model import Content, Prompt
from tests.builders import model_call, session, tool_call, turn

POLICY = ContentPolicy(messages=True, tools=True)
SHORT = ContentPolicy(max_bytes=200)
TOKEN = "ghp_" + "a1B2" * 9

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def converted(options: ConvertOptions) -> dict[str, dict[str, object]]:
    tool = tool_call(content=Content('{"command":"ls"}', "a.py"))
    call = model_call("req_1", tool, content=Content("context", "I shall look."))
    whole = session(turn("p", call, prompt=Prompt("human", content=Content("What is here?"))))
    return {span.name.split()[0]: dict(span.attributes) for span in turn_spans(whole, whole.turns[0], options)}


def test_no_text_leaves_unless_asked_for() -> None:
    """By default spans carry no word of a prompt, an answer or a tool."""
    told = str(converted(ConvertOptions()))
    assert not [text for text in ("What is here?", "I shall look.", "context", "a.py", "command") if text in told]


def test_messages_and_tools_are_asked_for_apart() -> None:
    """Who wants prompts does not have to take file contents, and the reverse."""
    spans = converted(ConvertOptions(content=ContentPolicy(messages=True)))
    assert json.loads(str(spans["chat"]["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "I shall look."}]}
    ]
    assert "gen_ai.tool.call.result" not in spans["execute_tool"]
    spans = converted(ConvertOptions(content=ContentPolicy(tools=True)))
    assert spans["execute_tool"]["gen_ai.tool.call.arguments"] == '{"command":"ls"}'
    assert spans["execute_tool"]["gen_ai.tool.call.result"] == "a.py"
    assert "gen_ai.input.messages" not in spans["invoke_agent"]


def test_long_text_ends_with_a_marker_at_a_character() -> None:
    """A cut never splits a character, and says how long the text was."""
    cut = plain_text("é" * 500, SHORT)
    assert len(cut.encode()) in (199, 200)
    assert cut.endswith("é… [truncated, 1000 bytes]")
    assert plain_text("é" * 100, SHORT) == "é" * 100


def test_long_messages_stay_json() -> None:
    """The text inside is cut so that the whole, escapes included, fits."""
    cut = messages_json("user", '"\n' * 500, SHORT)
    assert len(cut.encode()) <= 200
    (message,) = json.loads(cut)
    assert message["role"] == "user"
    assert message["parts"][0]["content"].endswith("… [truncated, 1000 bytes]")


def test_a_message_without_room_is_left_out() -> None:
    """Where not even the shape of a message fits, there is none: a consumer would choke on half of one."""
    assert messages_json("user", "x" * 500, ContentPolicy(max_bytes=64)) == ""


def test_long_arguments_keep_their_shape() -> None:
    """Only long strings of a tool's input are cut: what else it says stays readable."""
    arguments = {"file_path": "/home/dev/a.py", "content": "x" * 5000, "flags": [1, True, None]}
    cut = json.loads(json_arguments(json.dumps(arguments), SHORT))
    assert cut["file_path"] == "/home/dev/a.py"
    assert cut["flags"] == [1, True, None]
    assert cut["content"].startswith("xxx")
    assert cut["content"].endswith("… [truncated, 5000 bytes]")


def test_what_cannot_be_cut_is_replaced() -> None:
    """Input with more structure than room is named by its size."""
    assert json_arguments(json.dumps(list(range(500))), SHORT) == '"… [truncated, 2390 bytes]"'


@pytest.mark.parametrize("arguments", ["{not json", "[" * 100_000, "1e999999", "9" * 5000, '"\\ud800"'])
def test_what_is_no_json_is_text(arguments: str) -> None:
    """Whatever a model wrote as input becomes valid JSON within the limit."""
    cut = json_arguments(arguments, SHORT)
    json.loads(cut)
    assert len(cut.encode()) <= 200


def test_nothing_stays_nothing() -> None:
    """An absent text makes no attribute."""
    assert messages_json("user", "", POLICY) == json_arguments("", POLICY) == plain_text("", POLICY) == ""


@pytest.mark.parametrize("offset", range(-60, 20, 5))
def test_a_secret_across_the_cut_is_redacted(offset: int) -> None:
    """Texts are redacted before they are cut: half a token would no longer look like one."""
    text = "x" * (200 - 26 + offset) + " " + TOKEN + " " + "y" * 500
    for value in (plain_text(text, SHORT), messages_json("user", text, SHORT), json_arguments(json.dumps(text), SHORT)):
        assert "ghp_" not in value


@given(json_values, st.integers(64, 400))
def test_arguments_are_json_within_the_limit(value: object, max_bytes: int) -> None:
    """Any input gives valid JSON that fits."""
    cut = json_arguments(json.dumps(value), ContentPolicy(max_bytes=max_bytes))
    json.loads(cut)
    assert len(cut.encode()) <= max_bytes


@given(st.text(max_size=600), st.integers(64, 400))
def test_texts_are_within_the_limit(text: str, max_bytes: int) -> None:
    """Any text fits, as it is or in a message."""
    policy = ContentPolicy(max_bytes=max_bytes)
    assert len(plain_text(text, policy).encode()) <= max_bytes
    assert len(messages_json("assistant", text, policy).encode()) <= max_bytes
