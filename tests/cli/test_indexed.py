from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.store.database import FILE_NAME
from otel_bridge.store.lock import WriterLock
from tests.cli.invoke import Done, Invoke
from tests.otlp_server import RecordingServer
from tests.pipeline.index.world import append
from tests.sources.test_properties import busy_session, write_folder
from tests.transcripts import OTHER, SID, prompt, response, session_file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home with a busy session, its fork and a quiet one."""
    home = tmp_path / "home"
    main, agent = busy_session()
    write_folder(home, list(main), list(agent), {"agentType": "Explore", "toolUseId": "toolu_1"})
    append(path_of(home, SID), b"garbage\n")
    session_file(home, OTHER, prompt(at=100), response("msg_o", at=101))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    return home


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Return where ``invoke`` lets the index lie."""
    return tmp_path / "data" / FILE_NAME


def path_of(home: Path, session_id: str) -> Path:
    return home / "projects" / "-home-dev-widgets" / f"{session_id}.jsonl"


# --- the index says what the files say -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["--json", "--json --changes", "--all", "--json --timezone Asia/Tokyo"])
def test_stats_are_the_same_with_and_without_a_path(invoke: Invoke, home: Path, options: str) -> None:
    """For people and for scripts, problems with their places too."""
    asked = options.split()
    of_files, of_index = invoke("stats", home / "projects", *asked), invoke("stats", *asked)
    assert (of_index.code, of_index.err) == (0, "")
    assert of_index.out == of_files.out


@pytest.mark.parametrize("session", [SID, "5a1b2c3d-0000-4000-8000-00000000000f"])
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_session_is_shown_the_same_with_and_without_a_path(
    invoke: Invoke, home: Path, session: str, options: list[str]
) -> None:
    """The fork without what is its origin's."""
    of_files, of_index = invoke("show", session, home / "projects", *options), invoke("show", session, *options)
    assert (of_index.code, of_index.out) == (0, of_files.out)


