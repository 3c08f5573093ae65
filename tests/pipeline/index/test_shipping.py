from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest

from otel_bridge.convert import ConvertOptions
from otel_bridge.pipeline.index import shipping
from otel_bridge.pipeline.index.ledger import Item, Ledger
from otel_bridge.pipeline.index.shipping import ShipOptions, Shipper
from otel_bridge.telemetry import DataPoint, Signal
from tests.captures import RUNS, unpack_transcripts
from tests.pipeline.index.receiver import (
    LOST,
    OTHER_PLACES,
    PLACES,
    REFUSED,
    TAKEN,
    UNANSWERED,
    Receiver,
    assert_same_end,
    assert_same_items,
    by_id,
    drawn,
    exported,
    ids,
    newest,
    ship,
)
from tests.pipeline.index.world import World, append
from tests.sources.test_properties import busy_session, write_folder
from tests.transcripts import (
    FAR_FUTURE_S,
    FORK,
    OTHER,
    SID,
    agent_file,
    ask,
    at_ns,
    fork_2_1_181,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)


@pytest.fixture
def busy(world: World) -> World:
    """Return a world of a busy session, its fork and a quiet one, all indexed."""
    main, agent = busy_session()
    write_folder(world.root, list(main), list(agent), {"agentType": "Explore", "toolUseId": "toolu_1"})
    session_file(world.root, OTHER, prompt(at=100), response("msg_o", at=101))
    world.update()
    return world


# --- once ------------------------------------------------------------------------------------------------------------


def test_a_first_shipment_is_what_an_export_sends(busy: World) -> None:
    """The same spans, events and points, to the last attribute, and the summary counts them."""
    receiver = Receiver()
    summary = ship(busy, receiver)
    assert_same_items(receiver, exported(busy))
    assert min(len(receiver.spans), len(receiver.events), len(receiver.points)) > 10
    assert (summary.spans, summary.events) == (len(receiver.spans), len(receiver.events))
    assert (summary.data_points, summary.is_complete) == (len(receiver.points), True)


