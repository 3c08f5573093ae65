from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from otel_bridge.hooks.settings_text import Made, installed_hooks, with_hook, without_hooks
from otel_bridge.json_text import Layout, insertion, part_at, rendered
from tests.settings_files import plain, spaces, texts, values, words

COMMAND = 'run "$X" \\ & exit 0'

groups = st.lists(
    values | st.fixed_dictionaries({"hooks": st.lists(values | st.fixed_dictionaries({"command": plain}), max_size=2)}),
    max_size=2,
)
events = st.fixed_dictionaries({}, optional={"Stop": groups, "PreToolUse": values})
settings = st.builds(
    lambda others, hooks: others | hooks,
    st.dictionaries(words.filter(lambda key: key != "hooks"), values, max_size=3),
    st.fixed_dictionaries({}, optional={"hooks": events}),
)


@given(texts(settings) | spaces)
def test_taking_out_restores_every_byte(text: str) -> None:
    """Whatever the file looks like, after putting the hook in and taking it out again nothing has changed."""
    installed = with_hook(text, COMMAND)
    assert [hook.command for hook in installed_hooks(installed)] == [COMMAND]
    assert without_hooks(installed) == text


@given(texts(settings))
def test_everything_else_stays(text: str) -> None:
    """With the hook in, all other settings and hooks are there, in their order."""
    installed, before = json.loads(with_hook(text, COMMAND)), json.loads(text)
    stop = installed["hooks"]["Stop"].pop()
    assert stop["hooks"][0]["type"] == "command"
    assert installed.get("hooks", {}).get("Stop", []) == before.get("hooks", {}).get("Stop", [])
    assert list(installed.items())[: len(before) - 1] == list(before.items())[: len(before) - 1]


@given(texts(settings), st.text(max_size=5))
def test_installing_again_changes_nothing(text: str, other: str) -> None:
    """The same hook is not put in twice, and another one takes its place and leaves as well."""
    installed = with_hook(text, COMMAND)
    assert with_hook(installed, COMMAND) == installed
    replaced = with_hook(installed, COMMAND + other)
    assert len(installed_hooks(replaced)) == 1
    assert without_hooks(replaced) == text


@given(texts(settings), values)
def test_edits_elsewhere_are_kept(text: str, value: Any) -> None:
    """What others change or add while the hook is in stays when it goes, and nothing else does."""
    assume(json.loads(text).keys() - {"hooks"})
    for edit in (with_member, with_change):
        assert without_hooks(edit(with_hook(text, COMMAND), value)) == edit(text, value)


def with_member(text: str, value: Any) -> str:
    """Add a member before all others."""
    start = part_at(text, ()).value_start + 1
    return f'{text[:start]}"a new member":{rendered(value, Layout(""))},{text[start:]}'


def with_change(text: str, value: Any) -> str:
    """Change the first member that is not about hooks."""
    part = part_at(text, (next(key for key in json.loads(text) if key != "hooks"),))
    return text[: part.value_start] + rendered(value, Layout("")) + text[part.end :]


@pytest.mark.parametrize("text", ["{}", "{\n}", '{"a": 1}', '{\n  "hooks": {}\n}', '{"hooks": {"Stop": []}}', ""])
def test_members_added_around_ours_are_kept(text: str) -> None:
    """A member behind ours, or a hook beside it, makes the exact piece unfit: then the hook goes by its meaning."""
    installed = with_hook(text, COMMAND)
    behind = insertion(installed, (), {"model": "opus"}).into(installed)
    assert json.loads(without_hooks(behind)) == (json.loads(text) if text else {}) | {"model": "opus"}
    beside = insertion(installed, ("hooks", "Stop"), [{"hooks": [{"command": "mine"}]}]).into(installed)
    assert json.loads(without_hooks(beside))["hooks"] == {"Stop": [{"hooks": [{"command": "mine"}]}]}
    inside = insertion(installed, ("hooks", "Stop", 0, "hooks"), [{"command": "mine"}]).into(installed)
    assert json.loads(without_hooks(inside))["hooks"] == {"Stop": [{"hooks": [{"command": "mine"}]}]}


@pytest.mark.parametrize("made", [Made.DOCUMENT, Made.FILE, Made.FOLDER])
def test_a_file_laid_out_anew_is_still_cleared(made: Made) -> None:
    """A client or an editor may write the whole file anew; what was made for the hook goes all the same."""
    installed = json.dumps(json.loads(with_hook("", COMMAND, made=made)), indent=7)
    assert installed_hooks(installed)[0].made is made
    assert without_hooks(installed) == ""


def test_what_was_there_empty_stays_empty() -> None:
    """Lists and objects of the user are left as they are, even when the hook was all they held."""
    for text in ('{"hooks": {"Stop": []}}', '{"hooks": {}}', "{}"):
        reformatted = json.dumps(json.loads(with_hook(text, COMMAND)), indent=3)
        assert json.loads(without_hooks(reformatted)) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no JSON object"),
        ('{"hooks": []}', "`hooks` are no object"),
        ('{"hooks": {"Stop": {}}}', "`hooks.Stop` is no list"),
        ('{"a": 1,}', "line 1 column"),
        ('{"a": 1} // why', "Extra data"),
    ],
)
def test_what_is_no_settings_file_is_refused(text: str, words: str) -> None:
    """The sentence says what was seen."""
    with pytest.raises(ValueError, match=words):
        with_hook(text, COMMAND)
    with pytest.raises(ValueError, match=words):
        without_hooks(text)


def test_hooks_of_others_are_none_of_ours() -> None:
    """Only a command with our note is ours, whatever else it runs."""
    text = json.dumps({"hooks": {"Stop": [{"hooks": [{"command": "otel-bridge hook run"}, {"command": 5}]}, 1]}})
    assert installed_hooks(text) == []
    assert without_hooks(text) == text
