from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otel_bridge.model import Problem, Session
from otel_bridge.store.ledger import note_shipped, target_id
from otel_bridge.store.rows import session_rows
from otel_bridge.store.tables import delete_session, insert_sessions, update_session
from otel_bridge.vcs import Commit, PullRequest, PullRequestLink
from tests.builders import at_ns, model_call, session, sub_agent, tool_call, turn
from tests.convert.strategies import sessions
from tests.store.index import add_words, dump, index_of


def long_session(calls: int) -> Session:
    """Build a session of one turn with everything in it."""
    commit = Commit("abc1234", "committed", "main", at_ns(3))
    link = PullRequestLink(PullRequest("acme/widgets", 7, "https://github.com/acme/widgets/pull/7"), at_ns(0))
    first = model_call("req_0", tool_call("toolu_0", commits=(commit,), agent=sub_agent("a1", model_call("req_a"))))
    others = [model_call(f"req_{n}", tool_call(f"toolu_{n}"), at_s=n) for n in range(1, calls)]
    problem = Problem("/a.jsonl", 1, 0, "bad_json")
    return session(turn("p1", first, *others), pull_requests=(link,), problems=(problem,), problem_count=1)


def statements(index: sqlite3.Connection, done: Session) -> tuple[int, int, list[str]]:
    """Update a session and return what was said to be written, what was, and which statements did it."""
    seen: list[str] = []
    before = index.total_changes
    index.set_trace_callback(seen.append)
    written = update_session(index, session_rows(done))
    index.set_trace_callback(None)
    return written, index.total_changes - before, [one for one in seen if not one.startswith("SELECT")]


def revision(index: sqlite3.Connection) -> int:
    (found,) = index.execute("SELECT revision FROM sessions").fetchone()
    return found


def test_a_session_that_says_the_same_writes_nothing() -> None:
    """Not a row, and its revision stays."""
    same = long_session(20)
    index = index_of(same)
    assert statements(index, same) == (0, 0, [])
    assert revision(index) == 1


def test_one_more_call_in_a_long_session_writes_its_own_rows_alone() -> None:
    """The call, its tool, the cost of the change and the session's line: four, however long the session is."""
    for length in (5, 500):
        index = index_of(long_session(length))
        written, changed, _ = statements(index, long_session(length + 1))
        assert (written, changed, revision(index)) == (4, 4, 2)


def test_what_is_gone_is_deleted() -> None:
    """A fork may lose calls to the session they turn out to come from."""
    index = index_of(long_session(9))
    assert update_session(index, session_rows(long_session(3))) == 2 * 6 + 2
    assert dump(index) == dump(index_of(long_session(3)))
    assert revision(index) == 2


def test_a_change_of_the_sessions_line_alone_is_one_row() -> None:
    """A title, say."""
    index = index_of(long_session(3))
    assert update_session(index, session_rows(replace(long_session(3), title="Gears"))) == 1
    assert index.execute("SELECT title, revision FROM sessions").fetchall() == [("Gears", 2)]


def test_an_update_of_an_unknown_session_inserts_it() -> None:
    """And tells how many rows that took."""
    index = index_of()
    rows = session_rows(long_session(3))
    assert update_session(index, rows) == 1 + 1 + 4 + 3 + 1 + 1 + 1 + 1
    assert dump(index) == dump(index_of(long_session(3)))


@settings(max_examples=50)
@given(st.lists(sessions, min_size=2, max_size=3))
def test_after_an_update_the_tables_say_what_the_rows_say(versions: list[Session]) -> None:
    """Whatever they said before, and nothing of other sessions has changed."""
    other = replace(long_session(3), id="other")
    index = index_of(other, versions[0])
    for version in versions[1:]:
        update_session(index, session_rows(version))
        assert dump(index) == dump(index_of(other, version))
        assert update_session(index, session_rows(version)) == 0


def test_a_key_that_comes_twice_stops_nothing() -> None:
    """The last one stays, and the next update finds nothing to do."""
    damaged = session(turn("p1", model_call("req_1", at_s=1), model_call("req_1", at_s=2, stop_reason="refusal")))
    index = index_of(damaged)
    assert index.execute("SELECT stop_reason FROM model_calls").fetchall() == [("refusal",)]
    assert update_session(index, session_rows(damaged)) == 0


def test_a_deleted_session_leaves_nothing_and_others_stay() -> None:
    """Its texts are not found any more either."""
    other = replace(long_session(2), id="other")
    index = index_of(long_session(3))
    add_words(index, "gears and wheels")
    insert_sessions(index, [session_rows(other)])
    rows = 1 + 1 + 4 + 3 + 1 + 1 + 1 + 1
    assert delete_session(index, long_session(3).id) == rows + 1
    assert delete_session(index, long_session(3).id) == 0
    assert index.execute("SELECT session_id FROM sessions").fetchall() == [("other",)]
    assert index.execute("SELECT count(*), min(session) FROM model_calls").fetchall() == [(3, 2)]
    assert index.execute("SELECT rowid FROM texts_fts WHERE texts_fts MATCH 'gears'").fetchall() == []


@pytest.mark.parametrize("amount", [Decimal(9 * 10**6), Decimal(10**12)])
def test_damaged_amounts_do_not_stop_the_index(amount: Decimal) -> None:
    """Sums that 64 bits cannot hold are cut."""
    calls = [model_call(f"req_{n}", cost_usd=amount) for n in range(3)]
    index = index_of(session(turn("p1", *calls)))
    assert index.execute("SELECT cost_pusd FROM sessions").fetchall() == [(2**63 - 1,)]


def test_the_long_session_has_rows_of_every_kind() -> None:
    """Else the tests above would promise too much."""
    rows = session_rows(long_session(1))
    kinds = (rows.turns, rows.model_calls, rows.tool_calls, rows.agents, rows.commits, rows.changes, rows.problems)
    assert all(kinds)


def test_a_session_that_comes_back_is_at_a_revision_that_was_never_sent() -> None:
    """It may have grown since a target was sent the last one."""
    index = index_of(long_session(2))
    for target, sent in (("traces to a", 1), ("traces to b", 4)):
        note_shipped(index, target_id(index, target), long_session(2).id, sent, {})
    delete_session(index, long_session(2).id)
    insert_sessions(index, [session_rows(long_session(2))])
    assert revision(index) == 5
