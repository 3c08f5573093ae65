from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from otel_bridge.pipeline.stats import collect_stats
from otel_bridge.sources.transcript import survey
from otel_bridge.sources.transcript.discover import discover_sessions
from otel_bridge.sources.transcript.survey import survey_sessions, take_census
from tests.transcripts import (
    SID,
    Line,
    agent_file,
    at_ns,
    compact_boundary,
    cost_state,
    count,
    fork_2_1_181,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)


def session_id(number: int) -> str:
    """Return the id of one of many sessions."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def many_sessions(root: Path, number: int = 12) -> None:
    """Write sessions of different sizes; every third is a fork of the one before it."""
    before: list[Line] = []
    for n in range(number):
        lines = [queue_operation(at=n * 100)] + [
            line
            for m in range(n + 1)
            for line in (prompt(f"{n}.{m}", at=n * 100 + m), response(f"msg_{n}_{m}", at=n * 100 + m + 0.5))
        ]
        session_file(root, session_id(n), *(fork_2_1_181(before[1:]) if n % 3 == 2 else []), *lines)
        agent_file(root, session_id(n), "a1", prompt("x", at=n * 100), response(f"msg_{n}_a", at=n * 100 + 1))
        before = lines


def test_workers_find_what_one_process_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharing the work out changes nothing in the result, whoever finishes first."""
    many_sessions(tmp_path)
    monkeypatch.setattr(survey, "_PARALLEL_FROM_BYTES", 0)
    sessions = discover_sessions([tmp_path])
    alone, shared = (collect_stats(sessions, zone=UTC, workers=workers) for workers in (1, 3))
    assert shared == alone
    assert (alone.totals.calls, len(alone.sessions)) == (78 + 12, 12)
    assert [row.forked_from for row in alone.sessions if row.forked_from] == [session_id(n) for n in (1, 4, 7, 10)]


def test_the_order_of_sessions_does_not_matter(tmp_path: Path) -> None:
    """Ownership is decided when all are known."""
    many_sessions(tmp_path)
    sessions = discover_sessions([tmp_path])
    forward, backward = (collect_stats(order, zone=UTC, workers=1) for order in (sessions, sessions[::-1]))
    assert forward == backward


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    """What is told adds up to the size of all files."""
    many_sessions(tmp_path, 4)
    sessions = discover_sessions([tmp_path])
    told: list[int] = []
    survey_sessions(sessions, workers=1, summarize=len_of_calls, progress=told.append)
    assert sorted(told) == sorted(session.size_bytes for session in sessions)


def len_of_calls(census: survey.SessionCensus) -> int:
    """Summarize a session to its number of calls."""
    return len(census.calls)


def test_only_sessions_that_share_are_summarized_again(tmp_path: Path) -> None:
    """Summaries are of own calls; a session without foreign calls keeps its first one."""
    many_sessions(tmp_path, 3)
    found = survey_sessions(discover_sessions([tmp_path]), workers=1, summarize=len_of_calls)
    assert dict(found.summaries()) == {session_id(0): 2, session_id(1): 3, session_id(2): 4}
    assert len(found.census(session_id(2)).calls) == 4 + 2


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A file that vanished after it was listed costs a problem, and the session's other files are counted."""
    session_file(tmp_path, SID, prompt(), response())
    gone = agent_file(tmp_path, SID, "a1", prompt(), response("msg_a"))
    sessions = discover_sessions([tmp_path])
    gone.unlink()
    stats = collect_stats(sessions, zone=UTC, workers=1)
    assert [(problem.path, problem.line, problem.reason) for problem in stats.problems] == [
        (str(gone), 0, "unreadable")
    ]
    assert (stats.totals.calls, stats.lines.problem_count) == (1, 1)


def test_a_census_knows_when_its_files_were_born(tmp_path: Path) -> None:
    """The earliest queue operation over all files of the session, wherever it stands."""
    session_file(tmp_path, SID, queue_operation(at=500), prompt("x" * 999, at=501), slug="-large")
    session_file(tmp_path, SID, queue_operation(at=20), queue_operation(at=10), slug="-small")
    (files,) = discover_sessions([tmp_path])
    census, _ = take_census(files)
    assert census.first_queued_ns == at_ns(10)


def test_a_census_tells_what_the_client_summed_up_when(tmp_path: Path) -> None:
    """A cost-state has no time of its own: it stands between the timed lines around it."""
    states = [cost_state("0.5"), cost_state("0.75", hasUnknownModelCost=True)]
    session_file(tmp_path, SID, prompt(at=0), states[0], response(at=7), compact_boundary(at=8), states[1])
    (files,) = discover_sessions([tmp_path])
    census, _ = take_census(files)
    assert [(state.at_ns, state.until_ns, state.has_unknown_model) for state in census.cost_states] == [
        (at_ns(0), at_ns(7), False),
        (at_ns(8), 0, True),
    ]
    assert census.compaction_count == 1


def test_tool_calls_are_counted_with_their_result(tmp_path: Path) -> None:
    """A call without a result is none yet; the result may be in another file of the session."""
    session_file(
        tmp_path, SID, prompt(), response("msg_1", tool_use("toolu_1"), tool_use("toolu_2"), tool_use("toolu_3"))
    )
    agent_file(tmp_path, SID, "a1", tool_result("toolu_1"), tool_result("toolu_1", at=9))
    session_file(tmp_path, SID, prompt("other half", at=3), tool_result("toolu_3", at=4), slug="-two")
    assert count(tmp_path).totals.tool_calls == 2
