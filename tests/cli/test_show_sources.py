"""`show` says for each number where it comes from: the usual once, the unusual where it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.cli.show_tree import print_session
from otel_bridge.model import Session
from otel_bridge.pipeline.plain_json import json_text
from otel_bridge.pipeline.session_json import session_document
from otel_bridge.reported import EVENT, TRANSCRIPT, CallSources, ReportedCall, ReportedTool, ToolSources
from tests.builders import model_call, session, sub_agent, tool_call, turn
from tests.cli.invoke import Invoke
from tests.pipeline.index.test_natives import records_of, take, transcripts_come
from tests.pipeline.index.world import World
from tests.transcripts import SID, prompt, response, session_file

JOINED = CallSources(tokens=TRANSCRIPT, output=TRANSCRIPT)
LARGER = CallSources(tokens=TRANSCRIPT, output=EVENT)


def both_sides() -> Session:
    """Two usual calls, one with an unusual output, one of each side alone; a tool that waited."""
    wait = ReportedTool(sources=ToolSources(outcome=TRANSCRIPT, result_bytes=TRANSCRIPT))
    waited = tool_call("t1", permission_wait_ns=5, decision="accept", reported=wait)
    lost = tool_call("t2", "Read", reported=ReportedTool(is_unrecorded=True))
    plain, larger = ReportedCall("main", sources=JOINED), ReportedCall("main", sources=LARGER)
    title = ReportedCall("auxiliary", is_unrecorded=True, cost_is_own=True, ttft_ms=3)
    return session(
        turn(
            "p1",
            model_call("r1", waited, lost, reported=plain),
            model_call("r2", reported=plain),
            model_call("r3", reported=larger),
            model_call("r4", reported=title),
            model_call("r5"),
            model_call("r6", reported=ReportedCall("main", is_unrecorded=True)),
        )
    )


def shown(found: Session, capsys: pytest.CaptureFixture[str]) -> str:
    print_session(found)
    return capsys.readouterr().out


def test_a_line_says_what_is_unusual(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing where all is as explained below."""
    lines = shown(both_sides(), capsys).splitlines()
    marks = [line.partition("[")[2] for line in lines if " chat " in line]
    assert marks == [
        "",
        "",
        "output event]",
        "auxiliary, only telemetry]",
        "only transcript]",
        "only telemetry, cost computed]",
    ]
    assert [line.partition("[")[2] for line in lines if "Bash" in line or "Read" in line] == ["", "only telemetry]"]


def test_the_usual_is_explained_once(capsys: pytest.CaptureFixture[str]) -> None:
    """How many calls are known from where, whose word their cost is, and whose the other numbers are."""
    said = shown(both_sides(), capsys)
    for line in (
        (
            "sources       3 calls from both, 1 only from the transcript, 2 only from telemetry; "
            "cost computed for 5, reported for 1"
        ),
        "              1 tool calls from both, 1 only from telemetry",
        "of calls      tokens transcript, output transcript, start event, end event, cost computed",
        "of tool calls start event, end event, outcome transcript, decision event, permission wait span",
        "in brackets   ",
        "at list price, or as reported",
    ):
        assert line in said


def test_one_side_alone_needs_no_marks(capsys: pytest.CaptureFixture[str]) -> None:
    """What all lines would say is said once."""
    told = ReportedCall("main", is_unrecorded=True, cost_is_own=True)
    said = shown(session(turn("p1", model_call("r1", reported=told), model_call("r2", reported=told))), capsys)
    assert "sources       2 calls only from telemetry; cost reported for 2" in said
    assert "of calls      tokens event, output event, start event, end event, cost reported" in said
    assert "[" not in said
    plain = shown(session(turn("p1", model_call("r1"))), capsys)
    assert "sources       1 calls only from the transcript; cost computed for 1" in plain
    assert "of calls" not in plain


def test_the_object_names_the_source_of_every_number() -> None:
    """Of each call and tool call, those of sub-agents too, and the session's sums."""
    inner = model_call("r2", tool_call("t2", "Read"), reported=ReportedCall("subagent", sources=JOINED))
    nested = sub_agent("a1", inner, agents=(sub_agent("a2", model_call("r3")),))
    found = session(turn("p1", model_call("r1", tool_call("t1", "Agent", agent=nested))))
    document: dict[str, Any] = json.loads(json_text(session_document(found)))
    assert document["sources"]["calls"] == {"both": 1, "transcript": 2}
    agent = document["turns"][0]["calls"][0]["tool_calls"][0]["agent"]
    (call,) = agent["calls"]
    assert (call["known_from"], call["sources"]["tokens"], call["sources"]["end"]) == ("both", "transcript", "event")
    assert call["sources"]["cost"] == "computed"
    assert call["tool_calls"][0]["sources"]["end"] == "transcript"
    assert agent["agents"][0]["calls"][0]["known_from"] == "transcript"


def test_show_of_a_transcript_says_so(invoke: Invoke, tmp_path: Path) -> None:
    """The sums are in the object as well as below the tree."""
    session_file(tmp_path, SID, prompt(), response("msg_1", at=1))
    assert "1 calls only from the transcript; cost computed for 1" in invoke("show", SID, tmp_path).out
    found = invoke("show", SID, tmp_path, "--json").json
    assert found["sources"] == {"calls": {"transcript": 1}, "tool_calls": {}, "cost": {"computed": 1}}


def test_an_index_that_knows_both_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recorded session with its telemetry: 16 calls from both, and the six that no transcript has."""
    world = World(tmp_path / "both")
    transcripts_come("2.1.329/compact", world)
    take(world, records_of("2.1.329/compact"))
    (found,) = [one for one in world.library() if sum(1 for _ in one.calls()) == 22]
    said = shown(found, capsys)
    assert "16 calls from both, 6 only from telemetry; cost computed for 16, reported for 6" in said
    assert said.count("[auxiliary, only telemetry]") == 6
