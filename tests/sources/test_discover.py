from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_bridge.errors import NotFoundError
from otel_bridge.settings import transcript_roots
from otel_bridge.sources.transcript.discover import discover_sessions
from tests.transcripts import (
    OTHER,
    SID,
    SLUG,
    agent_file,
    count,
    meta,
    old_agent_file,
    prompt,
    response,
    session_file,
    write,
)


def found(*roots: Path) -> dict[str, list[str | None]]:
    """Session ids with the agent ids of their files, ``None`` for a main transcript."""
    return {session.session_id: [file.agent_id for file in session.files] for session in discover_sessions(roots)}


def test_the_configured_folder_replaces_the_usual_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLAUDE_CONFIG_DIR wins over ~/.claude, may name several folders, and may name the projects folder itself."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert transcript_roots({}) == [tmp_path / ".claude/projects", tmp_path / ".config/claude/projects"]
    assert transcript_roots({"CLAUDE_CONFIG_DIR": "/etc/one, ~/two/projects"}) == [
        Path("/etc/one/projects"),
        tmp_path / "two/projects",
    ]


def test_a_user_without_a_home_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user without home and name gets paths, which then do not exist, instead of a traceback."""

    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert transcript_roots({})[0] == Path("~/.claude/projects")


def test_a_session_is_named_by_its_file_not_by_its_records(tmp_path: Path) -> None:
    """A fork of 2.1.50 keeps the origin's sessionId in every line: only the file's name tells them apart."""
    session_file(tmp_path, SID, prompt(sessionId=OTHER))
    assert found(tmp_path) == {SID: [None]}


def test_agents_beside_the_sessions_belong_to_the_session_of_their_lines(tmp_path: Path) -> None:
    """2.0.x wrote sub-agent files beside the sessions; they carry the parent's sessionId."""
    session_file(tmp_path, SID, prompt())
    old_agent_file(tmp_path, SID, "cd3fd3df", prompt())
    assert found(tmp_path) == {SID: [None, "cd3fd3df"]}


def test_agents_under_a_session_belong_to_it(tmp_path: Path) -> None:
    """2.1.2+ writes them under <session>/subagents, workflow runs one level deeper; journals are no transcripts."""
    session_file(tmp_path, SID, prompt())
    agent_file(tmp_path, SID, "a1", prompt(sessionId=OTHER), about={"agentType": "Explore"})
    agent_file(tmp_path, SID, "w1", prompt(), under="subagents/workflows/wf_123")
    write(tmp_path / "projects" / SLUG / SID / "subagents/workflows/wf_123/journal.jsonl", meta("started", key="1"))
    assert found(tmp_path) == {SID: [None, "a1", "w1"]}


def test_agents_without_a_main_file_still_make_a_session(tmp_path: Path) -> None:
    """A deleted main transcript does not hide what its sub-agents used."""
    agent_file(tmp_path, SID, "a1", prompt(), response())
    assert found(tmp_path) == {SID: ["a1"]}
    assert count(tmp_path).totals.calls == 1


def test_one_session_under_two_projects_is_one(tmp_path: Path) -> None:
    """Worktrees put lanes of one session under several slugs."""
    session_file(tmp_path, SID, prompt(), response("msg_1"))
    session_file(tmp_path, SID, prompt("More", at=9), response("msg_2", at=10), slug="-home-dev-worktree")
    assert found(tmp_path) == {SID: [None, None]}
    assert count(tmp_path).totals.calls == 2


def test_the_uuid_at_the_end_of_a_name_counts(tmp_path: Path) -> None:
    """Archives put a date before the id and write it in capitals; agents under such a name follow."""
    name = f"2026-03-02_{SID.upper()}"
    write(tmp_path / f"{name}.jsonl", prompt())
    write(tmp_path / name / "subagents" / "agent-a1.jsonl", prompt())
    assert found(tmp_path) == {SID: [None, "a1"]}


def test_other_names_need_a_session_inside(tmp_path: Path) -> None:
    """A renamed transcript is a session of its name, with the agents under it; other JSON lines are none."""
    write(tmp_path / "example.jsonl", prompt(sessionId=SID), response())
    write(tmp_path / "example" / "subagents" / "agent-a1.jsonl", prompt(sessionId=SID))
    write(tmp_path / "logs.jsonl", {"resourceLogs": [{"scopeLogs": []}]})
    write(tmp_path / "stream-1.jsonl", {"type": "system", "subtype": "init", "session_id": SID})
    write(tmp_path / "history.jsonl", {"display": "hello", "sessionId": SID})
    write(tmp_path / "notes.txt", prompt(sessionId=SID))
    assert found(tmp_path) == {"example": [None, "a1"]}


def test_a_folder_called_subagents_higher_up_says_nothing(tmp_path: Path) -> None:
    """Only the folder right under a session names the session of an agent."""
    old_agent_file(tmp_path / "subagents" / "home", SID, "a1", prompt())
    assert found(tmp_path) == {SID: ["a1"]}


