from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from otel_bridge.pipeline.stats import Stats, collect_stats
from otel_bridge.sources.transcript.discover import discover_sessions
from otel_bridge.totals import Totals
from tests.transcripts import (
    FORK,
    MODEL,
    OTHER,
    SID,
    USAGE,
    agent_file,
    ask,
    cost_state,
    count,
    fork_2_1_181,
    meta,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)

OPUS = "claude-opus-4-6"


def busy_folder(root: Path) -> Stats:
    """Count three sessions: two models, two days, a fork, an unpriced call and an agent."""
    first = [
        prompt(at=0),
        ask("msg_1", tool_use("toolu_1"), at=1),
        tool_result("toolu_1", at=2),
        response("msg_2", at=3, model=OPUS),
    ]
    session_file(root, SID, queue_operation(at=0), *first, cost_state("0.01"), meta("ai-title", aiTitle="First"))
    agent_file(root, SID, "a1", prompt("x", at=1), response("msg_a", at=2))
    session_file(root, FORK, *fork_2_1_181(first), queue_operation(at=50), prompt(at=51), response("msg_f", at=52))
    session_file(root, OTHER, prompt(at=86_400), response("msg_o", at=86_401, model="gpt-99", stop=None))
    return count(root)


def test_totals_models_days_and_sessions_add_up_to_the_same(tmp_path: Path) -> None:
    """Each call and tool call stands once in every way of grouping."""
    stats = busy_folder(tmp_path)
    for groups in (stats.by_model.values(), stats.by_day.values(), stats.by_project.values(), stats.sessions):
        total = Totals()
        for group in groups:
            total.add(group)
        assert total == stats.totals
    assert (stats.totals.calls, stats.totals.tool_calls, stats.totals.unpriced_calls) == (5, 1, 1)
    assert stats.totals.cost_usd == 3 * Decimal("0.00183") + Decimal("0.00305")


def test_models_come_by_cost_and_days_by_date(tmp_path: Path) -> None:
    """The reader sees what matters first."""
    stats = busy_folder(tmp_path)
    assert list(stats.by_model) == [MODEL, OPUS, "gpt-99"]
    assert list(stats.by_day) == ["2026-03-02", "2026-03-03"]


def test_a_project_is_the_folder_a_session_began_in(tmp_path: Path) -> None:
    """The dearest comes first, sessions of one folder are one project, and those without a folder have no name."""
    for name, folder, calls in [("a", "/home/dev/gears", 1), ("b", None, 1), ("c", "/home/dev/widgets", 2)]:
        for copy in range(2):
            sid = f"{name}{copy}{SID[2:]}"
            answers = [response(f"msg_{sid}_{n}", at=n + 1, cwd=folder) for n in range(calls)]
            session_file(tmp_path, sid, prompt(at=0, cwd=folder), *answers)
    projects = count(tmp_path).by_project
    assert [(folder, totals.calls) for folder, totals in projects.items()] == [
        ("/home/dev/widgets", 4),
        ("", 2),
        ("/home/dev/gears", 2),
    ]


def test_a_sessions_line_says_what_is_known_of_it(tmp_path: Path) -> None:
    """When, where, which models, whose fork, what the client says and what the numbers leave open."""
    first, fork, other = busy_folder(tmp_path).sessions
    assert [row.session_id for row in (first, fork, other)] == [SID, FORK, OTHER]
    assert (first.started_at, first.ended_at) == ("2026-03-02T09:00:00.000Z", "2026-03-02T09:00:03.000Z")
    assert (first.models, first.title, first.project) == ([OPUS, MODEL], "First", "/home/dev/widgets")
    assert (first.client_cost_usd, first.forked_from) == (Decimal("0.01"), None)
    assert first.unrecorded_cost_usd == Decimal("0.01") - 2 * Decimal("0.00183") - Decimal("0.00305")
    assert (fork.forked_from, fork.calls, fork.client_cost_usd) == (SID, 1, None)
    assert (other.unpriced_models, other.lower_bound_calls) == (["gpt-99"], 1)


def test_an_empty_session_is_a_line_of_zeros(tmp_path: Path) -> None:
    """A file with nothing but notes is a session without calls and times."""
    session_file(tmp_path, SID, meta("mode", mode="normal"))
    (row,) = count(tmp_path).sessions
    assert (row.calls, row.cost_usd, row.started_at, row.ended_at, row.project) == (0, 0, None, None, None)


def test_a_day_is_that_of_the_zone(tmp_path: Path) -> None:
    """A call falls on the day it ended, a tool call on that of its result; half-hour zones and summer time included."""
    lines = [prompt(at=0), ask("msg_1", tool_use(), at=1), tool_result(at=14 * 3600 + 1)]
    session_file(tmp_path, SID, *lines)
    sessions = discover_sessions([tmp_path])
    zones = [UTC, timezone(timedelta(hours=5, minutes=45)), ZoneInfo("America/New_York"), timezone(timedelta(hours=15))]
    days = [collect_stats(sessions, zone=zone, workers=1).by_day for zone in zones]
    assert [[(day, group.calls, group.tool_calls) for day, group in found.items()] for found in days] == [
        [("2026-03-02", 1, 1)],
        [("2026-03-02", 1, 0), ("2026-03-03", 0, 1)],
        [("2026-03-02", 1, 1)],
        [("2026-03-03", 1, 1)],
    ]
    assert collect_stats(sessions, zone=ZoneInfo("Asia/Tokyo"), workers=1).timezone == "Asia/Tokyo"


def test_prices_of_one_model_may_differ_inside_a_day(tmp_path: Path) -> None:
    """Fast and regional answers are priced call by call: groups are exact to the last digit."""
    usages = [USAGE, USAGE | {"speed": "fast"}, USAGE | {"inference_geo": "us"}]
    lines = [response(f"msg_{n}", at=n, usage=usage, model="claude-opus-5") for n, usage in enumerate(usages)]
    session_file(tmp_path, SID, prompt(at=0), *lines)
    stats = count(tmp_path)
    expected = Decimal("0.00305") * Decimal("4.1")
    found = stats.totals, stats.by_day["2026-03-02"], stats.by_model["claude-opus-5"], stats.sessions[0]
    assert [group.cost_usd for group in found] == [expected] * 4


def test_the_report_keeps_account_of_lines_and_problems(tmp_path: Path) -> None:
    """Unknown types by name, and every problem with its place, ordered by file and line."""
    session_file(tmp_path, SID, prompt(), b"garbage\n", meta("new-thing"), response(), b"more garbage\n")
    session_file(tmp_path, OTHER, b"garbage\n", prompt(), b'{"type":"assi')
    stats = count(tmp_path)
    assert (stats.lines.lines, stats.lines.lost, stats.lines.unfinished) == (8, 3, 1)
    assert stats.lines.unknown == {"new-thing": 1}
    assert [(problem.path.endswith(f"{SID}.jsonl"), problem.line) for problem in stats.problems] == [
        (True, 2),
        (True, 5),
        (False, 1),
    ]


def test_the_report_can_be_written_down(tmp_path: Path) -> None:
    """It survives JSON with its money exact."""
    stats = busy_folder(tmp_path)
    assert msgspec.json.decode(msgspec.json.encode(stats), type=Stats) == stats
