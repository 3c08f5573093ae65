from __future__ import annotations

from typing import Any

import pytest

from otel_bridge.model import Session
from otel_bridge.pipeline.index import reading, settling
from otel_bridge.pipeline.index.settling import settle
from otel_bridge.store import kinship
from otel_bridge.store.rows import SessionRows, session_rows
from tests.pipeline.index.world import World, all_rows, append, assert_same_rows, touch
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    Line,
    agent_file,
    ask,
    at_ns,
    fork_2_1_181,
    pr_link,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)

BRANCH = {"gitBranch": "feat/gears"}
GEARS = {"cwd": "/home/dev/gears"}
HALF_HOUR_S = 1800


def on_branch(number: int, **fields: Any) -> list[Line]:
    """Return a turn of one call on the branch."""
    at = 100 * number
    return [prompt(at=at, **BRANCH, **fields), response(f"msg_{number}", at=at + 1, **BRANCH, **fields)]


def changes(world: World, session_id: str) -> list[tuple[str, int]]:
    rows = world.connection.execute(
        "SELECT repository, number FROM changes JOIN sessions ON sessions.id = session WHERE session_id = ?",
        (session_id,),
    )
    return list(rows)


def revisions(world: World) -> dict[str, int]:
    return dict(world.connection.execute("SELECT session_id, revision FROM sessions"))


ON_WIDGETS = [("acme/widgets", 7)]
ON_NONE = [("", 0)]


# --- branches that somebody links ------------------------------------------------------------------------------------


def test_a_link_is_found_by_the_sessions_on_its_branch(world: World) -> None:
    """Whichever is read first: the cost of another session moves to the pull request when that is linked."""
    session_file(world.root, OTHER, *on_branch(1))
    path = session_file(world.root, SID, *on_branch(2))
    world.update()
    assert [changes(world, session_id) for session_id in (SID, OTHER)] == [ON_NONE, ON_NONE]
    append(path, pr_link(7, at=300))
    assert world.update([path]).sessions == sorted([SID, OTHER])
    assert [changes(world, session_id) for session_id in (SID, OTHER)] == [ON_WIDGETS, ON_WIDGETS]
    world.check()


@pytest.mark.parametrize("linking", [SID, OTHER])
def test_a_new_session_finds_the_link_of_an_older_one_and_brings_its_own(world: World, linking: str) -> None:
    """Both ways, though a new session is put together from its own files first."""
    lines = {session_id: on_branch(number) for number, session_id in enumerate((SID, OTHER))}
    lines[linking].append(pr_link(7, at=150))
    session_file(world.root, SID, *lines[SID])
    world.update()
    session_file(world.root, OTHER, *lines[OTHER])
    assert world.update().sessions == {SID: [OTHER], OTHER: [SID, OTHER]}[linking]
    assert [changes(world, session_id) for session_id in (SID, OTHER)] == [ON_WIDGETS, ON_WIDGETS]
    world.check()


def test_a_link_that_comes_while_its_branch_is_settled_is_not_missed(world: World) -> None:
    """Two sessions of a branch change at once; the one without the link is settled first."""
    first, second = session_file(world.root, SID, *on_branch(1)), session_file(world.root, OTHER, *on_branch(2))
    assert SID < OTHER
    world.update()
    append(first, *on_branch(3))
    append(second, pr_link(7, at=350))
    world.update()
    assert changes(world, SID) == ON_WIDGETS
    world.check()


def test_a_link_that_went_is_forgotten_by_the_others(world: World) -> None:
    """Those of the project it was in: the session may be in another one by now."""
    session_file(world.root, OTHER, *on_branch(1))
    path = session_file(world.root, SID, *on_branch(2), pr_link(7, at=250))
    world.update()
    assert changes(world, OTHER) == ON_WIDGETS
    session_file(world.root, SID, *on_branch(4, **GEARS))
    world.update([touch(path)])
    assert changes(world, OTHER) == ON_NONE
    world.check()


def test_a_new_session_is_not_left_with_a_link_that_went_in_the_same_pass(world: World) -> None:
    """It finds the link before the session that has it is settled."""
    path = session_file(world.root, SID, *on_branch(2), pr_link(7, at=250))
    world.update()
    session_file(world.root, SID, *on_branch(2))
    session_file(world.root, OTHER, *on_branch(1))
    touch(path)
    world.update()
    assert changes(world, OTHER) == ON_NONE
    world.check()


