from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_bridge.sources.transcript.assemble.prompts import command_name, task_notices, text_digest
from tests.transcripts import load_lines, notification, prompt, response, text


@pytest.mark.parametrize(
    ("words", "fields", "kind"),
    [
        ("Fix the build", {}, "human"),
        ("Fix the build", {"origin": {"kind": "human"}}, "human"),
        ("", {}, "human"),
        ([text("Look at"), {"type": "image"}], {}, "human"),
        ("I said <command-name>", {}, "human"),
        ("<command-name>/review</command-name>", {}, "command"),
        ("<command-message>review</command-message><command-name>/review</command-name>", {}, "command"),
        ("  \n<command-name>/review</command-name>", {}, "command"),
        ("<task-notification><task-id>a1</task-id>", {}, "notification"),
        ("It is done", {"origin": {"kind": "task-notification"}}, "notification"),
        ("From a teammate", {"origin": {"kind": "peer"}}, "other"),
        ("From the coordinator", {"origin": {"kind": "coordinator"}}, "other"),
        ("New kind", {"origin": {"kind": "something-new"}}, "human"),
    ],
)
def test_these_open_turns(tmp_path: Path, words: Any, fields: dict[str, Any], kind: str) -> None:
    """A person, a command, a background task or another agent can open a turn."""
    (turn,) = load_lines(tmp_path, prompt(words, promptId="p1", **fields), response("msg_1")).turns
    assert (turn.prompt.kind, turn.key) == (kind, "p1")


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("Expanded command", {"isMeta": True}),
        ("Summary", {"isCompactSummary": True}),
        ("This session is being continued from a previous conversation that ran out of context.", {}),
        ("[Request interrupted by user]", {}),
        ("<system-reminder>Be brief</system-reminder>", {}),
        ("<local-command-stdout>ok</local-command-stdout>", {}),
        ("<local-command-caveat>x</local-command-caveat>", {}),
        ("<bash-input>ls</bash-input>", {}),
        ("<bash-stdout>a</bash-stdout>", {}),
    ],
)
def test_these_belong_to_the_turn_they_stand_in(tmp_path: Path, words: str, fields: dict[str, Any]) -> None:
    """What the client writes for itself opens nothing."""
    lines = [prompt("Go", promptId="p1"), prompt(words, at=0.5, **fields), response("msg_1")]
    assert [turn.key for turn in load_lines(tmp_path, *lines).turns] == ["p1"]


def test_a_prompt_is_described(tmp_path: Path) -> None:
    """Length in characters, how it came in, and the slash command; the text only on request."""
    opened = prompt("Grüße", promptId="p1", promptSource="typed")
    (turn,) = load_lines(tmp_path, opened, response("msg_1")).turns
    assert (turn.prompt.length, turn.prompt.source, turn.prompt.command, turn.prompt.content) == (
        5,
        "typed",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("<command-name>/review</command-name>", "review"),
        ("<command-name>plugin:run-it</command-name>", "plugin:run-it"),
        ("<command-name></command-name>", None),
        ("<command-name>/" + "x" * 500, None),
        ("no command", None),
    ],
)
def test_the_name_of_a_command_is_one_word(words: str, name: str | None) -> None:
    """Without the slash, and only as long as a name can be."""
    assert command_name(words) in (name, "x" * 64)


def test_notices_name_task_and_call() -> None:
    """Several tasks may be reported in one text; the tool call may be missing."""
    both = notification("a1", tool_id="toolu_1") + "\n" + notification("b2")
    assert task_notices(both) == (("a1", "toolu_1"), ("b2", ""))
    assert task_notices("<task-id>a1</task-id> without its frame") == ()


def test_digests_ignore_white_space_around() -> None:
    """A prompt given with a newline more is the same prompt; a digest is never 0, which means none."""
    assert text_digest(" look\n") == text_digest("look")
    assert text_digest("") == 1
    assert text_digest("\ud800") != 0
