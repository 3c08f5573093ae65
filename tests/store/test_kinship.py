from __future__ import annotations

import sqlite3

import pytest

from otel_bridge.model import Session
from otel_bridge.store import kinship
from otel_bridge.vcs import BranchLink, PullRequest, PullRequestLink
from tests.builders import CONTEXT, at_ns, model_call, session, turn
from tests.store.index import index_of

WIDGETS, GEARS = "/home/dev/widgets", "/home/dev/gears"


def made(session_id: str, *, project: str | None = WIDGETS, branch: str = "feat/otlp") -> Session:
    """Build a session of one call on a branch."""
    context = type(CONTEXT)(cwd=project, branch=branch, version="2.1.196", entrypoint="cli")
    call = model_call(f"req_{session_id}", context=context)
    return session(turn("p1", call), session_id=session_id, project=project)


def link(number: int, branch: str = "feat/otlp", *, at_s: float = 5) -> BranchLink:
    change = PullRequest("acme/widgets", number, f"https://github.com/acme/widgets/pull/{number}")
    return BranchLink(branch, PullRequestLink(change, at_ns(at_s)))


@pytest.fixture
def index() -> sqlite3.Connection:
    """Return an index of sessions ``a`` to ``e``; ``e`` is of another project."""
    return index_of(*map(made, "abcd"), made("e", project=GEARS))


def row_of(index: sqlite3.Connection, session_id: str) -> int:
    row = kinship.row_id(index, session_id)
    assert row is not None
    return row


def hold(index: sqlite3.Connection, **keys: list[int]) -> None:
    for session_id, held in keys.items():
        kinship.add_calls(index, row_of(index, session_id), held)


# --- shared calls ----------------------------------------------------------------------------------------------------


def test_sessions_are_known_by_their_ids(index: sqlite3.Connection) -> None:
    """And have a number each."""
    assert kinship.stored_ids(index) == list("abcde")
    assert len({kinship.row_id(index, session_id) for session_id in "abcde"}) == 5
    assert kinship.row_id(index, "unknown") is None


def test_a_family_shares_calls_directly_or_through_others(index: sqlite3.Connection) -> None:
    """A fork of a fork need not share any with the first."""
    hold(index, a=[1, 2], b=[2, 3], c=[3, 4], d=[9])
    for member in "abc":
        assert kinship.family_of(index, member) == ["a", "b", "c"]
    assert kinship.family_of(index, "d") == ["d"]
    assert kinship.family_of(index, "e") == ["e"]
    assert kinship.family_of(index, "unknown") == []


def test_sharing_sessions_are_those_with_a_call_of_another(index: sqlite3.Connection) -> None:
    """A call that one session has in several files is its own."""
    hold(index, a=[1], b=[1, 5], c=[5], d=[9])
    hold(index, d=[9])
    assert kinship.sharing_sessions(index) == ["a", "b", "c"]


def test_forgotten_calls_are_those_of_one_session(index: sqlite3.Connection) -> None:
    """Others hold what they held."""
    hold(index, a=[1, 2], b=[1, 2])
    kinship.forget_calls(index, row_of(index, "a"))
    assert kinship.sharing_sessions(index) == []
    hold(index, a=[2])
    assert kinship.family_of(index, "b") == ["a", "b"]


# --- links -----------------------------------------------------------------------------------------------------------


def test_links_are_found_by_the_other_sessions_of_the_project(index: sqlite3.Connection) -> None:
    """As they were put, and not by the one that has them."""
    links = [link(7), link(8, "feat/gears")]
    kinship.put_links(index, row_of(index, "a"), WIDGETS, links)
    kinship.put_links(index, row_of(index, "b"), WIDGETS, [link(9)])
    assert set(kinship.links_of_project(index, WIDGETS, "b")) == set(links)
    assert kinship.links_of_project(index, WIDGETS, "a") == [link(9)]
    assert len(kinship.links_of_project(index, WIDGETS, "not stored yet")) == 3
    assert kinship.links_of_project(index, GEARS, "e") == []


def test_putting_links_tells_where_that_changes_something(index: sqlite3.Connection) -> None:
    """Nowhere if they are the same; where one came, where one went, and in both projects after a move."""
    row = row_of(index, "a")

    def put(*links: BranchLink, project: str | None = WIDGETS) -> set[tuple[str, str]]:
        return kinship.put_links(index, row, project, links)

    assert put(link(7), link(8, "feat/gears")) == {(WIDGETS, "feat/otlp"), (WIDGETS, "feat/gears")}
    assert put(link(8, "feat/gears"), link(7)) == set()
    assert put(link(7)) == {(WIDGETS, "feat/gears")}
    assert put(link(7, at_s=6)) == {(WIDGETS, "feat/otlp")}
    assert put(link(7, at_s=6), project=GEARS) == {(WIDGETS, "feat/otlp"), (GEARS, "feat/otlp")}
    assert put(link(7), project=None) == {(GEARS, "feat/otlp")}
    assert index.execute("SELECT count(*) FROM branch_links").fetchone() == (0,)


def test_the_same_links_are_not_written_again(index: sqlite3.Connection) -> None:
    """A pass over a grown session writes what is new alone."""
    kinship.put_links(index, row_of(index, "a"), WIDGETS, [link(7)])
    before = index.total_changes
    kinship.put_links(index, row_of(index, "a"), WIDGETS, [link(7)])
    assert index.total_changes == before


def test_sessions_on_a_branch_are_those_of_its_project_that_called_a_model_there() -> None:
    """Another project's branch of that name is another branch."""
    index = index_of(made("a"), made("b", branch="feat/gears"), made("c", project=GEARS), made("d", project=None))
    assert kinship.sessions_on_branches(index, [(WIDGETS, "feat/otlp")]) == ["a"]
    assert kinship.sessions_on_branches(index, [(WIDGETS, "feat/gears"), (GEARS, "feat/otlp")]) == ["b", "c"]
    assert kinship.sessions_on_branches(index, [(WIDGETS, "main")]) == []
    assert kinship.sessions_on_branches(index, []) == []


# --- what is still to be done ----------------------------------------------------------------------------------------


def test_what_has_to_be_made_anew_is_noted_once_and_taken_off(index: sqlite3.Connection) -> None:
    """Whoever comes after an end in between finds it; a session need not have a row for that."""
    kinship.mark_unsettled(index, ["b", "a", "not stored yet"])
    kinship.mark_unsettled(index, ["a"])
    assert kinship.unsettled_sessions(index) == ["a", "b", "not stored yet"]
    kinship.mark_settled(index, ["a", "unknown"])
    assert kinship.unsettled_sessions(index) == ["b", "not stored yet"]
