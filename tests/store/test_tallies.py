from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otel_bridge.model import Problem, Session
from otel_bridge.pipeline.changes import collect_changes
from otel_bridge.pipeline.stored_stats import stored_changes
from otel_bridge.store.tallies import session_tallies
from otel_bridge.totals import Totals
from otel_bridge.vcs import BranchLink, PullRequest, PullRequestLink
from tests.builders import at_ns, model_call, session, tool_call, turn
from tests.convert.strategies import sessions
from tests.store.index import index_of

ZONES = [UTC, timezone(timedelta(hours=5, minutes=45)), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]


def tallied(session: Session, zone: tzinfo) -> dict[tuple[str, str], Totals]:
    """Add a session up by model and day, call by call; tools that came late are the model's that spoke before."""
    groups: defaultdict[tuple[str, str], Totals] = defaultdict(Totals)
    for call in session.calls():
        groups[call.model, day(call.ended_ns, zone)].add_call(call.usage, call.cost_usd)
        for tool in call.tool_calls:
            if tool.ended_ns is not None:
                groups[call.model, day(tool.ended_ns, zone)].tool_calls += 1
    return dict(groups)


def day(ended_ns: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(ended_ns / 1e9, zone).date().isoformat()


@given(st.lists(sessions, max_size=3), st.sampled_from(ZONES))
def test_tallies_are_the_sums_of_the_calls(drawn: list[Session], zone: tzinfo) -> None:
    """By model and day of any zone, exact to the last digit."""
    named = [
        replace(one, id=f"s{n}", turns=tuple(replace(part, late_tool_calls=()) for part in one.turns))
        for n, one in enumerate(drawn)
    ]
    tallies = list(session_tallies(index_of(*named), zone))
    assert [tally.session.session_id for tally in tallies] == [one.id for one in named]
    for one, tally in zip(named, tallies, strict=True):
        assert {(model, on): totals for model, on, totals in tally.groups} == tallied(one, zone)


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_midnight_divides_days_in_any_zone(zone: tzinfo) -> None:
    """The last millisecond of a day and the first one of the next, summer time or not."""
    for month in (1, 7):
        midnight_ns = int(datetime(2026, month, 2, tzinfo=zone).timestamp()) * 1_000_000_000
        calls = [replace(model_call(f"req_{n}"), ended_ns=midnight_ns + n * 1_000_000) for n in (-1, 0)]
        (tally,) = session_tallies(index_of(session(turn("p1", *calls))), zone)
        assert [(on, totals.calls) for _, on, totals in sorted(tally.groups)] == [
            (f"2026-0{month}-01", 1),
            (f"2026-0{month}-02", 1),
        ]


def test_a_tool_call_counts_on_the_day_of_its_result() -> None:
    """Under the model that asked, though the call itself was on another day; one without result on none."""
    tools = [tool_call("toolu_1", at_s=1, for_s=86_400), tool_call("toolu_2", ended_ns=None)]
    (tally,) = session_tallies(index_of(session(turn("p1", model_call("req_1", *tools)))), UTC)
    found = [(on, totals.calls, totals.tool_calls) for _, on, totals in sorted(tally.groups)]
    assert found == [("2025-11-13", 1, 0), ("2025-11-14", 0, 1)]


def test_sums_are_exact_beyond_what_a_float_or_64_bits_hold() -> None:
    """Cents stay beside millions, and damaged amounts do not stop the sums of the others."""
    costs = ["9000000", "9000000", "0.000000000001"]
    calls = [model_call(f"req_{n}", cost_usd=Decimal(cost)) for n, cost in enumerate(costs)]
    (tally,) = session_tallies(index_of(session(turn("p1", *calls))), UTC)
    assert [totals.cost_usd for _, _, totals in tally.groups] == [Decimal("18000000.000000000001")]


def test_an_empty_session_is_tallied_as_nothing() -> None:
    """It is there, with no groups."""
    (tally,) = session_tallies(index_of(session()), UTC)
    assert (tally.session.calls, tally.groups) == (0, [])


def test_changes_cost_what_they_cost_in_the_sessions() -> None:
    """Cost moved by links and branches, the rest, what was booked and taken off again: as from the sessions."""
    made = [PullRequest("acme/widgets", n, f"https://github.com/acme/widgets/pull/{n}") for n in (7, 8, 9, 10)]
    calls = [model_call(f"req_{n}", at_s=n, cost_usd=Decimal(n)) for n in range(1, 6)]
    by_branch = BranchLink("feat/otlp", PullRequestLink(made[0], at_ns(3)))
    linked = tuple(PullRequestLink(one, at_ns(n), "created") for n, one in enumerate(made[1:3], 4))
    touched = (PullRequestLink(made[3], at_ns(5), "merged"),)
    known = [
        session(turn("p1", *calls), session_id="s1", branch_links=(by_branch,), pull_requests=linked + touched),
        session(turn("p1", *calls), session_id="s2", pull_requests=linked[:1]),
        session(turn("p1", *calls[:2]), session_id="s3"),
        session(session_id="s4"),
    ]
    changes = stored_changes(index_of(*known))
    assert changes == collect_changes(known)
    assert sum(line.cost_usd for line in changes) == 15 + 15 + 3
    assert [line.change_id for line in changes] == ["8", "9", None, "7"]


def test_problems_come_back_as_they_were() -> None:
    """Those of all sessions, by the tables that people ask themselves."""
    problems = [
        Problem("/b.jsonl", 2, 9, "bad_json", "x"),
        Problem("/a.jsonl", 10, 99, "bad_type"),
        Problem("/a.jsonl", 9, 7, "z"),
    ]
    index = index_of(session(session_id="s1", problems=tuple(problems[:2])), session(problems=tuple(problems[2:])))
    rows = index.execute("SELECT path, line, offset_bytes, reason, detail FROM problems")
    assert sorted(Problem(*row) for row in rows) == sorted(problems)
