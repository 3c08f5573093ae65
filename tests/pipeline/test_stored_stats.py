from __future__ import annotations

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from otel_bridge.model import Session
from otel_bridge.pipeline.stats import Stats, collect_stats, iso_time
from otel_bridge.pipeline.stored_stats import stored_stats
from otel_bridge.sources.transcript.discover import discover_sessions
from otel_bridge.sources.transcript.lines import LineAccount
from tests.captures import RUNS, read_sessions, unpack_transcripts
from tests.store.index import index_of
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    agent_file,
    ask,
    cost_state,
    fork_2_1_181,
    meta,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)

TOKYO = ZoneInfo("Asia/Tokyo")


def expected(folder: Path, sessions: dict[str, Session]) -> Stats:
    """Count files, but take start and end of a session from its turns as the index does: not each prompt opens one."""
    stats = collect_stats(discover_sessions([folder]), zone=TOKYO, workers=1)
    for line in stats.sessions:
        known = sessions[line.session_id]
        line.started_at, line.ended_at = iso_time(known.started_ns), iso_time(known.ended_ns)
    stats.sessions.sort(key=lambda line: (line.started_at or "", line.session_id))
    return stats


def check(folder: Path) -> Stats:
    sessions = read_sessions(folder)
    wanted = expected(folder, sessions)
    account = LineAccount()
    found = stored_stats(index_of(*sessions.values()), zone=TOKYO, account=account)
    assert replace(found, lines=wanted.lines, problems=wanted.problems) == wanted
    for groups in ("by_model", "by_day", "by_project"):
        assert list(getattr(found, groups)) == list(getattr(wanted, groups))
    return found


@pytest.mark.parametrize("run", RUNS)
def test_the_index_of_a_recording_adds_up_to_what_its_files_do(
    run: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The whole report: models, days, projects, sessions with their forks and client totals, to the last digit."""
    assert check(unpack_transcripts(run, tmp_path_factory.getbasetemp())).totals.calls


def test_the_index_of_made_sessions_adds_up_to_what_their_files_do(tmp_path: Path) -> None:
    """A fork, an agent, an unpriced and unfinished call, a client's total, a session of nothing but notes."""
    first = [
        prompt(at=0),
        ask("msg_1", tool_use(), at=1),
        tool_result(at=60_000),
        response("msg_2", at=60_003, model="claude-opus-4-6"),
    ]
    session_file(tmp_path, SID, queue_operation(at=0), *first, cost_state("0.01"), meta("ai-title", aiTitle="First"))
    agent_file(tmp_path, SID, "a1", prompt("x", at=1), response("msg_a", at=2))
    forked = [*fork_2_1_181(first), queue_operation(at=60_050), prompt(at=60_051), response("msg_f", at=60_052)]
    session_file(tmp_path, FORK, *forked)
    session_file(tmp_path, OTHER, prompt(at=172_800), response("msg_o", at=172_801, model="gpt-99", stop=None))
    session_file(tmp_path, f"9{SID[1:]}", meta("mode", mode="normal"))
    stats = check(tmp_path)
    assert (stats.totals.calls, stats.totals.tool_calls, stats.totals.unpriced_calls) == (5, 1, 1)
    assert (len(stats.by_day), len(stats.sessions)) == (3, 4)


def test_a_tool_call_whose_result_only_a_fork_has_is_counted_there(tmp_path: Path) -> None:
    """The origin stopped before; nothing else of what the fork repeats is its own."""
    first = [prompt(at=0), ask("msg_1", tool_use(), at=1)]
    session_file(tmp_path, SID, queue_operation(at=0), *first)
    late = [tool_result(at=52), response("msg_f", at=53)]
    session_file(tmp_path, FORK, *fork_2_1_181(first), queue_operation(at=50), *late)
    stats = check(tmp_path)
    assert [(line.session_id, line.calls, line.tool_calls) for line in stats.sessions] == [(SID, 1, 0), (FORK, 1, 1)]


def test_lines_and_problems_are_those_of_the_account() -> None:
    """The files tell them, which may be gone."""
    account = LineAccount(lines=9, used=8, lost=1)
    account.report_file("/b.jsonl", "unreadable", OSError("no"))
    account.report_file("/a.jsonl", "unreadable", OSError("no"))
    stats = stored_stats(index_of(), zone=UTC, account=account)
    assert (stats.lines.lines, stats.lines.lost, stats.lines.problem_count) == (9, 1, 2)
    assert [problem.path for problem in stats.problems] == ["/a.jsonl", "/b.jsonl"]
