from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from otel_bridge.errors import BusyError
from otel_bridge.pipeline.index import keeping, shipping
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.pipeline.index.opening import reading, writing
from otel_bridge.pipeline.index.passes import IndexOptions
from tests.pipeline.index.keeper import Kept, path_of
from tests.pipeline.index.receiver import LOST, REFUSED, TAKEN, by_id, exported, ids
from tests.pipeline.index.world import World, append
from tests.transcripts import FAR_FUTURE_S, OTHER, SID, ask, at_ns, prompt, response, session_file, tool_use

# --- rounds ----------------------------------------------------------------------------------------------------------


def test_a_first_look_sends_nothing_and_the_first_round_all(kept: Kept) -> None:
    """The looks go before: what was there is known when something is sent."""
    told: list[tuple[int, int]] = []
    kept.keeper.look(lambda *done: told.append(done))
    assert (kept.receiver.offered, told) == ([], [(path_of(kept).stat().st_size,) * 2])
    kept.keeper.round(frozenset())
    assert ids(kept.receiver.spans) == ids(exported(kept.world).spans)
    assert (kept.keeper.dispatcher.pending, kept.said) == (0, [])


def test_a_round_looks_at_what_changed_and_sends_it(kept: Kept) -> None:
    """And at nothing else."""
    kept.keeper.round(None)
    session_file(kept.world.root, OTHER, prompt(at=10), response("msg_o", at=11))
    append(path_of(kept), prompt("More", at=20), response("msg_2", at=21))
    report = kept.keeper.round({str(path_of(kept))})
    assert (report.files_read, report.sessions) == (1, [SID])
    assert ids(kept.receiver.spans).total() == 4
    assert kept.keeper.round(None).sessions == [OTHER]
    assert ids(kept.receiver.spans) == ids(exported(kept.world).spans)


def test_a_round_in_which_nothing_happened_opens_nothing(kept: Kept) -> None:
    """Four times a second."""
    kept.keeper.round(None)
    opened, before = kept.receiver.opened, kept.world.connection.total_changes
    for _ in range(5):
        kept.keeper.round(frozenset())
    assert (kept.receiver.opened, kept.world.connection.total_changes) == (opened, before)
    assert kept.keeper.tally.rounds == 1


def test_without_a_target_the_index_is_kept_alone(world: World) -> None:
    """Whoever sets one later has it sent everything."""
    session_file(world.root, SID, prompt(), response())
    kept = Kept(world)
    kept.keeper.dispatcher.find_target, find = None, kept.keeper.dispatcher.find_target
    kept.keeper.round(None)
    assert world.one("SELECT count(*) FROM sessions") == 1
    kept.keeper.dispatcher.find_target = find
    kept.keeper.round(frozenset())
    assert ids(kept.receiver.spans) == ids(exported(world).spans)


def test_a_turn_is_sent_when_it_has_been_idle_though_nothing_else_happens(world: World) -> None:
    """The look at everything finds it."""
    session_file(world.root, SID, prompt(), ask("msg_1", tool_use(), at=10))
    world.now = 11
    kept = Kept(world, idle_s=300)
    kept.keeper.round(None)
    for _ in range(9):
        kept.wait(30)
        kept.keeper.round(None)
    assert kept.receiver.spans == []
    kept.wait(30)
    kept.keeper.round(None)
    assert len(kept.receiver.spans) == 2


