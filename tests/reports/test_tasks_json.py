from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from otel_bridge.errors import UsageError
from otel_bridge.reports.tasks_json import FilledTasks, fill_tasks
from otel_bridge.reports.work import SessionWork, collect_work
from otel_bridge.vcs import Commit
from tests.builders import T0_NS, at_ns, model_call, session, tool_call, turn


def time(minute: float) -> str:
    """Return the time so many minutes after T0."""
    return (datetime.fromtimestamp(T0_NS // 10**9, UTC) + timedelta(minutes=minute)).isoformat()


def task(name: str = "task", start: float = 0, end: float = 60, **facts: Any) -> dict[str, Any]:
    """Return a task with a time in minutes after T0 and no cost."""
    return {"id": name, "started": time(start), "ended": time(end), "cost_usd": None} | facts


def work(name: str = "a", usd: str | None = "1", start: float = 0, end: float = 60, **facts: Any) -> SessionWork:
    """Return the work of a session with a time in minutes after T0; the id is filled up to 8 characters."""
    call = model_call(cost_usd=None if usd is None else Decimal(usd), at_s=start * 60, for_s=1, **facts)
    (only,) = collect_work(
        [session(turn("p", call, at_s=start * 60, for_s=(end - start) * 60), session_id=f"{name:-<8}-rest")], UTC
    )
    return only


def fill(tasks: list[dict[str, Any]], *works: SessionWork, ours: Any = (), **document: Any) -> FilledTasks:
    """Fill a document of the tasks given."""
    text = json.dumps({"tasks": tasks, **document}, indent=2)
    return fill_tasks(text, works, UTC, name="tasks.json", ours_usd=dict(ours))


def tasks_of(filled: FilledTasks) -> list[dict[str, Any]]:
    """Return the tasks of a document."""
    tasks: list[dict[str, Any]] = json.loads(filled.text, parse_float=Decimal)["tasks"]
    return tasks


def costs(filled: FilledTasks) -> list[Any]:
    """Return the costs of the tasks, exact."""
    return [task.get("cost_usd") for task in tasks_of(filled)]


def test_sessions_cost_and_totals_are_filled_in() -> None:
    """The whole document before and after; nothing else moves."""
    before = """{
  "project": "widgets",  "rate": 1.10,
  "tasks": [
    {"id": "one", "start": "2025-11-13T02:00Z", "end": "2025-11-13T03:00Z", "cost_usd": null},
    {
      "id": "two",
      "day": "2025-11-14",
      "commits": ["c0ffee1", "c0ffee2"],
      "duration_minutes": 30
    }
  ],
  "totals": {
    "total_tasks": 1,
    "note": "by hand",
    "total_cost_usd": null
  }
}
"""
    filled = fill_tasks(before, [work("a", "2.5"), work("b", "0.25", 1500, 1560)], UTC, name="tasks.json")
    assert (
        filled.text
        == """{
  "project": "widgets",  "rate": 1.10,
  "tasks": [
    {"id": "one", "start": "2025-11-13T02:00Z", "end": "2025-11-13T03:00Z", "cost_usd": 2.5, "sessions": ["a-------"]},
    {
      "id": "two",
      "day": "2025-11-14",
      "commits": ["c0ffee1", "c0ffee2"],
      "duration_minutes": 30,
      "cost_usd": 0.25,
      "sessions": ["b-------"]
    }
  ],
  "totals": {
    "total_tasks": 2,
    "note": "by hand",
    "total_cost_usd": 2.75,
    "total_duration_minutes": 90,
    "total_tokens": 2490,
    "total_commits": 2,
    "total_sessions": 2
  }
}
"""
    )
    assert fill_tasks(filled.text, [work("a", "2.5"), work("b", "0.25", 1500, 1560)], UTC, name="").text == filled.text


def test_a_session_is_shared_in_proportion_to_time() -> None:
    """30, 20 and 10 minutes of an hour that cost 6; the ids are in all three."""
    filled = fill([task("x", 0, 30), task("y", 30, 50), task("z", 50, 90)], work("a", "6"))
    assert costs(filled) == [3, 2, 1]
    assert [task["sessions"] for task in tasks_of(filled)] == [["a-------"]] * 3


def test_a_session_of_one_task_is_all_its_own() -> None:
    """Though it went on longer than the task: nobody else could have caused it."""
    assert costs(fill([task("x", 0, 6), task("y", 70, 80)], work("a", "6"))) == [6, None]


def test_days_with_durations_share_by_them() -> None:
    """Two tasks of one day, one hour and three."""
    days = [{"id": f"2025-11-13-{n}", "duration_minutes": minutes} for n, minutes in enumerate((60, 180))]
    assert costs(fill(days, work("a", "6"))) == [Decimal("1.5"), Decimal("4.5")]


def test_what_a_person_put_in_stays() -> None:
    """A cost, even 0 or wrong, is not changed; others get their share as if it were filled in."""
    filled = fill([task("x", 0, 30, cost_usd=0), task("y", 30, 60, cost_usd="n/a"), task("z", 0, 60)], work("a", "4"))
    assert costs(filled) == [0, "n/a", 2]
    assert filled.costs_usd == {"z": 2}


def test_what_was_filled_in_is_kept_up_to_date() -> None:
    """As long as it is what we put in; a cost that somebody changed since is theirs."""
    first = fill([task("x"), task("y", 100, 110)], work("a", "1"))
    assert (costs(first), first.costs_usd) == ([1, None], {"x": 1})
    later = fill_tasks(first.text, [work("a", "3")], UTC, name="", ours_usd=first.costs_usd)
    assert (costs(later), later.costs_usd) == ([3, None], {"x": 3})
    corrected = later.text.replace('"cost_usd": 3,', '"cost_usd": 2.9,')
    kept = fill_tasks(corrected, [work("a", "5")], UTC, name="", ours_usd=later.costs_usd)
    assert (costs(kept), kept.costs_usd) == ([Decimal("2.9"), None], {})


def test_a_list_outlives_transcripts() -> None:
    """Sessions that are known no more stay in the list, and a cost they are part of is not reduced."""
    known = task("x", cost_usd=5, sessions=["old-----", "a-------", "other---", 7])
    filled = fill([known], work("a", "1"), work("other", "1", 500, 560), ours={"x": Decimal(5)})
    assert tasks_of(filled)[0]["sessions"] == ["old-----", 7, "a-------"]
    assert costs(filled) == [5]


def test_unpriced_sessions_leave_a_cost_open() -> None:
    """Null and not 0; one with a price is enough for a cost."""
    assert costs(fill([task()], work("a", None))) == [None]
    assert costs(fill([task()], work("a", None), work("b", "2"))) == [2]
    (untouched,) = tasks_of(fill([{"id": "x", "date": "2020-01-01"}], work("a")))
    assert untouched == {"id": "x", "date": "2020-01-01", "sessions": []}


def test_a_task_without_a_time_is_left_alone() -> None:
    """Its sessions too, if it has any; one whose time cannot be read is named."""
    tasks = [{"id": "setup", "sessions": ["mine"]}, {"id": "talk", "started": "soon", "cost_usd": None}]
    filled = fill(tasks, work("a"))
    assert tasks_of(filled) == tasks
    (note,) = filled.notes
    assert note.startswith("tasks.json: task 'talk' gets no sessions: 'soon' is no time such as ")


def test_totals_stay_where_they_are() -> None:
    """In an object, at the top, or new in an object at the end; other numbers beside them stay."""
    assert json.loads(fill([], work(), totals=None).text)["totals"]["total_sessions"] == 1
    at_top = json.loads(fill([], work(), total_cost_usd=None, other=5).text)
    assert list(at_top)[:3] == ["tasks", "total_cost_usd", "other"]
    assert (at_top["total_cost_usd"], at_top["other"], at_top["total_tokens"]) == (1, 5, 1245)
    assert "totals" not in at_top
    both = json.loads(fill([], work(), total_tasks=99, totals={}).text)
    assert (both["total_tasks"], both["totals"]["total_tasks"]) == (99, 0)


def test_durations_are_stated_or_measured() -> None:
    """What a task says; from its start to its end; else the active time of its sessions, parallel ones once."""
    day = {"id": "2025-11-13"}
    stated, framed = day | {"duration_minutes": 7}, task("x", 0, 11)
    parallel = [work("a", end=60), work("b", start=0.5, end=60)]
    to_midnight = structs.replace(work("c", end=1310), moments=tuple(at_ns(60 * at) for at in (1303, 1306, 1308, 1310)))
    assert json.loads(fill([day], to_midnight).text)["totals"]["total_duration_minutes"] == 3
    for tasks, minutes in (([stated], 7), ([framed], 11), ([day], 1), ([stated, framed, {"id": "x"}], 18)):
        assert json.loads(fill(tasks, *parallel).text)["totals"]["total_duration_minutes"] == minutes


def test_commits_are_stated_or_found() -> None:
    """Numbers and lists of the tasks; where none has any, what tools of the sessions committed, each hash once."""
    commits = [Commit(sha, kind, None, at_ns(2)) for sha, kind in (("a1", "committed"), ("b2", "amended"))]
    tools = [tool_call("t1", commits=tuple(commits)), tool_call("t2", commits=tuple(commits[:1]))]
    made = work("a", tool_calls=tuple(tools))
    assert json.loads(fill([task()], made).text)["totals"]["total_commits"] == 1
    told = [task(commits=4), task(commits=["c3"]), task(commits=None), task(commits=True)]
    assert json.loads(fill(told, made).text)["totals"]["total_commits"] == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"tasks": [', "line 1 column 12"),
        ("[]", "found a list"),
        ("{}", "it has no `tasks`"),
        ('{"tasks": {}}', "`tasks` is an object"),
        ('{"tasks": [{}, "x"]}', r"`tasks\[1\]` is a text"),
        ('{"tasks": [], "totals": 5}', "`totals` is a number"),
        ('{"tasks": [NaN]}', "NaN is no JSON value"),
        ("[" * 9999, "tasks.json: "),
        ("", "line 1 column 1"),
    ],
)
def test_a_damaged_document_is_named(text: str, words: str) -> None:
    """The file, what was seen, and what to do."""
    with pytest.raises(UsageError, match=f"^tasks.json: .*{words.removeprefix('tasks.json: ')}.*mend it"):
        fill_tasks(text, [work()], UTC, name="tasks.json")


spans = st.tuples(st.integers(0, 300), st.integers(0, 200)).map(lambda span: (span[0], span[0] + span[1]))
works = st.lists(st.tuples(spans, st.none() | st.decimals(0, 99, places=9)), max_size=6).map(
    lambda made: [work(f"s{n}", None if usd is None else str(usd), *span) for n, (span, usd) in enumerate(made)]
)
stated_tasks = st.builds(lambda span, usd: {"span": span, "cost_usd": usd}, spans, st.none() | st.integers(0, 9))
day_tasks = st.builds(
    lambda day, minutes: {"date": day, "duration_minutes": minutes},
    st.sampled_from(["2025-11-12", "2025-11-13", "2025-11-14"]),
    st.none() | st.integers(0, 2000),
)


@given(works, st.lists(stated_tasks | day_tasks, max_size=6))
def test_tasks_never_cost_more_than_sessions(made: list[SessionWork], drafts: list[dict[str, Any]]) -> None:
    """Whatever overlaps whatever: filled costs add up to at most what the sessions cost, and lose next to nothing.

    What is filled in stays within a ten-thousandth per task of the cost of all sessions that have only open tasks.
    """
    tasks = [
        task(f"t{n}", *draft["span"], cost_usd=draft["cost_usd"]) if "span" in draft else {"id": f"t{n}", **draft}
        for n, draft in enumerate(drafts)
    ]
    filled = fill(tasks, *made)
    put_in = sum(filled.costs_usd.values())
    assert put_in <= sum(one.totals.cost_usd for one in made)
    listed = {name for task in tasks_of(filled) for name in task["sessions"]}
    closed = {
        name for old, new in zip(tasks, tasks_of(filled), strict=True) if old.get("cost_usd") is not None
        for name in new["sessions"]
    }  # fmt: skip
    due = sum(one.totals.cost_usd for one in made if one.id in listed - closed)
    assert put_in >= due - Decimal("0.0001") * len(tasks)
    assert [new["cost_usd"] for old, new in zip(tasks, tasks_of(filled), strict=True) if old.get("cost_usd")] == [
        old["cost_usd"] for old in tasks if old.get("cost_usd")
    ]
    again = fill_tasks(filled.text, made, UTC, name="", ours_usd=filled.costs_usd)
    assert (again.text, again.costs_usd) == (filled.text, filled.costs_usd)