def test_folders_of_many_users_are_searched(tmp_path: Path) -> None:
    """Any depth of folders may lie above the projects."""
    session_file(tmp_path / "alice" / ".claude", SID, prompt())
    session_file(tmp_path / "team" / "bob" / "claude", OTHER, prompt())
    assert found(tmp_path) == {SID: [None], OTHER: [None]}


def test_files_and_folders_may_be_given_together_and_count_once(tmp_path: Path) -> None:
    """Overlapping roots, the same root twice and hard or soft links to a file do not double anything."""
    path = session_file(tmp_path, SID, prompt(), response())
    (tmp_path / "linked.jsonl").symlink_to(path)
    os.link(path, path.with_name(f"copy-{SID}.jsonl"))
    roots = [tmp_path, tmp_path / "projects", path, tmp_path / "linked.jsonl"]
    assert found(*roots) == {SID: [None]}
    assert count(*roots).totals.calls == 1


def test_linked_folders_are_followed_and_loops_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A linked project folder counts, once; a link to a folder above is entered once; dangling ones are let be."""
    session_file(tmp_path / "elsewhere", SID, prompt())
    home = tmp_path / "home"
    home.mkdir()
    (home / "projects").symlink_to(tmp_path / "elsewhere" / "projects")
    (home / "again").symlink_to(tmp_path / "elsewhere" / "projects")
    (home / "loop").symlink_to(tmp_path)
    (home / f"{OTHER}.jsonl").symlink_to(tmp_path / "gone.jsonl")
    entered: list[Path] = []
    scandir = os.scandir

    def recorded(folder: str) -> object:
        entered.append(Path(folder).resolve())
        return scandir(folder)

    monkeypatch.setattr("os.scandir", recorded)
    assert found(home) == {SID: [None]}
    assert len(entered) == len(set(entered)) + 1  # the root is looked at before it is entered


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A named pipe or a folder that is called like a transcript does not block or break the search."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    os.mkfifo(tmp_path / f"{OTHER}.jsonl")
    (tmp_path / f"folder-{OTHER}.jsonl").mkdir()
    session_file(tmp_path, SID, prompt())
    assert found(tmp_path) == {SID: [None]}


def test_a_missing_root_is_an_error_with_advice(tmp_path: Path) -> None:
    """The sentence names the path and says what to give instead."""
    with pytest.raises(NotFoundError, match=r"no such file or folder: .*nowhere\. Give a transcript"):
        discover_sessions([tmp_path / "nowhere"])


def test_an_unreadable_root_is_an_error_and_an_unreadable_folder_below_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for by name must be readable; a locked folder somewhere inside hides only itself."""
    session_file(tmp_path, SID, prompt())
    locked = tmp_path / "projects" / "locked"
    locked.mkdir()
    write(locked / f"{OTHER}.jsonl", prompt())
    monkeypatch.setattr("os.scandir", _locking(os.scandir, locked))
    assert found(tmp_path) == {SID: [None]}
    with pytest.raises(NotFoundError, match=r"cannot read .*locked: Permission denied\. Give a path you may read"):
        discover_sessions([locked])


def _locking(scandir: Callable[[str], object], locked: Path) -> Callable[[str], object]:
    def refuse(folder: str) -> object:
        if Path(folder) == locked:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    return refuse


def test_an_agent_file_without_any_id_is_its_own_session(tmp_path: Path) -> None:
    """Nothing is lost where neither folder nor lines name the parent."""
    write(tmp_path / "agent-a1.jsonl", prompt(), response())
    write(tmp_path / "agent-.jsonl", prompt(sessionId=SID), response("msg_2"))
    assert found(tmp_path) == {"agent-a1": ["a1"], SID: ["agent-"]}
    assert count(tmp_path).totals.calls == 2


def test_an_agents_file_waits_for_its_first_line(tmp_path: Path) -> None:
    """Until then it cannot tell whose it is, and has nothing to count."""
    file = tmp_path / "agent-a1.jsonl"
    line = json.dumps(prompt(sessionId=SID)).encode() + b"\n"
    for written in (0, line.index(SID.encode()) + 5):
        file.write_bytes(line[:written])
        assert found(tmp_path) == {}
    file.write_bytes(line)
    assert found(tmp_path) == {SID: ["a1"]}


def test_order_of_roots_and_times_of_files_never_matter(tmp_path: Path) -> None:
    """Shuffled roots and touched files give the same sessions with their files in the same order."""
    files = [session_file(tmp_path, SID, prompt(), slug=slug) for slug in ("-a", "-b")]
    files += [agent_file(tmp_path, SID, agent_id, prompt("x" * size)) for agent_id, size in (("a2", 9), ("a1", 900))]
    files.append(session_file(tmp_path, OTHER, prompt()))

    def discovered(roots: list[Path]) -> list[list[tuple[str, str, str | None, int]]]:
        return [
            [(file.path, file.session_id, file.agent_id, file.size_bytes) for file in session.files]
            for session in discover_sessions(roots)
        ]

    expected = discovered([tmp_path])
    shuffler = random.Random(1)
    for _ in range(10):
        shuffler.shuffle(files)
        for age, file in enumerate(files):
            os.utime(file, (age * 1000, age * 1000))
        assert discovered(files) == discovered([tmp_path]) == expected