@pytest.mark.parametrize("run", RUNS)
def test_a_first_shipment_of_a_recording_is_what_an_export_sends(
    run: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of five versions of the client."""
    world, receiver = World(tmp_path, in_memory=True), Receiver()
    world.projects = unpack_transcripts(run, tmp_path_factory.getbasetemp())
    world.update()
    ship(world, receiver)
    assert_same_items(receiver, exported(world))


def test_a_second_shipment_sends_nothing(busy: World) -> None:
    """No sink is even opened."""
    receiver = Receiver()
    ship(busy, receiver)
    opened = receiver.opened
    receiver.forget()
    summary = ship(busy, receiver)
    assert (receiver.offered, receiver.opened, summary.sessions) == ([], opened, 0)


def test_after_a_turn_only_that_turn_is_sent(world: World) -> None:
    """Spans by their ids, of every series the points after the last one sent; together they are those of an export."""
    path = session_file(world.root, SID, prompt(at=0), response("msg_1", at=1))
    world.update()
    receiver = Receiver()
    ship(world, receiver)
    before = dict(by_id(receiver.spans))
    times = {str((point.metric.name, sorted(point.attributes.items()))): point.time_ns for point in receiver.points}
    append(path, prompt("More", at=60), response("msg_2", at=61))
    world.update([path])
    first = list(receiver.items)
    receiver.forget()
    ship(world, receiver)
    assert [span.name.split()[0] for span in receiver.spans] == ["invoke_agent", "chat"]
    assert not before.keys() & by_id(receiver.spans).keys()
    assert all(
        point.time_ns > times.get(str((point.metric.name, sorted(point.attributes.items()))), 0)
        for point in receiver.points
    )
    receiver.items += first
    wanted = exported(world)
    assert by_id(receiver.spans) == by_id(wanted.spans)
    assert newest(receiver.points) == newest(wanted.points)


def test_sub_agents_that_come_before_their_session_are_not_sent_without_it(world: World) -> None:
    """Old transcripts, copied in any order: whose the sub-agents are only the main transcript says."""
    receiver = Receiver()
    hers = {"agentId": "a1", "isSidechain": True}
    agent_file(world.root, SID, "a1", prompt("Find it", at=2, **hers), response("msg_2", at=3, stop="tool_use", **hers))
    world.update()
    ship(world, receiver)
    world.now += 60
    world.update()
    ship(world, receiver, idle_s=60)
    assert receiver.spans == []
    asked = tool_use("toolu_1", "Task", prompt="Find it")
    session_file(world.root, SID, prompt(at=0), response("msg_1", asked, at=1, stop="tool_use"), prompt(at=9))
    world.update()
    ship(world, receiver)
    assert by_id(receiver.spans) == by_id(exported(world).spans)
    assert len(receiver.spans) > 3


def test_sub_agents_whose_session_does_not_come_are_sent_alone(world: World) -> None:
    """Half an hour after they were found; until then every pass leaves them alone."""
    receiver = Receiver()
    hers = {"agentId": "a1", "isSidechain": True}
    agent_file(world.root, SID, "a1", prompt("Find it", at=2, **hers), response("msg_2", at=3, stop="tool_use", **hers))
    world.update()
    world.now += 1700
    assert world.update().rows_written == 0
    ship(world, receiver)
    assert receiver.spans == []
    world.now += 102
    world.update()
    ship(world, receiver)
    assert_same_end(receiver, exported(world))


def test_two_targets_do_not_mix(busy: World) -> None:
    """Each is sent everything once."""
    one, other = Receiver(), Receiver()
    ship(busy, one)
    ship(busy, other, OTHER_PLACES)
    assert_same_items(other, one)
    one.forget()
    ship(busy, one)
    assert one.offered == []


def test_a_signal_that_comes_later_is_sent_alone(busy: World) -> None:
    """Who sent spans and gets a place for metrics is not sent the spans again."""
    spans, rest = Receiver(), Receiver()
    ship(busy, spans, {Signal.TRACES: PLACES[Signal.TRACES]})
    ship(busy, rest)
    assert (spans.points, rest.spans) == ([], [])
    spans.items += rest.items
    assert_same_items(spans, exported(busy))


# --- answers ---------------------------------------------------------------------------------------------------------


def every_third(fate: str) -> Receiver:
    """Return a receiver that lets another fate befall a third of what is sent."""
    count = iter(range(10**9))
    return Receiver(lambda _: fate if next(count) % 3 == 0 else TAKEN)


def test_what_was_lost_is_sent_again_and_nothing_else(busy: World) -> None:
    """Of spans and events exactly the missing ones; of a session's points all, the same values at the same times."""
    receiver, wanted = every_third(LOST), exported(busy)
    assert not ship(busy, receiver).is_complete
    assert ids(receiver.spans) < ids(wanted.spans)
    receiver.fate, first = lambda _: TAKEN, list(receiver.items)
    receiver.forget()
    assert ship(busy, receiver).is_complete
    again = drawn(receiver.points)
    receiver.items += [item for item in first if not isinstance(item, DataPoint)]
    assert_same_items(receiver, wanted)
    assert set(drawn([item for item in first if isinstance(item, DataPoint)])) <= set(again)


def test_what_was_refused_for_good_is_not_sent_again(busy: World) -> None:
    """A receiver that does not want it will not want it next time."""
    receiver = every_third(REFUSED)
    summary = ship(busy, receiver)
    assert (summary.is_complete, summary.delivery.total.undelivered) == (False, 0)
    receiver.forget()
    ship(busy, receiver)
    assert receiver.offered == []


def test_what_was_taken_without_an_answer_is_sent_again_under_the_same_ids(busy: World) -> None:
    """Whoever keeps things by their ids has each of them once."""
    receiver = every_third(UNANSWERED)
    ship(busy, receiver)
    receiver.fate = lambda _: TAKEN
    ship(busy, receiver)
    wanted = exported(busy)
    assert by_id(receiver.spans) == by_id(wanted.spans)
    assert by_id(receiver.events) == by_id(wanted.events)
    assert max(ids(receiver.spans).values()) == 2
    assert set(drawn(receiver.points)) == set(drawn(wanted.points))


def test_what_grew_while_the_target_was_away_is_sent_with_what_it_lacks(busy: World) -> None:
    """One shipment later it has all."""
    receiver = Receiver(lambda _: LOST)
    ship(busy, receiver)
    path = busy.projects / "-home-dev-widgets" / f"{OTHER}.jsonl"
    append(path, prompt("More", at=200), response("msg_o2", at=201))
    busy.update([path])
    receiver.fate = lambda _: TAKEN
    ship(busy, receiver)
    assert_same_items(receiver, exported(busy))


def test_a_target_that_is_away_is_not_sent_all_of_history(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one load it is left for later, the newest first."""
    monkeypatch.setattr(shipping, "_ITEMS_AT_ONCE", 1)
    for number in range(5):
        at = 1000 * number
        session_file(world.root, f"{number:08x}{SID[8:]}", prompt(at=at), response(f"msg_{number}", at=at + 1))
    world.update()
    receiver = Receiver(lambda _: LOST)
    ship(world, receiver)
    assert {str(item.attributes["session.id"])[:8] for item in receiver.offered} == {"00000004"}
    receiver.fate = lambda _: TAKEN
    summary = ship(world, receiver)
    assert (receiver.opened, summary.sessions) == (6, 5)


def test_a_round_sends_one_load(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live sessions wait no longer behind history; what is left is for the next round."""
    monkeypatch.setattr(shipping, "_ITEMS_AT_ONCE", 1)
    for number in range(3):
        session_file(world.root, f"{number:08x}{SID[8:]}", prompt(at=number), response(f"msg_{number}", at=number))
    world.update()
    receiver = Receiver()
    for left in (2, 1, 0):
        assert ship(world, receiver, only_once=True).sessions == 1
        assert len(Ledger(world.connection, PLACES).pending(at_ns(world.now))) == left
    assert_same_items(receiver, exported(world))


def test_an_end_in_between_forgets_no_answer(busy: World) -> None:
    """What was answered before it is noted; the sink is told to stop."""
    receiver = Receiver()

    def interrupt(item: Item) -> str:
        if len(receiver.items) > 20:
            raise KeyboardInterrupt
        return TAKEN

    receiver.fate = interrupt
    with pytest.raises(KeyboardInterrupt):
        ship(busy, receiver)
    assert receiver.aborted == 1
    receiver.fate = lambda _: TAKEN
    ship(busy, receiver)
    wanted = exported(busy)
    assert ids(receiver.spans) == ids(wanted.spans)
    assert ids(receiver.events) == ids(wanted.events)
    assert set(drawn(receiver.points)) == set(drawn(wanted.points))


# --- owners ----------------------------------------------------------------------------------------------------------


def test_a_call_whose_owner_is_found_later_is_not_sent_twice(world: World) -> None:
    """Its id is its own, whichever session it is counted in; sums are right in the end."""
    history = [prompt(at=0, promptId="p1"), response("msg_1", at=1)]
    own = [queue_operation(at=50), prompt("Fork", at=51, promptId="p2"), response("msg_f", at=52)]
    session_file(world.root, FORK, *fork_2_1_181(history), *own)
    world.update()
    receiver = Receiver()
    ship(world, receiver)
    session_file(world.root, SID, queue_operation(at=0), *history)
    world.update()
    ship(world, receiver)
    assert max(ids(receiver.spans).values()) == 1
    wanted = exported(world)
    assert by_id(receiver.spans).keys() >= by_id(wanted.spans).keys()
    assert newest(receiver.points).items() >= newest(wanted.points).items()


def test_an_agent_found_later_adds_what_it_did(world: World) -> None:
    """Its file may come after its turn is over and sent."""
    start = ask("msg_1", tool_use("toolu_1", "Agent"), at=1)
    done = tool_result("toolu_1", "agentId: a1", at=9, result={"agentId": "a1"})
    session_file(world.root, SID, prompt(at=0), start, done, response("msg_2", at=10))
    world.update()
    receiver = Receiver()
    ship(world, receiver)
    agent_file(world.root, SID, "a1", prompt("look", at=2), response("msg_a", at=3))
    world.update()
    ship(world, receiver)
    assert ids(receiver.spans) == ids(exported(world).spans)
    assert newest(receiver.points) == newest(exported(world).points)


def test_a_session_in_a_format_nobody_reads_any_more_stops_no_other(busy: World) -> None:
    """Its rows are all there is."""
    busy.connection.execute(
        "UPDATE chunks SET data = x'ff' WHERE file IN (SELECT id FROM files WHERE session_id = ?)", (OTHER,)
    )
    receiver = Receiver()
    assert ship(busy, receiver).is_complete
    assert {str(item.attributes["session.id"]) for item in receiver.items} == {SID, FORK}


def test_progress_is_told_in_sessions(busy: World) -> None:
    """After each load."""
    told: list[tuple[int, int]] = []
    ledger, options = Ledger(busy.connection, PLACES), ShipOptions(ConvertOptions(), tuple(Signal))
    shipper = Shipper(busy.library(), ledger, Receiver().open, options, now_ns=at_ns(FAR_FUTURE_S))
    shipper.ship(ledger.pending(at_ns(busy.now)), progress=lambda *done: told.append(done))
    assert told == [(3, 3)]


def test_turns_that_are_just_over_wait_for_the_clients_spans(world: World) -> None:
    """As the session itself says, whatever its rows do; what is sent of it counts on, and nothing is noted as all."""
    session_file(world.root, SID, prompt(), response("msg_1", at=1), prompt("More", at=20), response("msg_2", at=21))
    world.now = 26
    world.update()
    receiver, ledger = Receiver(), Ledger(world.connection, PLACES)
    options = ShipOptions(ConvertOptions(), tuple(PLACES))
    for now, spans in ((26, 2), (31, 4)):
        shipper = Shipper(world.library(), ledger, receiver.open, options, now_ns=at_ns(now))
        shipper.send_some(deque(ledger.pending(at_ns(now))), awaits=lambda _: True).finish()
        assert len(receiver.spans) == spans
    assert ids(receiver.spans) == ids(exported(world).spans)
    assert ledger.pending(at_ns(31)) == []