def test_a_session_that_comes_to_a_branch_is_not_left_with_a_link_that_went_in_the_same_pass(world: World) -> None:
    """Its rows tell that it is there when the link has gone already."""
    assert SID < OTHER
    linking = session_file(world.root, SID, *on_branch(2), pr_link(7, at=250))
    coming = session_file(world.root, OTHER, prompt(at=100), response("msg_o", at=101))
    world.update()
    session_file(world.root, SID, *on_branch(2))
    append(coming, *on_branch(3))
    world.update([touch(linking), coming])
    assert changes(world, OTHER) == ON_NONE
    world.check()


def test_a_link_in_another_project_says_nothing(world: World) -> None:
    """Branches of one name are common."""
    session_file(world.root, OTHER, *on_branch(1, **GEARS))
    session_file(world.root, SID, *on_branch(2), pr_link(7, at=250))
    world.update()
    assert changes(world, OTHER) == ON_NONE


# --- forks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def family(world: World) -> World:
    """Return a world of a session and forty forks of it, none of them settled."""
    history = on_branch(1)
    session_file(world.root, SID, queue_operation(at=0), *history)
    for number in range(40):
        at = 1000 + number
        own = [queue_operation(at=at), prompt(at=at), response(f"msg_f{number}", at=at)]
        session_file(world.root, f"{number:08x}{FORK[8:]}", *fork_2_1_181(history), *own)
    return world


def test_a_fork_found_first_gives_its_calls_to_the_origin_found_later(world: World) -> None:
    """The rows of both are made anew."""
    history = on_branch(1)
    own = [queue_operation(at=500), prompt(at=500), response("msg_f", at=501)]
    session_file(world.root, FORK, *fork_2_1_181(history), *own)
    world.update()
    assert world.one("SELECT calls FROM sessions") == 2
    session_file(world.root, SID, queue_operation(at=0), *history)
    assert world.update().sessions == sorted([SID, FORK])
    assert dict(world.connection.execute("SELECT session_id, calls FROM sessions")) == {SID: 1, FORK: 1}
    assert world.one("SELECT forked_from FROM sessions WHERE session_id = ?", FORK) == SID
    world.check()


