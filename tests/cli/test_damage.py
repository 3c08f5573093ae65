"""What commands do with an index that is damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from otel_bridge.cli.indexed import index_path
from tests.cli.invoke import Invoke
from tests.transcripts import OTHER, SID, prompt, response, session_file


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two sessions."""
    home = tmp_path / "home"
    session_file(home, SID, prompt(), response("msg_1", at=1))
    session_file(home, OTHER, prompt(), response("msg_2", at=1))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    return home


def change(statement: str, *values: object) -> None:
    """Change the index behind its back."""
    with closing(sqlite3.connect(index_path(None), isolation_level=None)) as connection:
        connection.execute(statement, values)


def spoil_chunks(session_id: str) -> None:
    change("UPDATE chunks SET data = x'ff' WHERE file = (SELECT id FROM files WHERE session_id = ?)", session_id)


def test_a_session_that_cannot_be_told_is_a_sentence(invoke: Invoke, home: Path) -> None:
    """It names the session and the next command; the exit code is that of the index."""
    invoke("sync")
    spoil_chunks(SID)
    done = invoke("show", SID)
    assert done.code == 5
    assert f"what the index has of session {SID} or of its relatives cannot be read" in done.err
    assert "otel-bridge db repair" in done.err
    assert invoke("show", OTHER).code == 0


def test_a_report_has_all_others_and_the_number_left_out_is_said(invoke: Invoke, home: Path) -> None:
    """What can be told is told."""
    invoke("sync")
    whole = invoke("report", "sessions-json", "--all-projects", "--out", "-")
    spoil_chunks(SID)
    done = invoke("report", "sessions-json", "--all-projects", "--out", "-")
    assert (len(whole.json["sessions"]), len(done.json["sessions"]), done.code) == (2, 1, 0)
    assert "left out" not in whole.err
    assert f"sessions left out: 1, first {SID}" in done.err


def test_an_export_has_all_others_and_the_number_left_out_is_said(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    """The file is whole but for them."""
    invoke("sync")
    spoil_chunks(SID)
    done = invoke("export", "--to-file", tmp_path / "spans.jsonl")
    sent = (tmp_path / "spans.jsonl").read_text()
    assert (done.code, OTHER in sent, SID in sent) == (0, True, False)
    assert f"sessions left out: 1, first {SID}" in done.err


def test_a_sound_index_needs_no_repair(invoke: Invoke, home: Path) -> None:
    """It is left as it is; where there is none, that is said."""
    assert invoke("db", "repair").code == 5
    invoke("sync")
    before = index_path(None).read_bytes()
    done = invoke("db", "repair")
    assert (done.code, "nothing to repair" in done.err) == (0, True)
    assert index_path(None).read_bytes() == before


def test_extracts_that_cannot_be_read_are_read_again(invoke: Invoke, home: Path) -> None:
    """Check names the repair, and after it and a pass the session is whole."""
    invoke("sync")
    whole = invoke("show", SID, "--json").json
    spoil_chunks(SID)
    checked = invoke("db", "check")
    assert (checked.code, "otel-bridge db repair" in checked.out) == (1, True)
    assert invoke("db", "repair").code == 0
    assert invoke("show", SID, "--json").json == whole
    assert invoke("db", "check").code == 0


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM texts_fts_docsize", "UPDATE texts_fts_data SET block = x'00'", "DELETE FROM texts_fts_idx"],
)
def test_words_of_the_search_are_made_anew(invoke: Invoke, home: Path, statement: str) -> None:
    """In their place: nothing else is touched."""
    invoke("sync")
    found = invoke("search", "build", "--json").json
    assert found
    change(statement)
    assert invoke("db", "repair").code == 0
    assert invoke("search", "build", "--no-sync", "--json").json == found
    assert invoke("db", "check").code == 0
    assert not list(index_path(None).parent.glob("*.damaged-*"))


@pytest.mark.parametrize("begin", [0, 100, 8192, 3 * 8192])
def test_a_damaged_file_is_a_failed_check_and_can_be_repaired(invoke: Invoke, home: Path, begin: int) -> None:
    """Wherever it is damaged: a sentence, no traceback, and the figures of before afterwards."""
    totals = invoke("stats", "--json").json["totals"]
    data = bytearray(index_path(None).read_bytes())
    data[begin : begin + 4000] = b"\xff" * 4000
    index_path(None).write_bytes(data)
    checked = invoke("db", "check")
    assert (checked.code, "otel-bridge db repair" in checked.out) == (1, True)
    assert "remove" not in checked.out
    assert invoke("db", "repair").code == 0
    assert invoke("stats", "--json").json["totals"] == totals
    assert invoke("db", "check").code == 0
