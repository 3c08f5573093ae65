from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from otel_bridge.cli.indexed import SAMPLES_FILE_NAME
from otel_bridge.model import Session
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.store.database import FILE_NAME
from otel_bridge.store.lock import WriterLock
from tests.cli.commands import environment_of, run
from tests.cli.invoke import Invoke
from tests.otlp_server import ACCEPT, BAD, UNAVAILABLE, RecordingServer, Reply, bad_items
from tests.pipeline.index.world import append, unreadable
from tests.transcripts import OTHER, SID, prompt, response, session_file, tool_result, tool_use

KEYS = ["files", "files_read", "lines_read", "rows_written", "spans_sent", "points_sent", "seconds"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home with two sessions, of two turns and six spans."""
    home = tmp_path / "home"
    first = [prompt(), response("msg_1", tool_use(command="ls"), at=1, stop="tool_use"), tool_result(at=2)]
    session_file(home, SID, *first, response("msg_2", at=3))
    session_file(home, OTHER, prompt(at=10), response("msg_3", at=11))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    return home


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Return where ``invoke`` lets the index lie."""
    return tmp_path / "data" / FILE_NAME


def path_of(home: Path) -> Path:
    return home / "projects" / "-home-dev-widgets" / f"{SID}.jsonl"


# --- what it tells ---------------------------------------------------------------------------------------------------


def test_a_session_it_stumbles_over_is_named(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All others are in the index and sent; it exits as when not everything was delivered."""
    invoke("sync")
    getting = StoredLibrary.__getitem__

    def stumble(library: StoredLibrary, session_id: str) -> Session:
        if session_id == SID:
            raise OverflowError
        return getting(library, session_id)

    monkeypatch.setattr(StoredLibrary, "__getitem__", stumble)
    with RecordingServer("http/protobuf") as server:
        done = invoke("sync", "--endpoint", server.endpoint)
    assert (done.code, len(server.span_ids())) == (4, 2)
    assert f"! session {SID} cannot be converted: OverflowError at" in done.err
    assert "0 not delivered, 1 sessions not converted" in done.err


def test_the_object_has_these_keys(invoke: Invoke, home: Path) -> None:
    """Scripts rely on them; a second pass reads and writes nothing."""
    first, again = invoke("sync", "--json"), invoke("sync", "--json")
    assert (first.code, first.err, list(first.json)) == (0, "", KEYS)
    assert [type(value) for value in first.json.values()] == [int] * 6 + [float]
    assert list(first.json.values())[:3] == [2, 2, 6]
    assert first.json["rows_written"] > 6
    assert list(again.json.values())[:6] == [2, 0, 0, 0, 0, 0]


def test_people_are_told_the_same_in_a_line(invoke: Invoke, home: Path, index: Path) -> None:
    """On stderr: nothing is printed that a script could take for data."""
    done = invoke("sync")
    assert done.out == ""
    assert done.err.startswith("2 files, 2 read (6 lines), ")
    assert f"rows written to {index} in " in done.err


def test_only_what_is_new_is_read(invoke: Invoke, home: Path) -> None:
    """A line more is a line read."""
    invoke("sync")
    append(path_of(home), prompt("More", at=20))
    assert list(invoke("sync", "--json").json.values())[:3] == [2, 1, 1]


def test_a_path_is_indexed_instead_of_the_clients_own_folder(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    """And what was indexed from elsewhere stays."""
    invoke("sync")
    other = session_file(tmp_path / "other", f"9{SID[1:]}", prompt())
    assert list(invoke("sync", other, "--json").json.values())[:3] == [1, 1, 1]
    assert invoke("sessions", "--json", "--no-sync").out.count('"session_id"') == 3


def test_the_index_lies_where_it_is_wanted(invoke: Invoke, home: Path, index: Path, tmp_path: Path) -> None:
    """The option goes before the variable."""
    invoke("sync", "--data-dir", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / FILE_NAME).exists()
    assert not index.exists()


def test_files_that_cannot_be_read_are_told(invoke: Invoke, home: Path) -> None:
    """What could be read is in the index."""
    with unreadable(path_of(home)):
        done = invoke("sync")
    assert done.code == 0
    assert "! 1 files cannot be read; `otel-bridge stats --json` names them" in done.err
    with unreadable(path_of(home)):
        stats = invoke("stats", "--json").json
    assert [(problem["path"], problem["reason"]) for problem in stats["problems"]] == [
        (str(path_of(home)), "unreadable")
    ]
    assert stats["totals"]["calls"] == 1


# --- samples ---------------------------------------------------------------------------------------------------------


def test_samples_have_an_index_of_their_own(
    invoke: Invoke, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody does later is never mixed with them."""
    done = invoke("sync", "--or-samples", "--json")
    assert (done.code, "bundled sample sessions" in done.err) == (0, True)
    assert done.json["files"] > 0
    assert index.with_name(SAMPLES_FILE_NAME).exists()
    assert not index.exists()
    session_file(tmp_path / "home", SID, prompt(), response())
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    own = invoke("sync", "--or-samples", "--json")
    assert (own.json["files"], own.err) == (1, "")
    assert invoke("stats", "--or-samples", "--json").json["totals"]["calls"] == 1


# --- sending ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_sent_everything_once(invoke: Invoke, home: Path) -> None:
    """And after a turn more that turn."""
    with RecordingServer("http/protobuf") as server:
        first = invoke("sync", "--json", "--endpoint", server.endpoint)
        again = invoke("sync", "--json", "--endpoint", server.endpoint)
        append(path_of(home), prompt("More", at=60), response("msg_9", at=61))
        more = invoke("sync", "--json", "--endpoint", server.endpoint)
        sent = server.span_ids()
    assert [done.code for done in (first, again, more)] == [0, 0, 0]
    assert [done.json["spans_sent"] for done in (first, again, more)] == [6, 0, 2]
    assert first.json["points_sent"] > more.json["points_sent"] > 0
    assert again.json["points_sent"] == 0
    assert len(sent) == len(set(sent)) == 8


@pytest.mark.parametrize("headers", [{"content-type": "text/html"}, {"content-type": "application/octet-stream"}])
def test_a_login_page_took_nothing(invoke: Invoke, home: Path, headers: dict[str, str]) -> None:
    """Whatever it calls itself: what counts as sent is what a receiver has taken."""
    page = Reply(200, headers=headers, body=b"<!DOCTYPE html>\n<html>Please log in</html>")
    with RecordingServer("http/protobuf", lambda _: page) as server:
        done = invoke("sync", "--json", "--endpoint", server.endpoint)
        told = invoke("sync", "--endpoint", server.endpoint)
    assert (done.code, done.json["spans_sent"], done.json["points_sent"]) == (4, 0, 0)
    assert re.search(r"data points made for \S+, \S+, \S+: 0 accepted, 0 rejected", told.err)


def test_what_was_refused_was_not_sent(invoke: Invoke, home: Path) -> None:
    """One span of six is refused: five were sent."""
    is_bad = bad_items(lambda item: getattr(item, "name", "").startswith("execute_tool"))
    with RecordingServer("http/protobuf", is_bad) as server:
        done = invoke("sync", "--json", "--endpoint", server.endpoint)
        spans = server.spans()
    assert (done.code, done.json["spans_sent"], len(spans)) == (4, 5, 5)


def test_what_was_sent_is_told_with_an_endpoint_alone(invoke: Invoke, home: Path) -> None:
    """Who only indexes hears nothing of sending."""
    assert "spans" not in invoke("sync").err
    with RecordingServer("http/protobuf") as server:
        told = invoke("sync", "--endpoint", server.endpoint).err
    assert "6 spans" in told
    assert server.endpoint in told


def test_a_receiver_that_is_away_is_a_code_and_lacks_nothing_later(invoke: Invoke, home: Path) -> None:
    """The index is up to date; what was not taken waits in it."""
    is_away = True
    with RecordingServer("http/protobuf", lambda _: UNAVAILABLE if is_away else ACCEPT) as server:
        done = invoke("sync", "--json", "--endpoint", server.endpoint, "--give-up", "0")
        assert (done.code, done.json["files_read"]) == (4, 2)
        assert (done.json["spans_sent"], done.json["points_sent"]) == (0, 0)
        is_away = False
        assert invoke("sync", "--endpoint", server.endpoint).code == 0
        assert len(set(server.span_ids())) == len(server.span_ids()) == 6


def test_what_is_refused_is_a_code_once(invoke: Invoke, home: Path) -> None:
    """It is named; a second time there is nothing to send."""
    with RecordingServer("http/protobuf", lambda request: BAD if request.signal == "traces" else ACCEPT) as server:
        done = invoke("sync", "--endpoint", server.endpoint)
        assert (done.code, "rejected" in done.err) == (4, True)
        assert invoke("sync", "--endpoint", server.endpoint).code == 0


# --- codes -----------------------------------------------------------------------------------------------------------


def test_nothing_to_index_is_a_code(invoke: Invoke, index: Path) -> None:
    """And no empty index is left for it."""
    done = invoke("sync")
    assert (done.code, "no transcripts under" in done.err) == (3, True)
    assert not index.exists()


def test_a_wrong_option_is_a_code(invoke: Invoke, home: Path, index: Path) -> None:
    """Found before anything is read."""
    done = invoke("sync", "--endpoint", "no-address")
    assert (done.code, done.out) == (2, "")
    assert not index.exists()


def test_a_place_that_cannot_be_written_is_a_code(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    """With a sentence about where else the index may lie."""
    (tmp_path / "file").write_text("")
    done = invoke("sync", "--data-dir", tmp_path / "file" / "x")
    assert (done.code, "--data-dir" in done.err) == (5, True)


def test_a_second_writer_is_refused_and_told_who_is_first(invoke: Invoke, home: Path, index: Path) -> None:
    """It can wait for its turn."""
    with WriterLock(index) as lock:
        assert lock.acquire("`otel-bridge watch` (process 7)")
        done = invoke("sync")
        assert done.code == 5
        assert "is being written by `otel-bridge watch` (process 7)" in done.err
        threading.Timer(0.2, lock.release).start()
        began = time.monotonic()
        assert invoke("sync", "--wait", "10").code == 0
        assert time.monotonic() - began < 5


# --- terminals -------------------------------------------------------------------------------------------------------


def test_progress_is_for_terminals_alone(home: Path, tmp_path: Path) -> None:
    """A log file has no bars in it."""
    piped = run("sync", home=home, data_dir=tmp_path / "piped")
    assert piped.returncode == 0
    assert "\x1b" not in piped.stderr
    assert "indexing" not in piped.stderr
    assert "indexing" in on_a_terminal("sync", home=home, data_dir=tmp_path / "terminal")


def on_a_terminal(*arguments: str, home: Path, data_dir: Path) -> str:
    """Return what a command says to a terminal."""
    outer, inner = pty.openpty()
    environment = environment_of(home, data_dir) | {"TERM": "xterm"}
    environment.pop("NO_COLOR")
    command = [sys.executable, "-m", "otel_bridge", *arguments]
    with subprocess.Popen(command, env=environment, stderr=inner, stdout=subprocess.DEVNULL) as process:
        os.close(inner)
        said = bytearray()
        with suppress(OSError):  # how a terminal says that everybody has left
            while select.select([outer], [], [], 30)[0] and (part := os.read(outer, 4096)):
                said += part
    os.close(outer)
    assert process.returncode == 0
    return said.decode()