def test_a_history_and_its_copies_are_put_together_once(family: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin alike, so that none of them is put together before it is known what the others have."""
    made: list[str] = []

    def counted(session: Session, **options: Any) -> SessionRows:
        made.append(session.id)
        return session_rows(session, **options)

    for module in (reading, settling):
        monkeypatch.setattr(module, "session_rows", counted)
    family.update()
    assert sorted(made) == kinship.stored_ids(family.connection)
    family.check()


def test_a_session_of_its_own_has_nothing_else_settled(world: World) -> None:
    """However many forks and linked branches there are: work is proportional to what is new."""
    history = on_branch(1)
    session_file(world.root, SID, queue_operation(at=0), *history, pr_link(7, at=150))
    session_file(world.root, FORK, *fork_2_1_181(history), queue_operation(at=500), prompt(at=500))
    world.update()
    session_file(world.root, OTHER, prompt(at=900, **GEARS), response("msg_9", at=901, **GEARS))
    assert world.update().sessions == [OTHER]
    world.check()


def test_a_fork_that_grows_leaves_the_rows_of_its_origin(world: World) -> None:
    """They are looked at again, and nothing in them changes."""
    history = on_branch(1)
    session_file(world.root, SID, queue_operation(at=0), *history)
    path = session_file(world.root, FORK, *fork_2_1_181(history), queue_operation(at=500), prompt(at=500))
    world.update()
    before = revisions(world)
    append(path, response("msg_f", at=501))
    world.update([path])
    assert revisions(world) == before | {FORK: before[FORK] + 1}
    world.check()


# --- time ------------------------------------------------------------------------------------------------------------


def end_reasons(world: World) -> list[str]:
    return [reason for (reason,) in world.connection.execute("SELECT end_reason FROM turns ORDER BY position")]


def test_a_turn_becomes_over_by_time_alone(world: World) -> None:
    """Half an hour after its last line, and not before; nothing is read for that."""
    session_file(world.root, SID, prompt(), ask("msg_1", tool_use(), at=10))
    world.now = 11
    world.update()
    world.now = 10 + HALF_HOUR_S
    assert (world.update().sessions, end_reasons(world)) == ([], ["open"])
    world.now += 1
    report = world.update()
    assert (report.files_read, report.sessions, end_reasons(world)) == (0, [SID], ["idle"])
    assert world.update().sessions == []
    world.check()


def test_a_turn_whose_agent_is_still_running_is_over_with_it(world: World) -> None:
    """The main lane ends by time first, the agent and with it the turn later."""
    session_file(world.root, SID, prompt(), ask("msg_1", tool_use("toolu_1", "Agent"), at=10))
    agent_file(world.root, SID, "a1", prompt(at=11), ask("msg_a", tool_use("toolu_a"), at=1000))
    world.now = 1001
    world.update()
    for now, reason, is_complete in ((11 + HALF_HOUR_S, "idle", 0), (1001 + HALF_HOUR_S, "idle", 1)):
        world.now = now
        assert world.update().sessions == [SID]
        assert (end_reasons(world), world.one("SELECT is_complete FROM turns")) == ([reason], is_complete)
        world.check()
    assert world.update().sessions == []


def test_an_agent_of_an_earlier_turn_is_over_though_a_later_turn_is_open(world: World) -> None:
    """Each turn has its own time."""
    first = [prompt(at=0, promptId="p1"), ask("msg_1", tool_use("toolu_1", "Agent"), at=1)]
    path = session_file(world.root, SID, *first)
    agent_file(world.root, SID, "a1", prompt(at=2, promptId="p1"), ask("msg_a", tool_use("toolu_a"), at=3))
    world.now = 5
    world.update()
    append(path, prompt(at=1700, promptId="p2"), ask("msg_2", tool_use("toolu_2"), at=1701))
    world.now = 1702
    world.update()
    world.now = 4 + HALF_HOUR_S
    world.update()
    assert world.connection.execute("SELECT is_complete FROM turns ORDER BY position").fetchall() == [(1,), (0,)]
    world.check()


def test_an_agent_in_the_background_is_over_by_time_though_its_turn_is_long_over(world: World) -> None:
    """Its span waits for that."""
    started = tool_result("toolu_1", "Started", at=2, result={"isAsync": True, "agentId": "a1"})
    start = ask("msg_1", tool_use("toolu_1", "Agent", run_in_background=True), at=1)
    session_file(world.root, SID, prompt(), start, started, response("msg_2", at=3))
    agent_file(world.root, SID, "a1", prompt(at=2), ask("msg_a", tool_use("toolu_a"), at=4))
    world.now = 5
    world.update()
    said = "SELECT turns.is_complete, agents.is_complete FROM turns JOIN agents ON agents.session = turns.session"
    assert world.connection.execute(said).fetchall() == [(1, 0)]
    world.now = 5 + HALF_HOUR_S
    assert world.update().sessions == [SID]
    assert world.connection.execute(said).fetchall() == [(1, 1)]
    assert world.update().sessions == []
    world.check()


def test_a_look_at_a_turn_that_may_be_over_writes_nothing_if_it_is_not(world: World) -> None:
    """A link of the main lane keeps a turn open, though it is no activity of it."""
    session_file(world.root, SID, prompt(), ask("msg_1", tool_use(), at=10), pr_link(7, at=1000))
    world.now = 1001
    world.update()
    world.now = 100 + HALF_HOUR_S
    world.update()
    before = world.connection.total_changes
    world.update()
    assert (end_reasons(world), world.connection.total_changes - before) == (["open"], 0)
    world.check()


# --- an end in between -----------------------------------------------------------------------------------------------


def test_workers_settle_what_one_process_settles(family: World) -> None:
    """To the same rows, and they tell of the same sessions."""
    family.update()
    before = all_rows(family.connection)
    kinship.mark_unsettled(family.connection, kinship.stored_ids(family.connection))
    family.connection.execute("UPDATE sessions SET calls = 0, title = 'wrong'")
    settled = settle(family.place, now_ns=at_ns(family.now), workers=2)
    assert settled.sessions == kinship.stored_ids(family.connection)
    assert_same_rows(all_rows(family.connection), before)
    assert set(revisions(family).values()) == {3}  # found, put together when all were read, and made anew here


def test_a_session_without_relatives_made_just_now_is_not_made_again(world: World) -> None:
    """Its rows are those of its own files."""
    session_file(world.root, SID, prompt(), response())
    assert world.update().sessions == [SID]
    assert revisions(world) == {SID: 1}
