"""What scripts rely on: objects, exit codes, sentences."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from otel_bridge.cli import COMMANDS
from tests.cli.commands import run, run_json
from tests.otlp_server import RecordingServer
from tests.transcripts import FORK, OTHER, SID, cost_state, prompt, response, session_file, tool_result, tool_use

COUNTERS = {
    "calls": 1,
    "input_tokens": 10,
    "output_tokens": 50,
    "cache_read_tokens": 1000,
    "cache_write_tokens": 200,
    "cache_write_1h_tokens": 0,
    "web_searches": 0,
    "cost_usd": "0.00183",
    "unpriced_calls": 0,
    "tool_calls": 1,
}


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    """One session with a call, a tool call and the client's own total."""
    lines = [prompt(), response("msg_1", tool_use(), at=1), tool_result(at=2), cost_state("0.002")]
    session_file(tmp_path / "projects", SID, *lines)
    return tmp_path


def test_stats_prints_the_promised_object(transcripts: Path) -> None:
    """Totals, models, days, sessions and problems under the names scripts read; money as plain decimal strings."""
    stats = run_json("stats", transcripts)
    assert stats["totals"] == COUNTERS
    assert stats["by_model"] == {"claude-sonnet-4-5-20250929": COUNTERS}
    assert stats["by_day"] == {"2026-03-02": COUNTERS}
    assert stats["problems"] == []
    (session,) = stats["sessions"]
    assert session.items() >= COUNTERS.items()
    assert session["session_id"] == SID
    assert (session["started_at"], session["ended_at"]) == ("2026-03-02T09:00:00.000Z", "2026-03-02T09:00:02.000Z")
    assert (session["client_cost_usd"], session["unrecorded_cost_usd"]) == ("0.002", "0.00017")


def test_sessions_without_a_client_total_say_null(tmp_path: Path) -> None:
    """Unknown is null, not zero."""
    session_file(tmp_path, SID, prompt(), response())
    (session,) = run_json("stats", tmp_path)["sessions"]
    assert (session["client_cost_usd"], session["unrecorded_cost_usd"]) == (None, None)


def test_transcripts_are_found_where_the_client_puts_them(transcripts: Path) -> None:
    """Without a PATH, CLAUDE_CONFIG_DIR decides."""
    assert run_json("stats", home=transcripts)["totals"]["calls"] == 1


