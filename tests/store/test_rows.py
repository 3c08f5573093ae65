from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from msgspec.structs import replace

from otel_bridge.attribution import cost_by_change
from otel_bridge.model import Problem, Session, Terms
from otel_bridge.store.cells import from_pusd
from otel_bridge.store.listing import list_sessions
from otel_bridge.store.rows import session_rows
from otel_bridge.totals import Totals
from otel_bridge.vcs import BranchLink, Commit, PullRequest, PullRequestLink
from tests.builders import at_ns, model_call, session, sub_agent, tool_call, turn
from tests.captures import RUNS, read_sessions, unpack_transcripts
from tests.convert.strategies import sessions
from tests.store.index import index_of

WIDGETS_7 = PullRequest("acme/widgets", 7, "https://github.com/acme/widgets/pull/7")
WIDGETS_8 = PullRequest("acme/widgets", 8, "https://github.com/acme/widgets/pull/8")


def totals_of(session: Session) -> Totals:
    """Add a session up call by call."""
    totals = Totals(tool_calls=sum(tool.is_finished for tool in session.tool_calls()))
    for call in session.calls():
        totals.add_call(call.usage, call.cost_usd)
    return totals


def check_figures(session: Session) -> None:
    """Compare the line of a session, and the sums of its rows, with the session itself."""
    index = index_of(session)
    expected = totals_of(session)
    (line,) = list_sessions(index)
    assert {name: getattr(line, name) for name in Totals.__struct_fields__} == {
        name: getattr(expected, name) for name in Totals.__struct_fields__
    }
    rows = index.execute(
        "SELECT count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),"
        " sum(cache_write_1h_tokens), sum(web_searches), sum(cost_pusd), sum(cost_pusd IS NULL) FROM model_calls"
    ).fetchone()
    *counts, cost_pusd, unpriced_calls = (cell or 0 for cell in rows)
    assert Totals(*counts, from_pusd(cost_pusd), unpriced_calls, expected.tool_calls) == expected
    finished = index.execute("SELECT count(*) FROM tool_calls WHERE ended_ns IS NOT NULL").fetchone()
    assert finished == (expected.tool_calls,)


@given(sessions)
def test_the_rows_of_any_session_add_up_to_it(session: Session) -> None:
    """Calls, tokens of every kind, cost to the last digit and tool calls, in the line and in the rows."""
    check_figures(session)


