from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.cli.options import samples_folder
from tests.cli.invoke import Invoke
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    compact_boundary,
    cost_state,
    fork_2_1_181,
    pr_link,
    prompt,
    queue_operation,
    response,
    session_file,
)


def session_of_day(root: Path, day: int) -> None:
    """Write a session of one call on its own day."""
    at = day * 86_400
    lines = [prompt(at=at), response(f"msg_{day}", at=at + 1, usage={"input_tokens": 1000 * (day + 1)})]
    session_file(root, f"{day:08x}{SID[8:]}", *lines)


def test_the_object_has_these_keys(invoke: Invoke, tmp_path: Path) -> None:
    """Nothing is missing and nothing changes its type when there is hardly anything to tell."""
    session_file(tmp_path, SID, prompt())
    stats = invoke("stats", tmp_path, "--json").json
    assert list(stats) == [
        *("totals", "by_model", "by_day", "by_project", "sessions", "client_cost_usd", "unrecorded_cost_usd"),
        *("timezone", "lines", "problems"),
    ]
    counters = (
        *("calls", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
        *("cache_write_1h_tokens", "web_searches", "unpriced_calls", "tool_calls"),
    )
    types = dict.fromkeys(counters, int) | {"cost_usd": str}
    assert {key: type(value) for key, value in stats["totals"].items()} == types
    assert (stats["totals"]["cost_usd"], stats["by_model"], stats["timezone"]) == ("0", {}, "UTC")
    (session,) = stats["sessions"]
    assert session.keys() - stats["totals"].keys() == {
        *("session_id", "started_at", "ended_at", "client_cost_usd", "unrecorded_cost_usd", "unrecorded_reasons"),
        *("models", "unpriced_models", "lower_bound_calls", "forked_from", "project", "title"),
    }


@pytest.mark.parametrize(
    ("tokens", "cost"), [(0, "0"), (1, "0.0000001"), (10, "0.000001"), (10_000_000, "5"), (10**12, "500000")]
)
def test_money_is_plain(invoke: Invoke, tmp_path: Path, tokens: int, cost: str) -> None:
    """Never an exponent, never trailing zeros, however small or large."""
    late = response(usage={"input_tokens": tokens}, model="claude-haiku-5-5", timestamp="2026-11-01T00:00:00.000Z")
    session_file(tmp_path, SID, prompt(), late)
    stats = invoke("stats", tmp_path, "--json").json
    assert stats["totals"]["cost_usd"] == stats["sessions"][0]["cost_usd"] == cost


def test_problems_are_listed_with_their_place(invoke: Invoke, tmp_path: Path) -> None:
    """A script can go to the line."""
    path = session_file(tmp_path, SID, prompt(), b"garbage\n")
    (problem,) = invoke("stats", tmp_path, "--json").json["problems"]
    assert problem.items() >= {"path": str(path), "line": 2, "reason": "bad_json"}.items()
    assert problem["offset_bytes"] == len(path.read_bytes()) - len(b"garbage\n")


def test_without_transcripts_the_samples_are_shown_on_request(invoke: Invoke) -> None:
    """--or-samples helps out only where nothing is found, and says so on stderr."""
    if not samples_folder().is_dir():
        pytest.skip("no samples yet")
    done = invoke("stats", "--or-samples", "--json")
    assert (done.code, "bundled sample sessions" in done.err) == (0, True)
    assert done.json["totals"]["calls"] > 0
    assert done.json["problems"] == []


def test_samples_do_not_mix_with_real_sessions(invoke: Invoke, tmp_path: Path) -> None:
    """Where there are transcripts, --or-samples changes nothing."""
    session_file(tmp_path, SID, prompt(), response())
    done = invoke("stats", tmp_path, "--or-samples", "--json")
    assert (done.json["totals"]["calls"], done.err) == (1, "")


def test_the_tables_show_the_last_days_and_the_dearest_sessions(invoke: Invoke, tmp_path: Path) -> None:
    """What was cut is said; --all cuts nothing."""
    for day in range(20):
        session_of_day(tmp_path, day)
    short, whole = invoke("stats", tmp_path).out, invoke("stats", tmp_path, "--all").out
    assert "By day (last 15 of 20), UTC" in short
    assert "By session (top 15 of 20)" in short
    assert ("2026-03-02" in short, "2026-03-21" in short) == (False, True)
    assert "2026-03-02" in whole
    assert "top" not in whole


def test_a_project_is_shown_by_its_last_name_unless_two_share_it(invoke: Invoke, tmp_path: Path) -> None:
    """Folders of one name are told apart by their paths; scripts get whole paths always."""
    folders = ["/home/ann/widgets", "/home/bob/widgets", "/srv/gears"]
    for number, folder in enumerate(folders):
        lines = [prompt(cwd=folder), response(f"msg_{number}", at=1, cwd=folder)]
        session_file(tmp_path, f"{number:08x}{SID[8:]}", *lines)
    by_project = invoke("stats", tmp_path).out.split("By project")[1].split("By session")[0]
    names = [line.split()[0] for line in by_project.splitlines()[2:] if line]
    assert names == ["/home/ann/widgets", "/home/bob/widgets", "gears"]
    assert list(invoke("stats", tmp_path, "--json").json["by_project"]) == folders


def test_the_tables_say_what_the_numbers_leave_open(invoke: Invoke, tmp_path: Path) -> None:
    """Unrecorded cost with its reason, lower bounds, unpriced models, problems, forks: all in words."""
    first = [prompt(at=0), response("msg_1", at=1), compact_boundary(at=2), cost_state("0.5")]
    session_file(tmp_path, SID, queue_operation(at=0), *first)
    session_file(tmp_path, FORK, *fork_2_1_181(first[:2]), queue_operation(at=50), prompt(at=51), response("f", at=52))
    session_file(tmp_path, OTHER, prompt(), response("msg_2", model="gpt-99", stop=None), b"garbage\n")
    shown = invoke("stats", tmp_path).out
    for words in (
        "clients' own totals are 0.4982 USD above ours",
        "compaction calls are in no transcript",
        "Lower bound: 1 calls",
        "no list price is known for gpt-99",
        f"{OTHER}.jsonl:3 bad_json",
        "(fork)",
        "+ 1 unpriced",
    ):
        assert words in shown
    assert "\x1b" not in shown


BRANCH = {"gitBranch": "feat/gears"}


def test_changes_have_the_cost_of_their_pull_requests_and_the_rest_is_told(invoke: Invoke, tmp_path: Path) -> None:
    session_file(tmp_path, SID, prompt(), response("msg_1", at=1), pr_link(7, at=2), response("msg_2", at=3))
    session_file(tmp_path, OTHER, prompt(at=10), response("msg_3", at=11))
    stats = invoke("stats", tmp_path, "--json", "--changes").json
    assert stats["by_change"] == [
        {
            "repository": "acme/widgets",
            "change_id": "7",
            "url": "https://github.com/acme/widgets/pull/7",
            "sessions": 1,
            "cost_usd": "0.00366",
        },
        {"repository": None, "change_id": None, "url": None, "sessions": 1, "cost_usd": "0.00183"},
    ]
    assert stats["totals"]["cost_usd"] == "0.00549"
    table = invoke("stats", tmp_path, "--changes").out
    assert "acme/widgets#7" in table
    assert "(not attributed)" in table


@pytest.mark.parametrize(
    ("branch", "cwd", "sessions"),
    [("feat/gears", "/home/dev/widgets", 2), ("feat/wheels", "/home/dev/widgets", 1), ("feat/gears", "/home/x", 1)],
)
def test_a_session_without_a_link_follows_the_branch_of_one_that_has(
    invoke: Invoke, tmp_path: Path, branch: str, cwd: str, sessions: int
) -> None:
    """In the same project only; another session's branch of that name elsewhere says nothing."""
    session_file(tmp_path, SID, prompt(**BRANCH), response("msg_1", at=1, **BRANCH), pr_link(7, at=2))
    place = {"gitBranch": branch, "cwd": cwd}
    session_file(tmp_path, OTHER, prompt(at=10, **place), response("msg_3", at=11, **place))
    change = invoke("stats", tmp_path, "--json", "--changes").json["by_change"][0]
    assert (change["change_id"], change["sessions"]) == ("7", sessions)
