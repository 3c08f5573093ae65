from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.cli.invoke import Invoke
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    USAGE,
    cost_state,
    pr_link,
    prompt,
    response,
    session_file,
    tool_result,
    tool_use,
)


@pytest.fixture
def indexed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Two sessions: one on a branch with a pull request and a failing command, one larger and a day later."""
    home = tmp_path / "home"
    session_file(
        home / "projects",
        SID,
        prompt("Mend the naïve parser", cwd="/home/dev/widgets", gitBranch="fix/parser"),
        response(
            "msg_1", tool_use("toolu_1", command="npm test"), at=1, cwd="/home/dev/widgets", gitBranch="fix/parser"
        ),
        tool_result("toolu_1", "Exit code 1\nTypeError: x is undefined", at=2, is_error=True),
        pr_link(7, at=3, gitBranch="fix/parser"),
        cost_state("0.002"),
    )
    session_file(
        home / "projects",
        OTHER,
        prompt("Add a gauge", at=86_400, cwd="/home/dev/gadgets"),
        response("msg_2", at=86_401, usage=USAGE | {"output_tokens": 5000}, cwd="/home/dev/gadgets"),
        response("msg_3", at=86_500, cwd="/home/dev/gadgets"),
    )
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    return invoke


def ids(invoke: Invoke, *options: str) -> list[str]:
    return [line["session_id"] for line in invoke("sessions", "--json", *options).json]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), [OTHER, SID]),
        (("--project", "/home/dev/widgets"), [SID]),
        (("--project", "gadgets"), [OTHER]),
        (("--branch", "fix/parser"), [SID]),
        (("--pr", "#7"), [SID]),
        (("--pr", "acme/widgets#7"), [SID]),
        (("--pr", "#8"), []),
        (("--model", "sonnet"), [OTHER, SID]),
        (("--model", "opus"), []),
        (("--user", "nobody-here"), []),
        (("--since", "2026-03-03"), [OTHER]),
        (("--until", "2026-03-03"), [SID]),
        (("--since", "2026-03-02", "--until", "2026-03-02T09:00:01"), [SID]),
        (("--since", "0001-01-01"), [OTHER, SID]),
        (("--since", "1677-01-01", "--until", "9999-12-31T23:59"), [OTHER, SID]),
        (("--since", "999999999999w"), [OTHER, SID]),
        (("--until", "0001-01-01T00:00+14:00"), []),
        (("--min-cost", "0.01"), [OTHER]),
        (("--max-cost", "0.01"), [SID]),
        (("--max-cost", "1e999999999"), [OTHER, SID]),
        (("--text", "naive parser"), [SID]),
        (("--only-here",), []),
        (("--sort", "cost", "--reverse"), [SID, OTHER]),
        (("--sort", "calls", "--limit", "1"), [OTHER]),
        (("--limit", "99999999999999999999"), [OTHER, SID]),
    ],
)
def test_sessions_are_found_by_every_condition(indexed: Invoke, options: tuple[str, ...], found: list[str]) -> None:
    """Each option leaves exactly the sessions that it says, in the order asked for."""
    assert ids(indexed, "--timezone", "UTC", *options) == found


def test_a_line_has_what_a_script_needs(indexed: Invoke) -> None:
    """Times, tokens, money as decimal strings, pull requests, and what the client says."""
    (line,) = indexed("sessions", "--json", "--pr", "#7").json
    assert line["changes"] == ["acme/widgets#7"]
    assert (line["calls"], line["tool_calls"], line["cost_usd"]) == (1, 1, "0.00183")
    assert (line["client_cost_usd"], line["unrecorded_cost_usd"]) == ("0.002", "0.00017")
    assert line["project"] == "/home/dev/widgets"


def test_csv_has_a_header_and_a_row_for_each(indexed: Invoke) -> None:
    """Spreadsheets get the names of the JSON, lists joined by commas, and nothing for unknown."""
    rows = list(csv.DictReader(io.StringIO(indexed("sessions", "--csv").out)))
    assert [row["session_id"] for row in rows] == [OTHER, SID]
    assert rows[1]["cost_usd"] == "0.00183"
    assert rows[0]["client_cost_usd"] == ""


def test_a_spreadsheet_takes_no_text_for_a_formula(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A branch may have any name, and characters no terminal should get are made visible."""
    session_file(tmp_path / "projects", SID, prompt("x", gitBranch="=cmd()\x1b"), response("msg_1"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    (row,) = csv.DictReader(io.StringIO(invoke("sessions", "--csv").out))
    assert row["branch"] == "'=cmd()\N{REPLACEMENT CHARACTER}"


def test_no_session_is_a_header_alone(indexed: Invoke) -> None:
    """Scripts find the columns they know."""
    assert indexed("sessions", "--csv", "--branch", "none").out.splitlines()[0].startswith("calls,")


def test_people_see_a_table_and_a_sum(indexed: Invoke) -> None:
    """Project, branch, pull request and cost of each, and the sum of all of them."""
    out = indexed("sessions", "--timezone", "UTC").out
    assert "widgets" in out
    assert "acme/widgets#7" in out
    assert "2026-03-02 09:00" in out
    assert "All 2: 3 calls" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pr", "seven"), "'seven' names no pull request"),
        (("--since", "yesterday"), "--since is 'yesterday': give a day"),
        (("--min-cost", "much"), "'much' is no amount in USD"),
        (("--csv", "--json"), "--csv and --json both write"),
    ],
)
def test_what_makes_no_sense_is_named(indexed: Invoke, options: tuple[str, ...], words: str) -> None:
    """The sentence names the option and the value seen, and the exit code is 2."""
    done = indexed("sessions", *options)
    assert done.code == 2
    assert words in done.err


