from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from otel_bridge.client_env.settings_text import NOTE, Made, changed_since, find_note, with_variables, without_variables
from otel_bridge.json_text import Layout, insertion, part_at, rendered
from tests.settings_files import spaces, texts, values, words

OURS = {"A": "1", "B": "http://127.0.0.1:4318", "C": ""}

envs = st.dictionaries(st.sampled_from(["A", "B", "C", "D", ""]) | words, values, max_size=5)
settings = st.builds(
    lambda others, env: others | env,
    st.dictionaries(words.filter(lambda key: key != "env"), values, max_size=3),
    st.fixed_dictionaries({}, optional={"env": envs}),
)


@given(texts(settings) | spaces)
def test_taking_out_restores_every_byte(text: str) -> None:
    """Whatever the file looks like and whatever values were replaced, in the end nothing has changed."""
    written = with_variables(text, OURS)
    env = json.loads(written)["env"]
    assert OURS.items() <= env.items()
    assert without_variables(written) == text


@given(texts(settings))
def test_everything_else_stays(text: str) -> None:
    """With the variables in, all other settings and variables are there, in their order."""
    written, before = json.loads(with_variables(text, OURS)), json.loads(text)
    env, env_before = written.pop("env"), before.pop("env", {})
    assert list(written.items()) == list(before.items())
    others = {name: value for name, value in env_before.items() if name not in OURS}
    assert {name: value for name, value in env.items() if name not in OURS and name != NOTE} == others
    assert list(env)[: len(env_before)] == list(env_before)


@given(texts(settings), words)
def test_writing_again(text: str, other: str) -> None:
    """The same variables change nothing; other ones take the place of the first and leave as well."""
    written = with_variables(text, OURS)
    assert with_variables(written, OURS) == written
    rewritten = with_variables(written, {"A": other, "D": "4"})
    assert json.loads(rewritten)["env"].get("B") == (json.loads(text) if text else {}).get("env", {}).get("B")
    assert without_variables(rewritten) == text


@given(texts(settings), values)
def test_edits_elsewhere_are_kept(text: str, value: Any) -> None:
    """What others add to the settings meanwhile stays when ours go, and nothing else does."""
    assume(json.loads(text).keys() - {"env"})
    assert without_variables(with_member(with_variables(text, OURS), value)) == with_member(text, value)


@given(texts(settings), values)
def test_variables_of_others_are_kept(text: str, value: Any) -> None:
    """A variable that somebody adds behind ours makes the exact piece unfit: then ours go by their meaning."""
    written = insertion(with_variables(text, OURS), ("env",), {"their own": value}).into(with_variables(text, OURS))
    before = json.loads(text)
    assert json.loads(without_variables(written)) == before | {"env": before.get("env", {}) | {"their own": value}}


def with_member(text: str, value: Any) -> str:
    """Add a member before all others."""
    start = part_at(text, ()).value_start + 1
    return f'{text[:start]}"a new member":{rendered(value, Layout(""))},{text[start:]}'


@pytest.mark.parametrize("text", ["{}", '{"env": {}}', '{"env": {"A": "theirs"}}'])
def test_a_value_that_was_changed_since_is_theirs(text: str) -> None:
    """Whoever edits one of our values keeps it; the rest of ours goes."""
    edited = with_variables(text, OURS).replace('"A": "1"', '"A": "mine"')
    assert changed_since(edited) == ["A"]
    assert json.loads(without_variables(edited)) == {"env": {"A": "mine"}}


def test_a_variable_that_was_taken_out_since_is_not_missed() -> None:
    """Somebody removed one of ours: the others go, and nothing comes back."""
    edited = with_variables("{}", OURS).replace('"A": "1",', "")
    assert json.loads(without_variables(edited)) == {}


@pytest.mark.parametrize("made", [Made.DOCUMENT, Made.FILE, Made.FOLDER])
def test_a_file_laid_out_anew_is_still_cleared(made: Made) -> None:
    """A client may write the whole file anew; what was made for the variables goes all the same."""
    laid_out = json.dumps(json.loads(with_variables("", OURS, made=made)), indent=7)
    note = find_note(laid_out)
    assert note is not None
    assert note.made == made
    assert without_variables(laid_out) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no JSON object"),
        ('{"env": []}', "`env` is no object"),
        ('{"a": 1,}', "line 1 column"),
        ('{"a": 1} // why', "Extra data"),
        (f'{{"env": {{"{NOTE}": "mine"}}}}', "which otel-bridge wrote, was changed"),
        (f'{{"env": {{"{NOTE}": 5}}}}', "which otel-bridge wrote, was changed"),
    ],
)
def test_what_is_no_settings_file_is_refused(text: str, words: str) -> None:
    """The sentence says what was seen."""
    with pytest.raises(ValueError, match=words):
        with_variables(text, OURS)
    with pytest.raises(ValueError, match=words):
        without_variables(text)
