from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest
from msgspec.structs import replace

from otel_bridge.errors import UsageError
from otel_bridge.model import Usage
from otel_bridge.store.filters import SessionFilter
from otel_bridge.store.listing import SORTS, list_sessions
from otel_bridge.store.rows import session_rows
from otel_bridge.store.tables import update_session
from otel_bridge.vcs import PullRequest, PullRequestLink
from tests.builders import CONTEXT, at_ns, model_call, session, tool_call, turn
from tests.store.index import add_words, index_of

WIDGETS = "https://github.com/acme/widgets/pull/"


def link(number: int, action: str = "created", repository: str = "acme/widgets") -> PullRequestLink:
    return PullRequestLink(PullRequest(repository, number, f"https://github.com/{repository}/pull/{number}"), 0, action)


def three_sessions() -> sqlite3.Connection:
    """Index a small early session, a dear one, and a long late one without price."""
    main, feature = replace(CONTEXT, branch="main"), replace(CONTEXT, branch="feat/gears")
    small = session(
        turn("p1", model_call("req_1", cost_usd=Decimal("0.01"), context=main), context=main),
        session_id="small",
        project="/home/dev/widgets",
        pull_requests=(link(12, "commented"), link(13)),
    )
    both = [model_call(f"req_{n}", at_s=100 + n, model="claude-opus-4-6", context=feature) for n in (2, 3)]
    dear = session(
        turn("p2", *(replace(call, cost_usd=Decimal(1)) for call in both), at_s=100, context=feature),
        session_id="dear",
        project="/home/dev/widgets/web",
        pull_requests=(link(12), link(13, repository="acme/gears")),
    )
    switched = [model_call("req_4", at_s=201, cost_usd=None, usage=Usage(9000), context=feature)]
    late = session(
        turn("p3", *switched, at_s=200, for_s=500, context=main), session_id="late", project="C:\\src\\gears\\"
    )
    return index_of(small, dear, late)


def ids(index: sqlite3.Connection, **wanted: object) -> list[str]:
    """List the ids of the wanted sessions, the oldest first."""
    found = list_sessions(index, SessionFilter(**wanted), descending=False)  # type: ignore[arg-type]
    return [line.session_id for line in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["small", "dear", "late"]),
        ({"project": "/home/dev/widgets"}, ["small", "dear"]),
        ({"project": "/home/dev/widgets/"}, ["small", "dear"]),
        ({"project": "/home/dev/widgets/web"}, ["dear"]),
        ({"project": "/home/dev/wid"}, []),
        ({"project": "/home/dev/widget_"}, []),
        ({"project": "/"}, ["small", "dear"]),
        ({"project": "web"}, ["dear"]),
        ({"project": "eb"}, []),
        ({"project": "gears"}, ["late"]),
        ({"project": "C:\\src"}, ["late"]),
        ({"branch": "main"}, ["small", "late"]),
        ({"branch": "feat/gears"}, ["dear", "late"]),
        ({"branch": "feat"}, []),
        ({"change": "acme/widgets#12"}, ["small", "dear"]),
        ({"change": "#13"}, ["small", "dear"]),
        ({"change": "acme/gears#13"}, ["dear"]),
        ({"change": WIDGETS + "13"}, ["small"]),
        ({"change": WIDGETS + "13/files?diff=split"}, ["small"]),
        ({"change": "#0"}, []),
        ({"model": "claude-opus"}, ["dear"]),
        ({"model": "SONNET"}, ["small", "late"]),
        ({"model": "%"}, []),
        ({"user": "ann"}, []),
        ({"user": "\udcff", "project": "\udcff", "branch": "\udcff", "model": "\udcff", "text": "\udcff"}, []),
        ({"since_ns": at_ns(100)}, ["dear", "late"]),
        ({"until_ns": at_ns(100)}, ["small"]),
        ({"since_ns": at_ns(1), "until_ns": at_ns(200)}, ["dear"]),
        ({"min_cost_usd": Decimal("0.01"), "max_cost_usd": Decimal("1.99")}, ["small"]),
        ({"max_cost_usd": Decimal("0.009999999999")}, ["late"]),
        ({"branch": "main", "project": "widgets"}, ["small"]),
    ],
)
def test_sessions_are_listed_by_what_is_known_of_them(wanted: dict[str, object], expected: list[str]) -> None:
    """Folders with all below, branches and pull requests by their whole name, models by a part of it."""
    assert ids(three_sessions(), **wanted) == expected


