from __future__ import annotations

import codecs
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.errors import NotFoundError, UsageError
from otel_bridge.model import Session
from otel_bridge.pipeline.metrics_files import (
    MetricsOptions,
    is_below,
    path_key,
    refresh_metrics,
    stage,
    update_tasks,
    write_sessions,
)
from otel_bridge.reports.work import collect_work
from tests.builders import model_call, session, turn

OPEN_TASK = '{"tasks": [{"id": "2025-11-13-gears", "cost_usd": null}]}\n'


def sessions(cost: str = "0.5") -> list[Session]:
    """Return one session of that cost."""
    return [session(turn("p", model_call(cost_usd=Decimal(cost))))]


@pytest.fixture
def options(tmp_path: Path) -> MetricsOptions:
    """Return options that remember things beside the project."""
    return MetricsOptions(UTC, tmp_path / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of metrics of a project, not yet made."""
    return tmp_path / "project" / "docs" / "metrics"


@pytest.fixture
def repository(folder: Path) -> Iterator[Path]:
    """Return the folder of metrics in a git repository."""
    folder.mkdir(parents=True)
    git(folder.parents[1], "init", "-q")
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def staged(folder: Path) -> list[str]:
    """Return the names of the files in the index."""
    return [Path(name).name for name in git(folder, "diff", "--cached", "--name-only").split()]


def read(path: Path) -> Any:
    """Return what a file of metrics says."""
    return json.loads(path.read_text())


def test_files_are_written_only_when_they_change(folder: Path, options: MetricsOptions) -> None:
    """Folders are made; the same report leaves the very file in its place."""
    path = folder / "sessions.json"
    assert write_sessions(path, collect_work(sessions(), UTC), options)
    first = path.stat()
    assert not write_sessions(path, collect_work(sessions(), UTC), options)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert write_sessions(path, collect_work(sessions("0.75"), UTC), options)
    assert read(path)["totals"]["total_cost_usd"] == 0.75
    assert [file.name for file in folder.iterdir()] == ["sessions.json"]


def test_filled_costs_follow_their_sessions(folder: Path, options: MetricsOptions) -> None:
    """Across runs: what was filled in is remembered, and a person's figure is not touched again."""
    folder.mkdir(parents=True)
    path = folder / "tasks.json"
    path.write_text(OPEN_TASK)
    for cost in ("0.5", "0.75"):
        assert update_tasks(path, collect_work(sessions(cost), UTC), options).has_changed
        assert read(path)["tasks"][0]["cost_usd"] == float(cost)
    assert not update_tasks(path, collect_work(sessions("0.75"), UTC), options).has_changed
    path.write_text(path.read_text().replace('"cost_usd": 0.75, "sess', '"cost_usd": 0.8, "sess'))
    update_tasks(path, collect_work(sessions("0.9"), UTC), options)
    assert (read(path)["tasks"][0]["cost_usd"], read(path)["totals"]["total_cost_usd"]) == (0.8, 0.9)


def test_without_memory_a_cost_is_a_persons(folder: Path, options: MetricsOptions) -> None:
    """On another machine, or where the memory is damaged: nothing is overwritten."""
    folder.mkdir(parents=True)
    path = folder / "tasks.json"
    path.write_text(OPEN_TASK)
    update_tasks(path, collect_work(sessions("0.5"), UTC), options)
    (memory,) = (options.state_dir / "filled").iterdir()
    memory.write_text("[oops")
    update_tasks(path, collect_work(sessions("0.75"), UTC), options)
    assert read(path)["tasks"][0]["cost_usd"] == 0.5


def test_a_place_that_remembers_nothing_is_said(folder: Path, tmp_path: Path) -> None:
    """The list is filled all the same."""
    (tmp_path / "state").write_text("a file, not a folder")
    folder.mkdir(parents=True)
    (folder / "tasks.json").write_text(OPEN_TASK)
    update = update_tasks(folder / "tasks.json", collect_work(sessions(), UTC), MetricsOptions(UTC, tmp_path / "state"))
    assert read(folder / "tasks.json")["tasks"][0]["cost_usd"] == 0.5
    assert "will not be brought up to date" in update.notes[0]


@pytest.mark.parametrize("data", [b"", b"{", b'{"tasks": 5}', b'{"tasks": ["\xff"]}'])
def test_a_damaged_list_stays_as_it_is(folder: Path, options: MetricsOptions, data: bytes) -> None:
    """The sentence has the file; no byte of it changes."""
    folder.mkdir(parents=True)
    path = folder / "tasks.json"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"tasks\.json: .*nothing was written: mend it"):
        update_tasks(path, [], options)
    assert path.read_bytes() == data


