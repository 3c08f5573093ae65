from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.cli.commands import run
from tests.cli.invoke import Invoke
from tests.transcripts import SID, prompt, response, session_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the hook is a line of POSIX sh")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> Path:
    """Return a project in a git repository with one session and a task; it is the current folder."""
    folder = tmp_path / "my widgets"
    (folder / "docs" / "metrics").mkdir(parents=True)
    (folder / "docs" / "metrics" / "tasks.json").write_text('{"tasks": [{"id": "2026-03-02-gears", "cost_usd": null}]}')
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    add_session(tmp_path, 1)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OTEL_BRIDGE_DATA_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    return folder


def add_session(tmp_path: Path, calls: int) -> None:
    """Write the transcript of a session of so many calls in the project."""
    place = {"cwd": str(tmp_path / "my widgets")}
    lines = [prompt(**place), *(response(f"msg_{n}", at=n + 1, **place) for n in range(calls))]
    session_file(tmp_path / "home", SID, *lines)


def stop(project: Path) -> None:
    """Let the client run the project's Stop hook, as it stands in the settings."""
    settings = json.loads((project / ".claude" / "settings.json").read_text())
    (group,) = settings["hooks"]["Stop"]
    env = os.environ | {"CLAUDE_PROJECT_DIR": str(project), "TZ": "UTC"}
    hook = subprocess.run(
        ["sh", "-c", group["hooks"][0]["command"]], env=env, cwd="/", input=b"{}", capture_output=True, check=True
    )
    assert hook.stdout + hook.stderr == b""


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; what runs in the background has 30 seconds."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def git(project: Path, *arguments: str) -> str:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True, text=True).stdout


def has_staged(project: Path, name: str, **totals: int) -> bool:
    """Return whether a file is in git's index with these totals."""
    shown = subprocess.run(["git", "show", f":docs/metrics/{name}"], cwd=project, check=False, capture_output=True)
    return shown.returncode == 0 and json.loads(shown.stdout)["totals"].items() >= totals.items()


def test_a_stop_refreshes_and_stages_both_files(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    """From the settings file over the shell and the background to git, twice; nothing is committed.

    The last answer is in the transcript only after the client has run the hook.
    """
    assert invoke("hook", "install").code == 0
    for calls in (1, 2):
        stop(project)
        time.sleep(1)
        add_session(tmp_path, calls)
        eventually(partial(has_staged, project, "sessions.json", total_messages=calls))
        eventually(partial(has_staged, project, "tasks.json", total_tokens=1260 * calls))
    assert git(project, "diff", "--name-only") == ""
    assert git(project, "rev-list", "--all", "--count") == "0\n"
    eventually(lambda: "nothing went wrong" in invoke("hook", "status").out)


def test_installing_and_taking_out(invoke: Invoke, project: Path) -> None:
    """Both say what they did, or that nothing was to be done; nothing of it is left in the end."""
    path = project / ".claude" / "settings.json"
    assert invoke("hook", "install").out == f"{path}: the Stop hook is in\n"
    assert f"project  {path}: installed\n" in invoke("hook", "status").out
    installed = path.read_bytes()
    assert invoke("hook", "install").out == f"{path}: the Stop hook was in already\n"
    assert path.read_bytes() == installed
    assert invoke("hook", "uninstall").out == f"{path}: the Stop hook is out\n"
    assert invoke("hook", "uninstall").out == f"{path}: there was no Stop hook of ours\n"
    assert not path.parent.exists()


def test_the_users_settings_are_those_of_the_client(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    """In the folder of CLAUDE_CONFIG_DIR; all other settings stay. A project and the user are not meant at once."""
    path = tmp_path / "home" / "settings.json"
    path.write_text('{"model":"opus"}')
    assert invoke("hook", "install", "--scope", "user").out == f"{path}: the Stop hook is in\n"
    assert "--opt-in" in path.read_text()
    status = invoke("hook", "status", "--json").json
    assert [(place["scope"], len(place["commands"])) for place in status["settings"]] == [("project", 0), ("user", 1)]
    invoke("hook", "uninstall", "--scope", "user")
    assert path.read_text() == '{"model":"opus"}'
    done = invoke("hook", "install", "--scope", "user", "--project", project)
    assert (done.code, done.out) == (2, "")
    assert "give one of them" in done.err


def test_a_users_hook_leaves_projects_without_metrics_alone(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    """Nothing is written where no folder of metrics is, and no trouble is made of it."""
    (tmp_path / "bare").mkdir()
    assert invoke("hook", "run", "--project", tmp_path / "bare", "--opt-in").code == 0
    assert list((tmp_path / "bare").iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_another_folder_of_metrics_takes_the_place_of_the_first(invoke: Invoke, project: Path) -> None:
    """One hook for each settings file; the last installation says where."""
    invoke("hook", "install")
    invoke("hook", "install", "--metrics-dir", "my metrics")
    (group,) = json.loads((project / ".claude" / "settings.json").read_text())["hooks"]["Stop"]
    assert "--metrics-dir 'my metrics'" in group["hooks"][0]["command"]
    invoke("hook", "uninstall")
    assert not (project / ".claude").exists()


def test_what_went_wrong_is_told_by_status(project: Path, tmp_path: Path) -> None:
    """No transcripts, a damaged list: the sentence with its time, until a run goes well."""
    here = partial(run, OTEL_BRIDGE_DATA_DIR=str(tmp_path / "state"))
    home, tasks = tmp_path / "home", project / "docs" / "metrics" / "tasks.json"
    assert here("hook", "run", "--settle", "0", home=tmp_path / "nowhere").returncode == 0
    told = here("hook", "status").stdout
    assert "no transcripts under" in told
    assert "a fault of otel-bridge" not in told
    tasks.write_text("{")
    assert here("hook", "run", "--settle", "0", home=home).returncode == 0
    told = here("hook", "status").stdout
    assert "tasks.json: Expecting property name" in told
    assert told.splitlines()[-1].startswith("last run 20")
    tasks.write_text('{"tasks": []}')
    assert here("hook", "run", "--settle", "0", home=home).returncode == 0
    assert "last run nothing went wrong" in here("hook", "status").stdout


def test_a_fault_of_ours_is_told_by_status(
    invoke: Invoke, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks in the background is seen somewhere, in one line."""

    def broken(*_: object) -> list[str]:
        raise RuntimeError("oops")

    monkeypatch.setattr("otel_bridge.cli.hook.refresh_metrics", broken)
    monkeypatch.setattr("os.nice", lambda _: 0)
    assert invoke("hook", "run", "--settle", "0").code == 0
    assert "RuntimeError: oops; this is a fault of otel-bridge" in invoke("hook", "status").out


def test_a_settings_file_that_cannot_be_read_is_said(invoke: Invoke, project: Path) -> None:
    """Installing fails with the file's name and changes nothing; status goes on with the other file."""
    path = project / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text("{ // mine\n}")
    done = invoke("hook", "install")
    assert (done.code, done.out) == (2, "")
    assert f"{path}: Expecting" in done.err
    assert path.read_text() == "{ // mine\n}"
    assert "user " in invoke("hook", "status").out


def test_the_part_in_the_background_is_not_listed(invoke: Invoke) -> None:
    """People have no use for it."""
    listed = invoke("hook", "--help").out
    assert "uninstall" in listed
    assert "  run " not in listed
