from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcripts import SID, Line, count, load, meta, prompt, session_file

CUSTOM = meta("custom-title", customTitle="By hand")
AI = meta("ai-title", aiTitle="By model")
SUMMARY = meta("summary", summary="By summary", leafUuid="x")


def title_of(root: Path) -> str | None:
    """Return the title of the session, which both ways of reading must agree on."""
    title = load(root).title
    assert count(root).sessions[0].title == title
    return title


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ([], None),
        ([SUMMARY], "By summary"),
        ([AI, SUMMARY], "By model"),
        ([CUSTOM, AI, SUMMARY], "By hand"),
        ([CUSTOM, meta("custom-title", customTitle=" Later ")], "Later"),
        ([AI, meta("ai-title", aiTitle="")], "By model"),
        ([AI, meta("ai-title", aiTitle=None)], "By model"),
    ],
)
def test_the_best_kind_wins_then_the_last_one(tmp_path: Path, lines: list[Line], title: str | None) -> None:
    """A title given by hand wins over a generated one over a summary; of one kind the last is the title."""
    session_file(tmp_path, SID, prompt(), *lines)
    assert title_of(tmp_path) == title


def test_summaries_at_the_head_of_a_file_are_of_other_sessions(tmp_path: Path) -> None:
    """Old clients begin a file with summaries of sessions before it (33 of 53 real ones)."""
    session_file(tmp_path, SID, SUMMARY, prompt())
    assert title_of(tmp_path) is None


def test_a_smaller_copy_does_not_bring_an_old_title_back(tmp_path: Path) -> None:
    """Of several files of one session the largest speaks first; others only add a better kind."""
    session_file(tmp_path, SID, prompt(), meta("ai-title", aiTitle="New"), prompt("x" * 500, at=1), slug="-a")
    session_file(tmp_path, SID, prompt(), meta("ai-title", aiTitle="Old"), slug="-b")
    assert title_of(tmp_path) == "New"
    session_file(tmp_path, SID, prompt(), CUSTOM, slug="-c")
    assert title_of(tmp_path) == "By hand"