def test_marks_and_line_ends_are_kept(folder: Path, options: MetricsOptions) -> None:
    """A list from another system comes back as one."""
    folder.mkdir(parents=True)
    path = folder / "tasks.json"
    path.write_bytes(codecs.BOM_UTF8 + b'{\r\n\t"tasks": [],\r\n\t"totals": {}\r\n}')
    update_tasks(path, [], options)
    assert path.read_bytes().startswith(
        codecs.BOM_UTF8 + b'{\r\n\t"tasks": [],\r\n\t"totals": {\r\n\t\t"total_tasks": 0,'
    )
    assert path.read_bytes().endswith(b"\r\n\t}\r\n}")


def test_a_missing_list_is_said(folder: Path, options: MetricsOptions) -> None:
    """And none is made up."""
    with pytest.raises(NotFoundError, match=r"tasks\.json: no such file\. Keep a list of tasks there"):
        update_tasks(folder / "tasks.json", [], options)
    assert not folder.exists()


def test_a_refresh_writes_and_stages_both(repository: Path, options: MetricsOptions) -> None:
    """Both files are in the index as they are on the disk, and nothing is committed."""
    (repository / "tasks.json").write_text(OPEN_TASK)
    assert refresh_metrics(repository, sessions(), options) == []
    assert staged(repository) == ["sessions.json", "tasks.json"]
    assert git(repository, "diff", "--name-only") == ""
    assert git(repository, "rev-list", "--all", "--count").strip() == "0"


def test_a_project_without_tasks_has_sessions_alone(repository: Path, options: MetricsOptions) -> None:
    """No list of tasks is made up."""
    assert refresh_metrics(repository, sessions(), options) == []
    assert staged(repository) == ["sessions.json"]


def test_a_damaged_list_does_not_hold_up_the_rest(repository: Path, options: MetricsOptions) -> None:
    """Sessions are written and staged; the trouble is a sentence."""
    (repository / "tasks.json").write_text("{")
    (trouble,) = refresh_metrics(repository, sessions(), options)
    assert "tasks.json: Expecting property name" in trouble
    assert read(repository / "sessions.json")["totals"]["total_sessions"] == 1
    assert "sessions.json" in staged(repository)


def test_outside_a_repository_nothing_is_staged(folder: Path, options: MetricsOptions) -> None:
    """And that is no trouble."""
    assert refresh_metrics(folder, sessions(), options) == []
    assert (folder / "sessions.json").exists()


def test_what_git_ignores_is_not_forced_upon_it(repository: Path, options: MetricsOptions) -> None:
    """Whoever does not want the files in the repository has said so."""
    (repository / ".gitignore").write_text("sessions.json\n")
    (repository / "tasks.json").write_text(OPEN_TASK)
    assert refresh_metrics(repository, sessions(), options) == []
    assert staged(repository) == ["tasks.json"]


def test_a_busy_index_is_a_sentence(repository: Path, options: MetricsOptions) -> None:
    """Another git at work: the files are written, and what git said is told."""
    (repository.parents[1] / ".git" / "index.lock").touch()
    (trouble,) = refresh_metrics(repository, sessions(), options)
    assert "could not be staged: " in trouble
    assert "index.lock" in trouble
    assert (repository / "sessions.json").exists()


def test_a_machine_without_git_is_a_sentence(
    repository: Path, options: MetricsOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a crash of what runs in the background."""
    monkeypatch.setenv("PATH", "/nonexistent")
    (trouble,) = stage([repository / "sessions.json"])
    assert "No such file or directory: 'git'" in trouble


def test_a_project_has_the_sessions_that_began_in_it_or_below(tmp_path: Path) -> None:
    """Through links too; a folder whose name only begins the same is another project."""
    project = tmp_path / "widgets"
    project.mkdir()
    (tmp_path / "link").symlink_to(project)
    folders = [project, project / "web", tmp_path / "widgets-2", tmp_path, None]
    for named in (project, tmp_path / "link"):
        assert [is_below(place and str(place), named) for place in folders] == [True, True, False, False, False]


def test_a_key_stands_for_a_place(tmp_path: Path) -> None:
    """The same through links and dots, another one for another place."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert path_key(tmp_path / "link") == path_key(tmp_path / "x" / ".." / "real") != path_key(tmp_path)