def test_days_follow_the_time_zone(tmp_path: Path) -> None:
    """A call falls on the day it ended in the zone asked for."""
    session_file(tmp_path, SID, prompt(), response(at=16 * 3600))
    assert list(run_json("stats", tmp_path, "--timezone", "UTC")["by_day"]) == ["2026-03-03"]
    assert list(run_json("stats", tmp_path, "--timezone", "America/New_York")["by_day"]) == ["2026-03-02"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_has_an_example(command: str) -> None:
    """Every command shows how it is used."""
    assert f"Example: otel-bridge {command}" in run(command, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["stats", "/no/such/place"], 3, "no such file or folder: /no/such/place"),
        (["stats"], 3, "add --or-samples"),
        (["stats", "{here}", "--timezone", "Mars/Base"], 2, "no zone 'Mars/Base'"),
        (["show", "zz", "{here}"], 3, "no session begins with 'zz'"),
        (["show", "5a1b", "{here}"], 2, "2 sessions begin with '5a1b'"),
        (["prices", "claude-opus-4-9"], 3, "claude-opus-4-"),
        (["export", "{here}"], 2, "nowhere to send to"),
        (["export", "{here}", "--endpoint", "ftp://x"], 2, "ftp"),
        (["export", "{here}", "--to-file", "/no/such/folder/x"], 2, "/no/such/folder"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_failures_end_with_one_sentence_and_a_code(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    """What was wrong, where, and what to do; never a traceback."""
    session_file(tmp_path, SID, prompt(), response())
    session_file(tmp_path, OTHER, prompt(), response("msg_2"))
    done = run(*(argument.format(here=tmp_path) for argument in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_prefix_is_enough_to_show_a_session(transcripts: Path) -> None:
    """The tree names turn, call and tool, and sets the client's total beside ours."""
    shown = run("show", SID[:6], transcripts).stdout
    for words in ("turn 1", "chat claude-sonnet-4-5-20250929", "Bash", "0.0018 USD", "client says", "unrecorded"):
        assert words in shown


def test_a_full_disk_is_a_sentence(transcripts: Path) -> None:
    """Output that cannot be written ends the command, not in a traceback."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    command = f"{sys.executable} -m otel_bridge stats {transcripts} > /dev/full"
    assert os.waitstatus_to_exitcode(os.system(f"{command} 2> {transcripts}/stderr")) == 1
    assert (transcripts / "stderr").read_text().startswith("error: cannot write the output")


def test_export_gives_the_same_bytes_from_anywhere(tmp_path: Path) -> None:
    """Folder, file order, dates and zone leave no trace in the file."""
    lines = [prompt(), response("msg_1", tool_use(), at=1), tool_result(at=2), response("msg_2", at=3)]
    for folder, slugs in (("a", ("-x", "-y")), ("z/deeper", ("-y", "-x"))):
        for session_id, slug in zip((SID, FORK), slugs, strict=True):
            path = session_file(tmp_path / folder, session_id, *lines, slug=slug)
            os.utime(path, (len(slug), len(folder)))
    for folder, zone in (("a", "UTC"), ("z", "Asia/Tokyo")):
        assert run("export", tmp_path / folder, "--to-file", tmp_path / f"{folder}.jsonl", TZ=zone).returncode == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "z.jsonl").read_bytes()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_export_reaches_a_receiver_over_every_protocol(transcripts: Path, protocol: str) -> None:
    """The summary says what the receiver has."""
    with RecordingServer(protocol) as server:
        summary = run_json("export", transcripts, "--endpoint", server.endpoint, "--protocol", protocol)
        assert len(server.span_ids()) == summary["spans"] == 3
    counts = summary["delivery"]["counts"]
    assert {signal: counts[signal]["accepted"] for signal in counts} == {
        "traces": 3,
        "logs": summary["events"],
        "metrics": summary["data_points"],
    }


def test_an_absent_receiver_is_said_at_once_and_in_the_exit_code(transcripts: Path) -> None:
    """While it waits the user knows why; in the end nothing is claimed to be delivered."""
    done = run("export", transcripts, "--endpoint", "http://127.0.0.1:9", "--give-up", "1", "--json")
    assert done.returncode == 4
    assert "trying again for up to 1 s" in done.stderr
    assert json.loads(done.stdout)["delivery"]["counts"]["traces"]["undelivered"] == 3


def test_the_terminal_obeys_nobody_but_us(tmp_path: Path) -> None:
    """Escape sequences in model names and paths are made visible."""
    session_file(tmp_path, SID, prompt(), response(model="claude-\x1b]0;owned\x07"), b"{broken", slug="-\x1b[31m")
    done = run("stats", tmp_path)
    assert "\x1b" not in done.stdout + done.stderr
    assert "Unpriced" in done.stdout


def test_doctor_says_what_is_there_and_what_cannot_be_reached(transcripts: Path) -> None:
    """Each check has a verdict; a failed one is the exit code."""
    done = run("doctor", transcripts, "--endpoint", "http://127.0.0.1:9", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 1
    assert checks["transcripts"]["found"].startswith("1 sessions in 1 files")
    assert "2.1.181 (1)" in checks["versions"]["found"]
    assert checks["traces endpoint"]["verdict"] == "failed"


def test_doctor_is_content_with_a_receiver_that_answers(transcripts: Path) -> None:
    """An empty request is accepted."""
    with RecordingServer("http/protobuf") as server:
        done = run("doctor", transcripts, "--endpoint", server.endpoint, "--json")
    assert done.returncode == 0
    assert {check["verdict"] for check in json.loads(done.stdout) if "endpoint" in check["name"]} == {"ok"}