@pytest.mark.parametrize("run", RUNS)
def test_the_rows_of_a_recorded_session_add_up_to_it(run: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also with real sub-agents, forks and compactions; and everything that was recorded has its row."""
    for recorded in read_sessions(unpack_transcripts(run, tmp_path_factory.getbasetemp())).values():
        check_figures(recorded)
        rows = session_rows(recorded)
        assert [row[1] for row in rows.turns] == [turn.key for turn in recorded.turns]
        assert {row[0] for row in rows.tool_calls} == {tool.id for tool in recorded.tool_calls()}
        commits = [commit.sha for tool in recorded.tool_calls() for commit in tool.commits]
        assert sorted(row[2] for row in rows.commits) == sorted(commits)
        links = {(link.pull_request.repository, link.pull_request.number) for link in recorded.pull_requests}
        assert {row[:2] for row in rows.changes if row[0]} >= links


def test_models_come_by_calls_and_unpriced_ones_are_named() -> None:
    """The first one is what a single column shows."""
    names = ["b", "c", "a", "c"]
    calls = [model_call(f"req_{n}", model=name, cost_usd=None) for n, name in enumerate(names)]
    (line,) = list_sessions(index_of(session(turn("p1", *calls))))
    assert (line.models, line.unpriced_models, line.unpriced_calls) == (["c", "a", "b"], ["a", "b", "c"], 4)


def test_rows_travel_between_processes() -> None:
    """What comes out of a worker is what went in."""
    rows = session_rows(session(turn("p1", model_call("req_1", tool_call()))), user_name="ann")
    assert pickle.loads(pickle.dumps(rows)) == rows


def test_rows_say_where_calls_stand() -> None:
    """In which turn, in which sub-agent, asked for by which call and model."""
    inner = model_call("req_2", tool_call("toolu_2", "Grep"), model="claude-haiku-4-5")
    outer = model_call("req_1", tool_call("toolu_1", "Agent", agent=sub_agent("a1", inner, agents=(sub_agent("a2"),))))
    index = index_of(session(turn("p0"), turn("p1", outer, index=1, agents=(sub_agent("a3"),))))
    assert index.execute("SELECT key, turn, agent FROM model_calls ORDER BY key").fetchall() == [
        ("req_1", 1, None),
        ("req_2", 1, "a1"),
    ]
    assert index.execute("SELECT id, turn, agent, model_call, model FROM tool_calls ORDER BY id").fetchall() == [
        ("toolu_1", 1, None, "req_1", "claude-sonnet-4-5-20250929"),
        ("toolu_2", 1, "a1", "req_2", "claude-haiku-4-5"),
    ]
    assert index.execute("SELECT id, turn FROM agents ORDER BY id").fetchall() == [("a1", 1), ("a2", 1), ("a3", 1)]


def test_a_late_tool_call_counts_for_the_model_that_spoke_before_it() -> None:
    """The call that asked is not named; in one conversation it is the newest one before the tool."""
    late = tool_call("toolu_9", at_s=5)
    calls = [model_call("req_1", at_s=1, model="early"), model_call("req_2", at_s=4, model="asking")]
    answer = turn("p2", model_call("req_3", at_s=90, model="next"), index=1, late_tool_calls=(late,))
    index = index_of(session(turn("p1", *calls), answer))
    assert index.execute("SELECT turn, model_call, model FROM tool_calls").fetchall() == [(1, None, "asking")]
    copied = index_of(session(turn("p2", model_call("req_3", at_s=90, model="next"), late_tool_calls=(late,))))
    assert copied.execute("SELECT model FROM tool_calls").fetchall() == [("next",)]


def test_an_open_session_says_when_it_was_last_active() -> None:
    """The last thing that happened in an open turn, be it deep in a sub-agent; 0 when all is over."""
    busy = sub_agent("a1", model_call("req_2", tool_call("toolu_2", at_s=40, for_s=2), at_s=30))
    growing = turn("p1", model_call("req_1", tool_call("toolu_1", agent=busy)), for_s=10, is_complete=False)
    lines = [list_sessions(index_of(session(one)))[0] for one in (growing, replace(growing, is_complete=True))]
    assert [line.open_until_ns for line in lines] == [at_ns(42), 0]


def test_the_branch_of_a_session_is_the_last_one_known() -> None:
    """A turn that does not say says nothing."""
    branches = ["main", "feat/gears", None]
    contexts = [replace(turn("p").context, branch=branch) for branch in branches]
    turns = [turn(f"p{n}", index=n, context=context) for n, context in enumerate(contexts)]
    assert list_sessions(index_of(session(*turns)))[0].branch == "feat/gears"


def test_terms_are_written_where_they_are_not_standard() -> None:
    """Speed, tier and region, which explain a price."""
    calls = [model_call("req_1"), model_call("req_2", terms=Terms("fast", "batch", "us"))]
    index = index_of(session(turn("p1", *calls)))
    assert index.execute("SELECT terms FROM model_calls ORDER BY key").fetchall() == [(None,), ("fast batch us",)]


def test_the_cost_of_changes_is_that_of_the_reports() -> None:
    """Every pull request with what was booked on it, one only touched without, and the rest under no name."""
    links = (PullRequestLink(WIDGETS_7, at_ns(4), "created"), PullRequestLink(WIDGETS_8, at_ns(5), "merged"))
    calls = [model_call(f"req_{n}", at_s=n, cost_usd=Decimal("0.01")) for n in (1, 6)]
    linked = session(turn("p1", *calls), pull_requests=links)
    rows = index_of(linked).execute("SELECT number, action, linked_ns, cost_pusd FROM changes").fetchall()
    assert rows == [(7, "created", at_ns(4), 20_000_000_000), (8, "merged", at_ns(5), None)]
    assert cost_by_change(linked) == {WIDGETS_7: Decimal("0.02")}
    alone = index_of(session(turn("p1", *calls)))
    assert alone.execute("SELECT * FROM changes").fetchall() == [(1, "", 0, "", None, None, 20_000_000_000)]


def test_a_change_that_only_the_branch_tells_has_its_cost() -> None:
    """Another session of the project linked it; this one did nothing to it."""
    known = BranchLink("feat/otlp", PullRequestLink(WIDGETS_7, at_ns(2)))
    index = index_of(session(turn("p1", model_call(cost_usd=Decimal("0.01"))), branch_links=(known,)))
    assert index.execute("SELECT number, action, cost_pusd FROM changes").fetchall() == [(7, None, 10_000_000_000)]


def test_commits_stand_in_the_order_they_were_made() -> None:
    """A tool call may make several."""
    commits = tuple(Commit(sha, "committed", None, at_ns(3)) for sha in ("bbbbbbb", "aaaaaaa"))
    index = index_of(session(turn("p1", model_call("req_1", tool_call(commits=commits)))))
    assert index.execute("SELECT sha, branch FROM commits").fetchall() == [("bbbbbbb", None), ("aaaaaaa", None)]


def test_problems_keep_their_place_even_twice_on_one_line() -> None:
    """As often as they were met, in files whose names are no text too."""
    twice = [Problem("/b\udcff.jsonl", 3, 120, "missing_id", "x")] * 2
    index = index_of(session(problems=(*twice, Problem("/a.jsonl", 9, 7, "bad_json")), problem_count=5))
    assert index.execute("SELECT path, line, position, offset_bytes FROM problems").fetchall() == [
        ("/a.jsonl", 9, 0, 7),
        ("/b\\udcff.jsonl", 3, 0, 120),
        ("/b\\udcff.jsonl", 3, 1, 120),
    ]
    assert list_sessions(index)[0].problem_count == 5
