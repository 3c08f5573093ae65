"""Which scripted reply answers a request, and what is no scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.realclient.scenario import Exchange, Reply, Scenario, ScenarioError, due_reply, load_scenario

SHIPPED = Path(__file__).parents[2] / "tools" / "realclient" / "tides.toml"
ASIDES = SHIPPED.with_name("asides.toml")
PROMPTED = """
otherwise = { text = "?" }
files = {}
programs = {}
exchange = [{ prompt = "Begin", replies = [{ text = "Begun." }] }]
"""
FIRST, SECOND, THIRD, OTHERWISE = (Reply(text) for text in ("first", "second", "third", "otherwise"))
SCENARIO = Scenario(
    files={},
    programs={},
    runs=(),
    exchanges=(Exchange("Begin", (FIRST, SECOND)), Exchange("Go on", (THIRD,))),
    otherwise=OTHERWISE,
)


def said(*texts: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def answered(text: str = "") -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def returned(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": text}]}


@pytest.mark.parametrize(
    ("messages", "reply"),
    [
        ([said("Begin, please")], FIRST),
        ([{"role": "user", "content": "Begin"}], FIRST),
        ([said("<system-reminder>be brief</system-reminder>", "Begin")], FIRST),
        ([said("Begin"), answered(), returned("Go on")], SECOND),
        ([said("Begin"), answered(), returned("x"), answered(), returned("x")], OTHERWISE),
        ([said("Begin"), answered(), returned("x"), answered(), said("Go on")], THIRD),
        ([said("Go on"), answered("Begin"), said("Begin")], FIRST),
        ([said("Something else")], OTHERWISE),
        ([], OTHERWISE),
    ],
)
def test_the_reply_follows_from_the_last_known_prompt(messages: list[dict[str, Any]], reply: Reply) -> None:
    """It is the next one that the model has not given since; what tools return is no prompt."""
    assert due_reply(SCENARIO, messages) is reply


def test_the_shipped_scenario_speaks_of_the_project_it_is_played_in(tmp_path: Path) -> None:
    scenario = load_scenario(SHIPPED, tmp_path / "tides")
    asked = [tool.input for exchange in scenario.exchanges for reply in exchange.replies for tool in reply.tools]
    paths = [Path(each["file_path"]) for each in asked if "file_path" in each]
    assert {path.parent for path in paths} == {tmp_path / "tides"}
    assert {path.name for path in paths} - scenario.files.keys() == {"harbours.csv"}


def test_the_clients_own_requests_are_answered_before_the_prompts_they_quote(tmp_path: Path) -> None:
    """A summary is asked for with the prompt that made the conversation too long, or beside it."""
    scenario = load_scenario(ASIDES, tmp_path)
    summary = said("And when does one leave it?", "Your task is to create a detailed summary of the conversation")
    assert due_reply(scenario, [summary]).text.startswith("<summary>")
    assert due_reply(scenario, [said("And when does one leave it?")]).text == "On the ebb."


@pytest.mark.parametrize(
    ("run", "complaint"),
    [
        ('{ name = "a", model = "m", say = [{ prompt = "End" }] }', "no exchange has the prompt 'End' of run a"),
        ('{ name = "a", model = "m", say = [], resumes = "b" }', "run a goes on from b, which is not before it"),
        ('{ name = "a", model = "m", say = [], forks = "a" }', "run a goes on from a, which is not before it"),
        ('{ name = "a", say = [] }', "missing required field `model`"),
        ('{ name = "a", model = "m", say = [], modle = "m" }', "unknown field `modle`"),
    ],
)
def test_a_scenario_that_cannot_be_played_is_refused(tmp_path: Path, run: str, complaint: str) -> None:
    """The sentence names the file and what is wrong in it."""
    file = tmp_path / "wrong.toml"
    file.write_text(f"{PROMPTED}run = [{run}]\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=complaint) as raised:
        load_scenario(file, tmp_path)
    assert str(raised.value).startswith("wrong.toml: ")
