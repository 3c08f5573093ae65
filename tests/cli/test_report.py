from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invoke import Invoke
from tests.transcripts import OTHER, SID, ask, prompt, response, session_file, tool_result, tool_use


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> Path:
    """Return a project with one session, beside a session of another project; it is the current folder."""
    folder = tmp_path / "widgets"
    folder.mkdir()
    place = {"cwd": str(folder)}
    lines = [prompt(**place), ask("msg_1", tool_use(), at=60, **place), tool_result(at=480, **place)]
    session_file(tmp_path / "home", SID, *lines, response("msg_2", at=500, **place))
    session_file(tmp_path / "home", OTHER, prompt(at=9), response("msg_3", at=10, model="gpt-99"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OTEL_BRIDGE_DATA_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    return folder


def keep_tasks(path: Path, **facts: Any) -> Path:
    """Write a list of one task."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"tasks": [{"id": "2026-03-02-gears", **facts}]}))
    return path


def test_sessions_go_to_the_metrics_of_the_project(invoke: Invoke, project: Path) -> None:
    """Those of the current folder, into docs/metrics; stdout stays empty. A second time nothing is new."""
    done = invoke("report", "sessions-json")
    assert (done.code, done.out) == (0, "")
    assert done.err == "docs/metrics/sessions.json written: 1 sessions, 0.0037 USD\n"
    report = json.loads((project / "docs/metrics/sessions.json").read_text())
    assert [session["session_id"] for session in report["sessions"]] == ["5a1b2c3d"]
    assert (report["totals"]["total_messages"], report["totals"]["total_all_tokens"]) == (2, 2520)
    assert invoke("report", "sessions-json").err.startswith("docs/metrics/sessions.json is up to date: 1 sessions")


@pytest.mark.parametrize(("options", "minutes"), [([], 1), (["--gap-minutes", "7"], 1), (["--gap-minutes", "8"], 8)])
def test_the_gap_can_be_set(invoke: Invoke, project: Path, options: list[str], minutes: int) -> None:
    """A prompt, an answer after 1 minute, its tool's result after 7 more, the end 20 seconds later."""
    totals = json.loads(invoke("report", "sessions-json", "--out", "-", *options).out)["totals"]
    assert (totals["total_active_min"], totals["total_wall_min"]) == (minutes, 8)


def test_all_projects_can_be_asked_for(invoke: Invoke, project: Path) -> None:
    """And files or folders named; what has no price is said, with the model."""
    done = invoke("report", "sessions-json", "--all-projects", "--out", "-", project.parent / "home")
    assert json.loads(done.out)["totals"]["total_sessions"] == 2
    done = invoke("report", "sessions-json", "--all-projects", "--out", project.parent / "all.json")
    assert done.err.splitlines()[1] == "1 calls are not in the cost: no list price is known for gpt-99"
    assert json.loads((project.parent / "all.json").read_text())["sessions"][1]["cost_usd"] is None


def test_another_project_can_be_named(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    """Its sessions, and its folder of metrics."""
    (tmp_path / "other").mkdir()
    done = invoke("report", "sessions-json", "--project", tmp_path / "other")
    assert "0 sessions, 0.0000 USD" in done.err
    assert (tmp_path / "other" / "docs" / "metrics" / "sessions.json").exists()


def test_days_follow_the_time_zone(invoke: Invoke, project: Path) -> None:
    """The session starts at 09:00 UTC, which is the evening before nowhere but far in the west."""
    report = json.loads(invoke("report", "sessions-json", "--out", "-", "--timezone", "Pacific/Pago_Pago").out)
    assert list(report["by_day"]) == ["2026-03-01"]
    assert report["sessions"][0]["started"] == "2026-03-01T22:00:00-11:00"


def test_tasks_are_filled(invoke: Invoke, project: Path) -> None:
    """Sessions, cost rounded down, totals; a second time nothing is new."""
    path = keep_tasks(project / "docs/metrics/tasks.json", cost_usd=None)
    done = invoke("report", "tasks-json")
    assert (done.code, done.out) == (0, "")
    assert done.err == "docs/metrics/tasks.json written: 1 sessions, 0.0037 USD\n"
    document = json.loads(path.read_text())
    assert document["tasks"] == [{"id": "2026-03-02-gears", "cost_usd": 0.0036, "sessions": ["5a1b2c3d"]}]
    assert document["totals"]["total_cost_usd"] == 0.0037
    assert "is up to date" in invoke("report", "tasks-json").err


def test_a_list_elsewhere_can_be_named(invoke: Invoke, project: Path) -> None:
    """What cannot be read in it is said beside what was done."""
    path = keep_tasks(project / "todo.json", started="when I find time", title="žlutý \ud83d")
    done = invoke("report", "tasks-json", "--file", path)
    assert done.code == 0
    assert "task '2026-03-02-gears' gets no sessions: 'when I find time' is no time" in done.err
    assert json.loads(path.read_text())["totals"]["total_sessions"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tasks-json"], 3, "docs/metrics/tasks.json: no such file"),
        (["tasks-json", "--file", "bad.json"], 2, "bad.json: Expecting"),
        (["tasks-json", "--file", "."], 2, "cannot be read: Is a directory"),
        (["sessions-json", "--out", "bad.json/x"], 2, "bad.json/x cannot be"),
        (["sessions-json", "/no/such/place"], 3, "no such file or folder"),
        (["sessions-json", "--gap-minutes", "0"], 2, "gap-minutes"),
        (["sessions-json", "--timezone", "Mars/Base"], 2, "no zone 'Mars/Base'"),
        (["sessions-json", "--project", "nowhere"], 2, "nowhere"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_failures_are_sentences(invoke: Invoke, project: Path, arguments: list[str], code: int, words: str) -> None:
    """What was wrong and where; nothing is written."""
    (project / "bad.json").write_text("{")
    done = invoke("report", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert [path.name for path in project.iterdir()] == ["bad.json"]
