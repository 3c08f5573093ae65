"""The index itself: what is in it, whether it is sound, and less of it."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from otel_bridge.cli.indexed import index_path
from tests.cli.invoke import Invoke
from tests.transcripts import FORK, OTHER, SID, prompt, response, session_file

DAY_S = 86_400


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three sessions: an old one and its fork, and a newer one."""
    home = tmp_path / "home"
    first = [prompt(), response("msg_1", at=1)]
    session_file(home / "projects", SID, *first)
    session_file(home / "projects", FORK, *first, prompt("go on", at=9), response("msg_9", at=10))
    session_file(home / "projects", OTHER, prompt(at=DAY_S), response("msg_2", at=DAY_S + 1))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    return home


def test_info_counts_what_is_there(invoke: Invoke, home: Path) -> None:
    """Sessions, calls, cost, transcripts, texts and versions, for people and for scripts."""
    invoke("sync")
    info = invoke("db", "info", "--json").json
    assert (info["sessions"], info["calls"], info["files"], info["gone_files"], info["texts"]) == (3, 3, 3, 0, 4)
    assert info["cost_usd"] == invoke("stats", "--json").json["totals"]["cost_usd"]
    assert "3 with 3 model calls" in invoke("db", "info").out


def test_check_tells_sound_from_changed_transcripts(invoke: Invoke, home: Path) -> None:
    """A sound index passes; a transcript edited behind its back is a warning, and the next pass mends that."""
    invoke("sync")
    assert invoke("db", "check").code == 0
    transcript = next(home.rglob(f"{OTHER}.jsonl"))
    transcript.write_bytes(transcript.read_bytes().replace(b"msg_2", b"msg_8"))
    verdicts = {check["name"]: check["verdict"] for check in invoke("db", "check", "--json").json}
    assert verdicts == {
        "structure": "ok", "search": "ok", "extracts": "ok", "transcripts": "warning", "sessions": "ok",
    }  # fmt: skip
    invoke("sync")
    assert {check["verdict"] for check in invoke("db", "check", "--json").json} == {"ok"}


def test_without_an_index_there_is_a_sentence(invoke: Invoke) -> None:
    """It names the place and the next command; the exit code is that of the index."""
    done = invoke("db", "info")
    assert done.code == 5
    assert f"there is no index at {index_path(None)}; `otel-bridge sync` makes one" in done.err


def test_pruning_archives_what_it_removes(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    """Old sessions are in the archive as `show --json` prints them, gone from the index, and not read again."""
    invoke("sync")
    shown = {session_id: invoke("show", session_id, "--json").json for session_id in (SID, FORK)}
    before = invoke("stats", "--json").json["totals"]
    planned = invoke("prune", "--older-than", "2026-03-03", "--dry-run", "--json").json
    assert (planned["sessions"], planned["archive"]) == (2, None)
    assert invoke("stats", "--json").json["totals"] == before
    pruned = invoke("prune", "--older-than", "2026-03-03", "--json").json
    with gzip.open(pruned["archive"]) as lines:
        archived = [json.loads(line) for line in lines]
    assert {session["id"]: session for session in archived} == shown
    assert [line["session_id"] for line in invoke("sessions", "--json").json] == [OTHER]
    assert invoke("sync", "--json").json["files_read"] == 0
    assert "2 sessions" in invoke("db", "info").out.split("pruned")[1]


def test_a_pruned_session_comes_back_when_it_grows(invoke: Invoke, home: Path) -> None:
    """A line in the transcript of a removed session brings all of it back."""
    invoke("sync")
    before = invoke("stats", "--json").json["totals"]["calls"]
    invoke("prune", "--older-than", "2026-03-03")
    with next(home.rglob(f"{SID}.jsonl")).open("a", encoding="utf-8") as file:
        file.write(json.dumps(prompt("once more", at=2 * DAY_S)) + "\n")
    with next(home.rglob(f"{FORK}.jsonl")).open("a", encoding="utf-8") as file:
        file.write(json.dumps(prompt("once more", at=2 * DAY_S)) + "\n")
    assert invoke("stats", "--json").json["totals"]["calls"] == before


def test_relatives_of_what_stays_stay(invoke: Invoke, home: Path) -> None:
    """An old session whose calls a newer one copied is kept: nobody could tell any more whose they are."""
    with next(home.rglob(f"{FORK}.jsonl")).open("a", encoding="utf-8") as file:
        file.write(json.dumps(prompt("much later", at=5 * DAY_S)) + "\n")
        file.write(json.dumps(response("msg_10", at=5 * DAY_S + 1)) + "\n")
    invoke("sync")
    assert invoke("prune", "--older-than", "2026-03-04", "--json").json["sessions"] == 1
    assert {line["session_id"] for line in invoke("sessions", "--json").json} == {SID, FORK}


def test_the_oldest_go_until_the_index_is_small_enough(invoke: Invoke, home: Path) -> None:
    """`--max-size` takes bytes or a size; nothing is removed from an index that is small enough."""
    invoke("sync")
    assert invoke("prune", "--max-size", "1G", "--json").json["sessions"] == 0
    assert invoke("prune", "--max-size", "1", "--dry-run", "--json").json["sessions"] == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say what may go"),
        (("--max-size", "small"), "--max-size is 'small'"),
        (("--older-than", "long"), "--older-than is 'long'"),
    ],
)
def test_what_makes_no_sense_removes_nothing(invoke: Invoke, home: Path, options: tuple[str, ...], words: str) -> None:
    """The sentence names the option and what it takes."""
    invoke("sync")
    done = invoke("prune", *options)
    assert done.code == 2
    assert words in done.err


def test_an_archive_that_cannot_be_written_removes_nothing(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    """Where the archive cannot be put, everything stays where it is."""
    invoke("sync")
    (tmp_path / "file").write_text("")
    done = invoke("prune", "--older-than", "2026-03-03", "--archive-dir", tmp_path / "file" / "archive")
    assert done.code == 5
    assert "nothing was removed" in done.err
    assert len(invoke("sessions", "--json").json) == 3


def test_two_prunes_in_one_second_are_two_archives(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive is never written over: what is in no transcript any more is in it alone."""
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    monkeypatch.setattr("otel_bridge.cli.prune.datetime", SimpleNamespace(now=lambda _: moment))
    invoke("sync")
    first = invoke("prune", "--older-than", "2026-03-03", "--json").json
    second = invoke("prune", "--older-than", "2026-03-04", "--json").json
    assert (first["sessions"], second["sessions"]) == (2, 1)
    assert first["archive"] != second["archive"]
    assert [len(gzip.decompress(Path(each["archive"]).read_bytes()).splitlines()) for each in (first, second)] == [2, 1]


def test_a_new_price_list_prices_what_is_indexed(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When prices change, the next pass makes all rows anew, without reading a transcript."""
    monkeypatch.setattr("otel_bridge.pipeline.index.reading.price_call", lambda *_: None)
    invoke("sync")
    assert invoke("sessions", "--json", "--no-sync").json[0]["unpriced_calls"] == 1
    monkeypatch.setattr("otel_bridge.pipeline.index.passes.price_fingerprint", lambda: 1)
    assert invoke("sync", "--json").json["files_read"] == 0
    assert invoke("stats", "--json").json["totals"] == invoke("stats", home / "projects", "--json").json["totals"]