def test_an_export_is_the_same_with_and_without_a_path(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    """To the byte."""
    files = [tmp_path / name for name in ("files.jsonl", "index.jsonl", "no-store.jsonl")]
    for path, options in zip(files, ([home / "projects"], [], ["--no-store"]), strict=True):
        assert invoke("export", *options, "--to-file", path).code == 0
    contents = [path.read_bytes() for path in files]
    assert contents[0] == contents[1] == contents[2]
    assert len(contents[0]) > 10_000


def test_an_index_is_made_and_kept_up_to_date_by_whoever_asks(invoke: Invoke, home: Path, index: Path) -> None:
    """And left as it is on request."""
    assert invoke("stats", "--no-sync").code == 5
    assert not index.exists()
    calls = invoke("stats", "--json").json["totals"]["calls"]
    append(path_of(home, OTHER), response("msg_p", at=102))
    assert invoke("stats", "--json", "--no-sync").json["totals"]["calls"] == calls
    assert invoke("stats", "--json").json["totals"]["calls"] == calls + 1


def test_what_is_deleted_is_still_known(invoke: Invoke, home: Path) -> None:
    """The client deletes transcripts after 30 days; the session is shown and counted for ever."""
    stats, shown = invoke("stats", "--json").json, invoke("show", OTHER, "--json").json
    path_of(home, OTHER).unlink()
    assert invoke("stats", "--json").json == stats
    assert invoke("show", OTHER, "--json").json == shown


def test_an_index_that_somebody_writes_is_read_as_it_is(invoke: Invoke, home: Path, index: Path) -> None:
    """Whoever writes keeps it up to date."""
    calls = invoke("stats", "--json").json["totals"]["calls"]
    append(path_of(home, OTHER), response("msg_p", at=102))
    with WriterLock(index) as lock:
        assert lock.acquire("`otel-bridge watch` (process 7)")
        done = invoke("stats", "--json")
    assert (done.code, done.err, done.json["totals"]["calls"]) == (0, "", calls)


# --- export and the ledger -------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Any:
    with RecordingServer("http/protobuf") as made:
        yield made


def test_an_export_sends_what_was_not_sent_before(invoke: Invoke, home: Path, server: RecordingServer) -> None:
    """The second one nothing, and says so; --no-store all of it, with the same ids."""
    first = invoke("export", "--endpoint", server.endpoint, "--json")
    sent = server.span_ids()
    assert (first.code, first.json["spans"]) == (0, len(sent))
    assert len(set(sent)) == len(sent) > 10
    again = invoke("export", "--endpoint", server.endpoint)
    assert (again.code, server.span_ids()) == (0, sent)
    assert f"nothing new for {server.endpoint}" in again.err
    assert "--no-store sends all of it again, with the same ids" in again.err
    assert invoke("export", "--endpoint", server.endpoint, "--no-store").code == 0
    assert sorted(server.span_ids()) == sorted([*sent, *sent])


def test_sync_and_export_share_the_ledger(invoke: Invoke, home: Path, server: RecordingServer) -> None:
    """What one sent the other does not send again."""
    invoke("sync", "--endpoint", server.endpoint)
    sent = server.span_ids()
    assert sent
    invoke("export", "--endpoint", server.endpoint)
    assert server.span_ids() == sent


def test_texts_are_sent_by_the_ledger_too(invoke: Invoke, home: Path, server: RecordingServer) -> None:
    """They are read from the transcripts; the index does not keep them."""
    assert invoke("export", "--endpoint", server.endpoint, "--content", "all").code == 0
    sent = server.span_ids()
    texts = [item.value.string_value for span in server.spans() for item in span.attributes if "messages" in item.key]
    assert texts
    invoke("export", "--endpoint", server.endpoint, "--content", "all")
    assert server.span_ids() == sent


@pytest.mark.parametrize("has_index", [True, False])
def test_an_export_of_a_path_sends_all_of_it_and_notes_nothing(
    invoke: Invoke, home: Path, index: Path, server: RecordingServer, has_index: bool
) -> None:
    """Whatever was sent before; and no index is made for it."""
    if has_index:
        invoke("sync")
    before = index.read_bytes() if has_index else None
    for _ in range(2):
        assert invoke("export", home / "projects", "--endpoint", server.endpoint).code == 0
    counted = [server.span_ids().count(span_id) for span_id in server.span_ids()]
    assert set(counted) == {2}
    assert (index.read_bytes() if index.exists() else None) == before


def test_an_export_needs_the_index_to_itself(invoke: Invoke, home: Path, index: Path, server: RecordingServer) -> None:
    """Whoever has it may be sending the same."""
    invoke("sync")
    with WriterLock(index) as lock:
        assert lock.acquire("`otel-bridge watch` (process 7)")
        done = invoke("export", "--endpoint", server.endpoint)
    assert (done.code, server.requests) == (5, [])
    assert "`otel-bridge watch` (process 7)" in done.err


# --- places that cannot be written -----------------------------------------------------------------------------------


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the index lie where nothing can be written, and return where files go that are for a moment."""
    (tmp_path / "file").write_text("")
    (tmp_path / "moment").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "moment"))
    monkeypatch.setenv("OTEL_BRIDGE_DATA_DIR", str(tmp_path / "file" / "x"))
    return tmp_path / "moment"


Ask = Callable[[Invoke, Path], Done]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda invoke, home: invoke("stats", "--json"), id="stats"),
        pytest.param(lambda invoke, home: invoke("show", SID, "--json"), id="show"),
    ],
)
def test_a_report_is_made_without_a_place_for_the_index(invoke: Invoke, home: Path, nowhere: Path, ask: Ask) -> None:
    """From one of its own, which goes with it; that is said."""
    done = ask(invoke, home)
    assert (done.code, "made for this command alone" in done.err) == (0, True)
    assert done.json
    assert list(nowhere.iterdir()) == []


def test_an_export_is_made_without_a_place_for_the_index(
    invoke: Invoke, home: Path, nowhere: Path, server: RecordingServer
) -> None:
    """All of it is sent: nobody knows what was sent before."""
    assert invoke("export", "--endpoint", server.endpoint).code == 0
    assert len(server.span_ids()) > 10