def test_history_is_sent_round_by_round_the_newest_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is told, and a live session comes in between."""
    monkeypatch.setattr(shipping, "_ITEMS_AT_ONCE", 1)
    for number in range(4):
        at = 100 * number
        session_file(world.root, f"{number:08x}{SID[8:]}", prompt(at=at), response(f"msg_{number}", at=at + 1))
    kept, waiting = Kept(world), []
    for changed in (None, frozenset()):
        kept.keeper.round(changed)
        waiting.append(kept.keeper.dispatcher.pending)
    live = session_file(world.root, SID, prompt(at=900), response("msg_live", at=901))
    kept.keeper.round({str(live)})
    sent = list(dict.fromkeys(str(item.attributes["session.id"]) for item in kept.receiver.items))
    assert (waiting, [name[:8] for name in sent]) == ([3, 2], ["00000003", "00000002", SID[:8]])


def test_what_all_rounds_did_is_added_up(kept: Kept) -> None:
    """For whoever asks how the bridge is."""
    kept.keeper.round(None)
    append(path_of(kept), prompt("More", at=20))
    kept.keeper.round({str(path_of(kept))})
    tally = kept.keeper.tally
    assert (tally.rounds, tally.lines_read, tally.last_ns) == (2, 3, at_ns(FAR_FUTURE_S))
    assert (tally.exported.spans, tally.exported.delivery.total.undelivered) == (len(kept.receiver.spans), 0)


# --- a target that is away -------------------------------------------------------------------------------------------


def test_a_target_that_is_away_is_told_once_and_tried_again(kept: Kept) -> None:
    """With growing pauses; what came meanwhile is sent when it is back, and that is told."""
    kept.receiver.fate = lambda _: LOST
    kept.keeper.round(None)
    assert kept.said == ["not everything was taken; trying again until it works"]
    tried = []
    for _ in range(100):
        kept.wait(1)
        opened = kept.receiver.opened
        kept.keeper.round(frozenset())
        tried.append(kept.receiver.opened - opened)
    assert [second + 1 for second, times in enumerate(tried) if times] == [1, 3, 7, 15, 31, 61, 91]
    append(path_of(kept), prompt("More", at=20), response("msg_2", at=21))
    kept.keeper.round({str(path_of(kept))})
    kept.receiver.fate = lambda _: TAKEN
    kept.wait(30)
    kept.keeper.round(frozenset())
    assert kept.said[1:] == ["the target takes data again"]
    assert ids(kept.receiver.spans) == ids(exported(kept.world).spans)


def test_a_target_is_looked_for_again_only_while_it_is_away(kept: Kept) -> None:
    """It may turn out to know fewer signals than it was to be sent."""
    for _ in range(3):
        kept.keeper.round(None)
    assert kept.targets == 1
    kept.receiver.fate = lambda _: LOST
    append(path_of(kept), prompt("More", at=20), response("msg_2", at=21))
    for _ in range(3):
        kept.wait(60)
        kept.keeper.round(None)
    assert kept.targets == 3


def test_what_is_refused_for_good_is_told_and_not_tried_again(kept: Kept) -> None:
    """The first ones; it is no trouble, for trying again would not help."""
    kept.receiver.fate = lambda _: REFUSED
    kept.keeper.round(None)
    offered = len(kept.receiver.offered)
    assert kept.said == ["rejected an item: not wanted"] * 3
    kept.wait(60)
    kept.keeper.round(None)
    assert (len(kept.receiver.offered), kept.keeper.troubles.sentences, kept.keeper.dispatcher.pending) == (
        offered,
        [],
        0,
    )


def test_a_target_that_is_away_does_not_stop_the_index(kept: Kept) -> None:
    """Reports are as fresh as ever."""
    kept.receiver.fate = lambda _: LOST
    kept.keeper.round(None)
    append(path_of(kept), prompt("More", at=20))
    assert kept.keeper.round({str(path_of(kept))}).lines_read == 1
    kept.world.check()


# --- folders that are away -------------------------------------------------------------------------------------------


def test_a_folder_that_is_away_is_told_once_and_loses_nothing(kept: Kept) -> None:
    """A disk that is unmounted for a while; changes told meanwhile are made up for by a look at everything."""
    kept.keeper.round(None)
    away = kept.world.projects.with_name("away")
    kept.world.projects.rename(away)
    for _ in range(3):
        kept.wait(60)
        kept.keeper.round(None)
    (said,) = kept.said
    assert said.startswith(f"no such file or folder: {kept.world.projects}")
    assert kept.world.one("SELECT count(*) FROM files WHERE is_present = 0") == 0
    away.rename(kept.world.projects)
    append(path_of(kept), prompt("More", at=20), response("msg_2", at=21))
    kept.wait(60)
    kept.keeper.round(frozenset())
    assert kept.said[1:] == ["the index is written again"]
    assert ids(kept.receiver.spans) == ids(exported(kept.world).spans)


def test_changes_during_a_pause_are_not_forgotten(world: World) -> None:
    """They are looked at when the pause is over."""
    path = session_file(world.root, SID, prompt())
    roots = [world.projects / "missing"]
    kept = Kept(world, roots=lambda: roots)
    kept.keeper.round(None)
    roots[:] = [world.projects]
    kept.keeper.round({str(path)})
    assert world.one("SELECT count(*) FROM sessions") == 0
    kept.wait(1)
    kept.keeper.round(frozenset())
    assert world.one("SELECT count(*) FROM sessions") == 1


def test_without_folders_there_is_nothing_to_do(world: World) -> None:
    """They may come later; nothing is wrong till then."""
    kept = Kept(world, roots=list)
    assert kept.keeper.round(None).files == 0
    assert (kept.said, kept.receiver.opened) == ([], 0)


# --- a target that is slow to answer ---------------------------------------------------------------------------------


def test_a_target_that_does_not_answer_does_not_stop_the_index(kept: Kept) -> None:
    """What is under way is asked after in every round; nothing else is sent till then."""
    kept.receiver.is_awake = False
    kept.keeper.round(None)
    opened = kept.receiver.opened
    path = path_of(kept)
    append(path, prompt("More", at=60), response("msg_2", at=61))
    assert kept.keeper.round({str(path)}).lines_read == 2
    assert kept.receiver.opened == opened == 1
    kept.receiver.is_awake = True
    kept.keeper.round(frozenset())
    kept.keeper.round(frozenset())
    assert by_id(kept.receiver.spans) == by_id(exported(kept.world).spans)
    assert (kept.keeper.dispatcher.pending, kept.said) == (0, [])


def test_the_end_does_not_wait_for_an_answer(kept: Kept) -> None:
    """What is under way is given up, and sent again by whoever comes next."""
    kept.receiver.is_awake = False
    kept.keeper.round(None)
    kept.keeper.end()
    assert kept.receiver.aborted == 1


def test_the_end_looks_once_more_and_sends_what_it_finds(kept: Kept) -> None:
    """As any round does."""
    kept.keeper.end()
    assert by_id(kept.receiver.spans) == by_id(exported(kept.world).spans)


# --- an index that is taken away -------------------------------------------------------------------------------------


def test_an_index_that_was_removed_is_made_anew_by_its_one_writer(tmp_path: Path) -> None:
    """With its lock: nobody else begins to write meanwhile."""
    world = World(tmp_path / "world")
    session_file(world.root, SID, prompt(), response("msg_1", at=1))
    path = tmp_path / "data" / "index.sqlite3"
    said: list[str] = []
    with writing(path, holder="first") as place:
        keeper = Keeper(
            place, lambda: [world.projects], options=IndexOptions(), clock=lambda: at_ns(world.now), notify=said.append
        )
        keeper.round(None)
        shutil.rmtree(path.parent)
        keeper.round(None)
        with pytest.raises(BusyError, match="first"), writing(path, holder="second"):
            pass
        keeper.place.connection.close()
    with reading(path) as found:
        assert found.connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    assert said == []


def test_whoever_else_made_a_removed_index_anew_keeps_it(tmp_path: Path) -> None:
    """Until done; then it is taken over."""
    world = World(tmp_path / "world")
    path = tmp_path / "data" / "index.sqlite3"
    said: list[str] = []
    with writing(path, holder="first") as place:
        keeper = Keeper(
            place, lambda: [world.projects], options=IndexOptions(), clock=lambda: at_ns(world.now), notify=said.append
        )
        shutil.rmtree(path.parent)
        with writing(path, holder="second"):
            keeper.round(None)
        assert "is being written by second" in said[0]
        world.now += 60
        keeper.round(None)
        assert said[1:] == ["the index is written again"]
        keeper.place.connection.close()


def test_garbage_is_looked_for_now_and_then_and_not_forgotten(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after each round that leaves some, which takes as long as its work; the next one does that finds it due."""
    collected: list[None] = []
    monkeypatch.setattr("gc.collect", lambda: collected.append(None))
    monkeypatch.setattr(keeping, "_COLLECTS_EVERY_S", 3600.0)
    for number in range(3):
        append(path_of(kept), prompt("More", at=100 + number))
        kept.keeper.round(None)
    assert not collected
    monkeypatch.setattr(keeping, "_COLLECTS_EVERY_S", 0.0)
    for _ in range(2):
        kept.keeper.round(frozenset())
    assert len(collected) == 1