def test_deleted_transcripts_are_preserved_only_here(indexed: Invoke, tmp_path: Path) -> None:
    """After the client deleted a transcript, its session is still there, and `--only-here` lists it."""
    assert ids(indexed) == [OTHER, SID]
    next((tmp_path / "home").rglob(f"{SID}.jsonl")).unlink()
    assert ids(indexed, "--only-here") == [SID]
    assert ids(indexed) == [OTHER, SID]
    assert "Mend the naïve parser" in indexed("search", "parser").out


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (("naive",), ["prompt"]),
        (("NPM", "tes"), ["command"]),
        (("typeerror",), ["error"]),
        (("parser mend",), []),
        (("mend", "parser"), ["prompt"]),
        (("nothing",), []),
    ],
)
def test_search_finds_prompts_commands_and_errors(indexed: Invoke, words: tuple[str, ...], kinds: list[str]) -> None:
    """All words in any order, an argument with a blank as a phrase, accents and case aside."""
    assert [hit["kind"] for hit in indexed("search", "--json", *words).json] == kinds


@pytest.mark.parametrize(
    "options", [("--since", "0001-01-01"), ("--since", "9999999w"), ("--limit", "99999999999999999999")]
)
def test_search_knows_no_time_too_far_and_no_number_too_large(indexed: Invoke, options: tuple[str, str]) -> None:
    """As for `sessions`: since ever, and all there is."""
    assert [hit["session_id"] for hit in indexed("search", "naive", "--json", *options).json] == [SID]


def test_search_shows_the_words_and_says_when_there_is_nothing(indexed: Invoke) -> None:
    """People see the session, the kind and the text; for nothing found there is a sentence on stderr."""
    done = indexed("search", "parser")
    assert SID[:8] in done.out
    assert "Mend the naïve parser" in done.out
    assert "nothing has all of: xyzzy" in indexed("search", "xyzzy").err


def test_a_fork_is_marked(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A forked session says so, and counts only what it did itself."""
    first = [prompt(), response("msg_1", at=1)]
    session_file(tmp_path / "home" / "projects", SID, *first)
    session_file(tmp_path / "home" / "projects", FORK, *first, prompt("go on", at=9), response("msg_9", at=10))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    assert {line["session_id"]: line["forked_from"] for line in invoke("sessions", "--json").json} == {
        SID: None,
        FORK: SID,
    }
    assert "(fork)" in invoke("sessions").out
