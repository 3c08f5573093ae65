from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.errors import NotFoundError, UsageError
from otel_bridge.pipeline.sessions import SessionLibrary, find_session
from otel_bridge.sources.transcript.discover import discover_sessions
from tests.transcripts import FORK, OTHER, SID, at_ns, call_keys, load, prompt, response, session_file, write


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("5a1b", "5a1b2c3d"),
        ("5A1B", "5a1b2c3d"),
        ("5a1b2c3d", "5a1b2c3d"),
        ("run", "run"),
        ("run-", "run-2"),
        ("Demo", "Demo-session"),
    ],
)
def test_the_start_of_an_id_is_enough(prefix: str, found: str) -> None:
    """One session must begin with it, in small or capital letters; a whole id is always right."""
    assert find_session(["5a1b2c3d", "ffff", "run", "run-2", "Demo-session"], prefix) == found


def test_several_sessions_need_more_of_the_id() -> None:
    """The sentence names how many and some of them."""
    with pytest.raises(UsageError, match=r"^5 sessions begin with 'a' \(a1, a2, a3, a4 …\); give more of the id"):
        find_session(["a1", "a2", "a3", "a4", "a5", "b"], "a")
    with pytest.raises(UsageError, match=r"^2 sessions begin with '' \(a, b\)"):
        find_session(["a", "b"], "")


def test_no_session_says_where_to_look() -> None:
    """The sentence says how many there are and how to list them."""
    with pytest.raises(NotFoundError, match="no session begins with 'x' among 2; `otel-bridge stats --all` lists them"):
        find_session(["a", "b"], "x")


def test_sessions_come_by_id_and_are_read_when_wanted(tmp_path: Path) -> None:
    """A library reads all in one order, or one by name; all files are counted once, at the first of them."""
    for session_id, message_id in ((SID, "msg_1"), (FORK, "msg_2"), (OTHER, "msg_3")):
        session_file(tmp_path, session_id, prompt(), response(message_id))
    told: list[int] = []
    library = SessionLibrary(discover_sessions([tmp_path]), now_ns=at_ns(1e9), workers=1, progress=told.append)
    assert told == []
    assert [session.id for session in library] == sorted([SID, FORK, OTHER])
    assert call_keys(library[OTHER]) == ["msg_3"]
    assert len(told) == 3


def test_projects_are_chosen_by_their_folder(tmp_path: Path) -> None:
    """A session without any is asked for, too."""
    for session_id, message_id, folder in ((SID, "msg_1", "/src/a"), (FORK, "msg_2", "/src/b"), (OTHER, "msg_3", None)):
        session_file(tmp_path, session_id, prompt(cwd=folder), response(message_id, cwd=folder))
    library = SessionLibrary(discover_sessions([tmp_path]), now_ns=at_ns(1e9), workers=1)
    assert [session.id for session in library.of_projects(lambda folder: folder == "/src/b")] == [FORK]
    assert [session.id for session in library.of_projects(lambda folder: folder is None)] == [OTHER]


def test_a_session_names_its_files_and_problems(tmp_path: Path) -> None:
    """Paths and damage travel with the session."""
    path = session_file(tmp_path, SID, prompt(), b"garbage\n", response())
    session = load(tmp_path)
    assert session.paths == (str(path),)
    assert [(problem.path, problem.line, problem.reason) for problem in session.problems] == [
        (str(path), 2, "bad_json")
    ]


def test_a_session_that_is_only_a_name_is_empty(tmp_path: Path) -> None:
    """An empty file is a session without turns."""
    write(tmp_path / f"{SID}.jsonl")
    session = load(tmp_path)
    assert (session.turns, session.started_ns, session.ended_ns, session.problems) == ((), 0, 0, ())
