from __future__ import annotations

import pytest

from otel_bridge.store.rows import SessionRows
from otel_bridge.store.schema import SESSION_FACTS, TABLES, Table
from tests.builders import at_ns, model_call, session, tool_call, turn
from tests.store.index import add_file, add_words, index_of

CLAUDE_SESSIONS = (
    *("session_id", "project_path", "jsonl_path", "started_at", "completed_at", "model", "total_tokens"),
    *("estimated_cost", "tool_count"),
)
CLAUDE_TOOL_USES = ("id", "session_id", "tool_name", "invoked_at", "duration_ms", "parameters", "result_size")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_the_columns_it_is_declared_with(table: Table) -> None:
    """In that order, with that key, and unknown only where a row may say so."""
    info = index_of().execute(f"PRAGMA table_info({table.name})").fetchall()
    assert tuple(name for _, name, *_ in info) == ("session", *table.columns)
    keys = sorted((place, name) for _, name, _, _, _, place in info if place)
    assert tuple(name for _, name in keys) == ("session", *table.key)
    assert {name for _, name, _, required, *_ in info if not required} == table.optional
    assert table.name in SessionRows.__struct_fields__


def test_sessions_have_the_columns_they_are_declared_with() -> None:
    """What is known of a session, between its two names and the count of its changes."""
    names = [name for _, name, *_ in index_of().execute("PRAGMA table_info(sessions)")]
    assert names == ["id", "session_id", *SESSION_FACTS, "revision"]


@pytest.mark.parametrize(
    ("view", "columns"), [("claude_sessions", CLAUDE_SESSIONS), ("claude_tool_uses", CLAUDE_TOOL_USES)]
)
def test_the_views_have_the_columns_others_read(view: str, columns: tuple[str, ...]) -> None:
    """Exactly these, whether there are sessions or not."""
    assert tuple(column[0] for column in index_of().execute(f"SELECT * FROM {view}").description) == columns


def test_a_session_as_others_read_it() -> None:
    """Times are ISO 8601 in UTC, tokens are of all four kinds, tools those with a result."""
    calls = [
        model_call("req_1", tool_call("toolu_1"), tool_call("toolu_2", ended_ns=None), at_s=1, for_s=0.5),
        model_call("req_2", at_s=8, model="claude-haiku-4-5"),
        model_call("req_3", at_s=9, model="claude-haiku-4-5", cost_usd=None),
    ]
    index = index_of(session(turn("p1", *calls), session_id="s1", project="/home/dev/widgets"))
    add_file(index, "/a/agent.jsonl", "s1", agent_id="a1")
    add_file(index, "/b/s1.jsonl", "s1")
    (row,) = index.execute("SELECT * FROM claude_sessions").fetchall()
    assert dict(zip(CLAUDE_SESSIONS, row, strict=True)) == {
        "session_id": "s1",
        "project_path": "/home/dev/widgets",
        "jsonl_path": "/b/s1.jsonl",
        "started_at": "2025-11-13T02:13:20.000Z",
        "completed_at": "2025-11-13T02:13:30.000Z",
        "model": "claude-haiku-4-5",
        "total_tokens": 3 * 1245,
        "estimated_cost": 0.0025,
        "tool_count": 1,
    }


def test_a_session_that_goes_on_is_not_completed_and_one_without_prices_has_no_cost() -> None:
    """What is not known is NULL."""
    index = index_of(session(turn("p1", model_call(cost_usd=None), is_complete=False)))
    assert index.execute("SELECT completed_at, estimated_cost FROM claude_sessions").fetchall() == [(None, None)]
    empty = index_of(session(started_ns=0, ended_ns=0))
    row = empty.execute("SELECT started_at, completed_at, model, estimated_cost FROM claude_sessions").fetchone()
    assert row == (None, None, None, 0.0)


def test_a_tool_call_as_others_read_it() -> None:
    """Its parameters are what we know of them, as JSON; what has no result has no size."""
    tools = [
        tool_call("toolu_1", at_s=2, for_s=1.5, executable="git", result_bytes=12),
        tool_call("toolu_2", "Read", at_s=3, file_path="/home/dev/ä.py", ended_ns=None),
    ]
    index = index_of(session(turn("p1", model_call("req_1", *tools)), session_id="s1"))
    add_words(index, "git status", kind="command")
    index.execute("UPDATE texts SET ref = 'toolu_1'")
    assert index.execute("SELECT * FROM claude_tool_uses ORDER BY id").fetchall() == [
        ("toolu_1", "s1", "Bash", "2025-11-13T02:13:22.000Z", 1500, '{"executable":"git","command":"git status"}', 12),
        ("toolu_2", "s1", "Read", "2025-11-13T02:13:23.000Z", None, '{"file_path":"/home/dev/ä.py"}', None),
    ]


def test_the_columns_people_ask_by_are_indexed() -> None:
    """Start and project of sessions; session, name and start of tool calls."""
    questions = {
        "sessions WHERE started_ns > 1": "sessions_by_start",
        "sessions WHERE project = 'x'": "sessions_by_project",
        "tool_calls WHERE session = 1": "PRIMARY KEY",
        "tool_calls WHERE name = 'x'": "tool_calls_by_name",
        "tool_calls WHERE started_ns > 1": "tool_calls_by_start",
    }
    index = index_of(session(started_ns=at_ns(0)))
    for question, used in questions.items():
        (plan,) = index.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {question}").fetchall()
        assert used in plan[-1]