def test_sessions_are_listed_by_user() -> None:
    """Where a machine collects those of many."""
    index = three_sessions()
    update_session(index, session_rows(session(session_id="anns"), user_name="ann"))
    assert ids(index, user="ann") == ["anns"]


def test_sessions_are_listed_by_words() -> None:
    """All in one of their texts."""
    index = three_sessions()
    add_words(index, "count the gears", "wheels")
    assert [ids(index, text=text) for text in ("gears", "the count", "gears wheels", "?")] == [
        ["small"],
        ["small"],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("started", ["late", "dear", "small"]),
        ("cost", ["dear", "small", "late"]),
        ("tokens", ["late", "dear", "small"]),
        ("duration", ["late", "dear", "small"]),
        ("calls", ["dear", "late", "small"]),
    ],
)
def test_sessions_are_sorted(sort: str, expected: list[str]) -> None:
    """The largest first, or last; of equals the newest."""
    index = three_sessions()
    assert [line.session_id for line in list_sessions(index, sort=sort)] == expected
    assert list_sessions(index, sort=sort, limit=1)[0].session_id == expected[0]
    ascending = [line.session_id for line in list_sessions(index, sort=sort, descending=False)]
    assert ascending[-1] == expected[0]
    assert sort in SORTS


def test_a_line_has_what_a_table_shows() -> None:
    """Counters, times, money exact, models, pull requests."""
    calls = [model_call("req_1", tool_call()), model_call("req_2", model="gpt-99", cost_usd=None, stop_reason=None)]
    done = session(
        turn("p1", *calls),
        session_id="s1",
        title="Gears",
        project="/home/dev/widgets",
        forked_from="s0",
        pull_requests=(link(12),),
        client_cost_usd=Decimal("0.1"),
        unrecorded_cost_usd=Decimal("-0.0000000001"),
        unrecorded_reasons=("compaction", "unknown"),
    )
    (line,) = list_sessions(index_of(done))
    assert (line.calls, line.tool_calls, line.input_tokens, line.cache_write_tokens) == (2, 1, 10, 400)
    assert (line.cost_usd, line.unpriced_calls, line.unpriced_models) == (Decimal("0.00125"), 1, ["gpt-99"])
    assert (line.client_cost_usd, line.unrecorded_cost_usd) == (Decimal("0.1"), Decimal("-0.0000000001"))
    assert (line.title, line.branch, line.forked_from, line.changes) == (
        "Gears",
        "feat/otlp",
        "s0",
        ["acme/widgets#12"],
    )
    assert (line.started_ns, line.ended_ns, line.unrecorded_reasons) == (at_ns(0), at_ns(10), ["compaction", "unknown"])
    assert (line.agent, line.user_name, line.open_until_ns, line.problem_count) == ("claude-code", None, 0, 0)


def test_a_session_without_a_total_of_the_client_has_none() -> None:
    """None is not zero."""
    (line,) = list_sessions(index_of(session()))
    assert (line.client_cost_usd, line.unrecorded_cost_usd, line.models, line.changes) == (None, None, [], [])


@pytest.mark.parametrize("change", ["12", "widgets", "acme/widgets#", "acme/widgets#x", "#1 #2", ""])
def test_what_names_no_pull_request_is_said(change: str) -> None:
    """With the value seen and what to write instead."""
    with pytest.raises(UsageError, match=r"names no pull request; write owner/name#12, #12 or its URL") as error:
        ids(index_of(), change=change)
    assert repr(change) in str(error.value)


def test_an_unknown_order_is_said() -> None:
    """With the known ones."""
    with pytest.raises(UsageError, match=r"'age'; choose one of started, cost, tokens, duration, calls"):
        list_sessions(index_of(), sort="age")
