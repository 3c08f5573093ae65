from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import run
from tests.cli.invoke import Invoke
from tests.transcripts import OTHER, SID, at_ns, prompt, response, session_file, tool_result, tool_use


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a session of two calls and a tool call, one turn of it perhaps still open."""
    lines = [
        prompt("SECRET question", at=0),
        response("msg_1", tool_use(command="ls"), at=1, stop="tool_use"),
        tool_result(at=2),
        response("msg_2", at=3),
        prompt("And then", at=10),
        response("msg_3", tool_use("toolu_2"), at=11, stop="tool_use"),
    ]
    session_file(tmp_path, SID, *lines)
    return tmp_path


def spans_of(path: Path) -> list[dict[str, Any]]:
    """Return the spans of a file, line by line."""
    return [
        span
        for line in path.read_text().splitlines()
        for resource in json.loads(line).get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_another_day_gives_the_same_bytes(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was over is written the same way for ever; the clock is in no span."""
    files = []
    for day in (1, 2, 400):
        monkeypatch.setattr("time.time_ns", lambda day=day: at_ns(day * 86_400))
        files.append(folder / f"{day}.out")
        assert invoke("export", folder / "projects", "--to-file", files[-1]).code == 0
    assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()
    assert len(spans_of(files[0])) == 6


def test_the_order_of_inputs_leaves_no_trace(invoke: Invoke, folder: Path) -> None:
    """Roots in any order, files and folders mixed, the same twice: the same bytes."""
    more = session_file(folder / "more", OTHER, prompt(), response("msg_9"))
    projects, files = folder / "projects", []
    for n, roots in enumerate(([projects, more], [more, projects], [more.parent, more, projects, projects])):
        files.append(folder / f"{n}.out")
        assert invoke("export", *roots, "--to-file", files[-1]).code == 0
    assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()


def test_an_open_turn_is_held_back(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named in the summary, sent on request, and nothing else depends on the moment."""
    monkeypatch.setattr("time.time_ns", lambda: at_ns(60))
    done = invoke("export", folder / "projects", "--to-file", folder / "a.out")
    assert "1 turns are still open and were held back" in done.err
    held, whole = folder / "a.out", folder / "b.out"
    invoke("export", folder / "projects", "--to-file", whole, "--include-open")
    assert (len(spans_of(held)), len(spans_of(whole))) == (4, 6)
    assert spans_of(held) == spans_of(whole)[:4]


def test_the_summary_tells_people_and_scripts_the_same(invoke: Invoke, folder: Path) -> None:
    """In words on stderr, as one object on stdout with --json."""
    told = invoke("export", folder, "--to-file", folder / "x.out")
    assert told.out == ""
    assert "1 sessions, 2 turns, 3 model calls, 0.0055 USD" in told.err
    done = invoke("export", folder, "--to-file", folder / "y.out", "--json")
    assert done.json.items() >= {"sessions": 1, "turns": 2, "spans": 6, "calls": 3, "cost_usd": "0.00549"}.items()
    assert done.json["delivery"]["counts"]["traces"]["accepted"] == 6


def test_texts_are_sent_only_on_request(invoke: Invoke, folder: Path) -> None:
    """Off by default; messages and tools are asked for apart."""
    for content, expected in (("off", False), ("messages", True), ("tools", False), ("all", True)):
        path = folder / f"{content}.out"
        assert invoke("export", folder / "projects", "--to-file", path, "--content", content).code == 0
        assert ("SECRET" in path.read_text()) is expected


def test_spans_go_to_stdout_on_request(invoke: Invoke, folder: Path) -> None:
    """`--to-file -` is for pipes, `--console` for people; the summary stays on stderr."""
    for option, words in ((["--console"], "chat claude-sonnet-4-5-20250929"), (["--to-file", "-"], "resourceSpans")):
        done = run("export", folder, *option)
        assert words in done.stdout
        assert "3 model calls" in done.stderr
        assert "3 model calls" not in done.stdout


@pytest.mark.parametrize(
    "both", [["--to-file", "-", "--json"], ["--console", "--json"], ["--to-file", "-", "--console"]]
)
def test_two_things_cannot_share_stdout(invoke: Invoke, folder: Path, both: list[str]) -> None:
    """A stream that nobody could read is refused before anything is read."""
    done = invoke("export", folder, *both)
    assert (done.code, done.out) == (2, "")
    assert "standard output" in done.err


def test_a_target_that_cannot_be_written_is_said_before_reading(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for gigabytes to be counted to hear of a typing error."""
    monkeypatch.setattr("otel_bridge.pipeline.sessions.survey_sessions", lambda *_, **__: pytest.fail("was read"))
    done = invoke("export", folder, "--to-file", folder / "no" / "such" / "folder.jsonl")
    assert (done.code, "cannot be written" in done.err) == (2, True)


def test_an_export_that_breaks_off_leaves_no_file(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file would look like a whole one."""

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("otel_bridge.pipeline.export.session_events", broken)
    target = folder / "out"
    target.mkdir()
    assert invoke("export", folder / "projects", "--to-file", target / "spans.jsonl").code == 130
    assert list(target.iterdir()) == []
