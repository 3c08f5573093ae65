"""What a client tells while rounds go on: stored at once, put together and sent when it is time."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from otel_bridge.pipeline.index import keeping, natives, settling, shipping
from otel_bridge.pipeline.index.opening import reading
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.sources.native.records import NativeRecord, NativeSpan
from otel_bridge.telemetry import Span
from tests.native import native_records
from tests.pipeline.index.keeper import Kept, path_of, put
from tests.pipeline.index.receiver import LOST, TAKEN, exported, ids
from tests.pipeline.index.world import World, append
from tests.transcripts import SID, ask, at_ns, prompt, response, session_file, tool_use


def test_telemetry_is_taken_in_and_sent_on(kept: Kept) -> None:
    """Ten seconds after its turn: the client's spans, which say under which ids, come every five."""
    records = next(iter(native_records("2.1.329/basic").values()))
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 1
    put(kept, records)
    kept.keeper.round(frozenset())
    assert (sessions_of(kept), kept.keeper.dispatcher.pending) == ({SID}, 1)
    kept.wait(10)
    kept.keeper.round(frozenset())
    assert (sessions_of(kept), kept.keeper.dispatcher.pending) == ({SID, records[0].session_id}, 0)


def test_a_session_is_put_together_every_five_seconds(kept: Kept) -> None:
    """However often telemetry of it comes; what its transcript says is there at once."""
    records = next(iter(native_records("2.1.329/basic").values()))
    session_id, stored = records[0].session_id, 0
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 60
    revisions = []
    for number in range(6):
        put(kept, records[stored : stored + 12])
        stored += 12
        kept.keeper.round(frozenset())
        revisions.append(calls_of(kept, session_id))
        if number < 5:
            kept.world.now += 2
    assert revisions[0] == revisions[1] == revisions[2] < revisions[3] == revisions[4] == revisions[5]
    path = session_file(kept.world.projects, session_id, prompt(at=kept.world.now), response("m", at=kept.world.now))
    kept.keeper.round({str(path)})
    assert calls_of(kept, session_id) > revisions[-1]


def calls_of(kept: Kept, session_id: str) -> int:
    return int(kept.world.one("SELECT calls + tool_calls FROM sessions WHERE session_id = ?", session_id))


def test_turns_in_quick_succession_are_not_held_back_for_ever(kept: Kept) -> None:
    """A session whose last turn is always just over goes out after ten seconds all the same."""
    records = next(iter(native_records("2.1.329/basic").values()))
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 1
    for number in range(4):
        put(kept, [at_another_time(record, number) for record in records])
        kept.keeper.round(frozenset())
        assert (records[0].session_id in sessions_of(kept)) is (number == 3)
        kept.wait(4)


def test_a_turn_that_is_just_over_waits_though_others_do_not(kept: Kept) -> None:
    """When a session has been held back for long enough, its last turns have their ten seconds all the same."""
    records = next(iter(native_records("2.1.329/basic").values()))
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 1
    sent = []
    for number in range(8):
        put(kept, [at_another_time(record, number) for record in records] if number < 4 else [])
        kept.keeper.round(frozenset())
        of_turns = [span for span in spans_of(kept, records[0].session_id) if not span.parent_id]
        assert all(at_ns(kept.world.now) - span.end_ns >= 10e9 for span in of_turns)
        sent.append(len(of_turns))
        kept.wait(4)
    assert sent[:3] == [0, 0, 0]
    assert 0 < sent[3] < sent[-1] == 4
    assert kept.keeper.dispatcher.pending == 0


def test_what_was_kept_for_a_while_comes_in_any_order(kept: Kept) -> None:
    """Events an hour old come alone: the spans behind them still say under which ids all goes."""
    records = next(iter(native_records("2.1.329/basic").values()))
    spans = [record for record in records if isinstance(record, NativeSpan)]
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 3600
    put(kept, [record for record in records if not isinstance(record, NativeSpan)])
    kept.keeper.round(frozenset())
    kept.wait(5)
    put(kept, list(spans))
    kept.keeper.round(frozenset())
    assert spans_of(kept, records[0].session_id) == []
    kept.wait(5)
    kept.keeper.round(frozenset())
    sent = {span.span_id for span in spans_of(kept, records[0].session_id)}
    assert {span.span_id for span in spans} <= sent


def test_a_clock_that_is_set_back_holds_nothing_back_for_longer(kept: Kept) -> None:
    """A turn that is awaited then is sent ten seconds later all the same."""
    records = next(iter(native_records("2.1.329/basic").values()))
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 1
    put(kept, records)
    kept.keeper.round(frozenset())
    kept.wait(-3600)
    for seconds in (0, 9):
        kept.wait(seconds)
        kept.keeper.round(frozenset())
        assert spans_of(kept, records[0].session_id) == []
    kept.wait(1)
    kept.keeper.round(frozenset())
    assert spans_of(kept, records[0].session_id)


def test_a_target_that_was_not_asked_has_not_answered(kept: Kept) -> None:
    """While all that waits for it is held back, it is as far away as before."""
    kept.receiver.fate = lambda _: LOST
    kept.keeper.round(None)
    kept.keeper.dispatcher._pauses.hold([SID], at_ns(kept.world.now))
    for _ in range(5):
        kept.wait(10)
        kept.keeper.round(None)
    assert len(kept.said) == 1
    kept.receiver.fate = lambda _: TAKEN
    kept.wait(30)
    kept.keeper.round(None)
    assert kept.said[1:] == ["the target takes data again"]


def test_of_a_client_that_is_set_up_to_send_spans_they_are_waited_for(kept: Kept) -> None:
    """Before any have come: what its transcript says is there first, and is not sent under other ids."""
    kept.keeper.is_to_get_spans = lambda: True
    kept.world.now = 3
    for seconds in (0, 5):
        kept.wait(seconds)
        kept.keeper.round(None)
        assert (kept.receiver.spans, kept.keeper.dispatcher.pending) == ([], 1)
    kept.wait(8)
    kept.keeper.round(None)
    assert ids(kept.receiver.spans) == ids(exported(kept.world).spans)


def test_each_turn_is_held_back_anew(kept: Kept) -> None:
    """One that follows quick ones has its ten seconds too, for the client's spans to come."""
    records = next(iter(native_records("2.1.329/basic").values()))
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 1
    for number, seconds in enumerate((8, 3, 15)):
        put(kept, [at_another_time(record, 2 * number) for record in records] if number < 2 else [])
        kept.wait(seconds)
        kept.keeper.round(frozenset())
    sent = len(kept.receiver.spans)
    assert sent > 0
    kept.world.now = (max(ended_ns(at_another_time(record, 12)) for record in records) - at_ns(0)) / 1e9 + 1
    put(kept, [at_another_time(record, 12) for record in records])
    kept.keeper.round(frozenset())
    assert len(kept.receiver.spans) == sent
    kept.wait(10)
    kept.keeper.round(frozenset())
    assert len(kept.receiver.spans) > sent


def test_a_full_disk_is_no_fault_of_the_target(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is met between two transactions: the target is asked nothing anew, and gets what waits."""
    kept.keeper.round(None)
    records = next(iter(native_records("2.1.329/basic").values()))
    append(path_of(kept), prompt("More", at=20), response("msg_2", at=21))
    with ThreadPoolExecutor(1) as threads:
        stored = threads.submit(kept.keeper.inbox.put, records, 5)
        while kept.keeper.inbox.is_empty:
            pass
        with monkeypatch.context() as patched:
            patched.setattr(keeping.Keeper, "_take_in_telemetry", lambda _: False)
            patched.setattr(natives, "add_native", _full)
            kept.keeper.round({str(path_of(kept))})
        assert not stored.result()
    assert kept.targets == 1
    assert ids(kept.receiver.spans) == ids(exported(kept.world).spans)
    kept.wait(30)
    kept.keeper.round(None)
    assert [sentence.partition(";")[0] for sentence in kept.said] == [
        f"cannot write the index {kept.world.path}: disk full",
        "the index is written again",
    ]


def _full(*_: object) -> int:
    raise sqlite3.OperationalError("disk full")


def test_waiting_for_telemetry_is_no_work(kept: Kept) -> None:
    """Whether it cannot be stored at the moment or was taken out just before: nobody turns in circles."""
    inbox = kept.keeper.inbox
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(inbox.put, next(iter(native_records("2.1.329/basic").values())), 2)
        inbox.wait(5)
        started_s = time.monotonic()
        inbox.wait(0.2)
        assert time.monotonic() - started_s >= 0.2
        inbox.empty_into(kept.world.place)
        assert waiting.result()
    started_s = time.monotonic()
    inbox.wait(0.2)
    assert time.monotonic() - started_s >= 0.2


def test_the_last_flush_has_an_end(kept: Kept) -> None:
    """What the target has not answered by then stays, and is sent by whoever comes next."""
    kept.receiver.fate, kept.receiver.is_awake = lambda _: LOST, False
    started_s = time.monotonic()
    kept.keeper.flush(0.5)
    assert time.monotonic() - started_s < 5
    later = Kept(kept.world)
    later.keeper.round(None)
    assert ids(later.receiver.spans) == ids(exported(kept.world).spans)


def test_a_flush_sends_turns_that_are_not_over(world: World) -> None:
    """Those of a client whose clock is ahead too."""
    session_file(world.root, SID, prompt(at=500), ask("msg_1", tool_use(), at=510))
    world.now = 20
    kept = Kept(world)
    kept.keeper.round(None)
    assert kept.receiver.spans == []
    kept.keeper.flush(5)
    assert {span.name.split()[0] for span in kept.receiver.spans} == {"invoke_agent", "chat"}


def at_another_time(record: NativeRecord, number: int) -> NativeRecord:
    """Return the record of the same turn as it would be so many times four seconds later, in a turn of its own."""
    later_ns, prompt_id = number * 4_000_000_000, f"prompt-{number}"
    if isinstance(record, NativeSpan):
        return replace(
            record,
            trace_id=another_id(record.trace_id, number),
            span_id=another_id(record.span_id, number),
            parent_id=another_id(record.parent_id, number),
            start_ns=record.start_ns + later_ns,
            end_ns=record.end_ns + later_ns,
        )
    return replace(record, time_ns=record.time_ns + later_ns, prompt_id=prompt_id)


def another_id(known: bytes, number: int) -> bytes:
    return bytes([*known[:-1], known[-1] ^ number]) if known else known


def spans_of(kept: Kept, session_id: str) -> list[Span]:
    return [span for span in kept.receiver.spans if span.attributes["session.id"] == session_id]


def sessions_of(kept: Kept) -> set[object]:
    return {span.attributes["session.id"] for span in kept.receiver.spans}


def ended_ns(record: NativeRecord) -> int:
    return record.end_ns if isinstance(record, NativeSpan) else record.time_ns


def test_telemetry_is_not_stored_in_an_index_that_was_removed(kept: Kept) -> None:
    """Who is thanked has his records on the disk: in the index that takes its place."""
    kept.keeper.round(None)
    kept.world.path.unlink()
    put(kept, next(iter(native_records("2.1.329/basic").values())))
    with reading(kept.world.path) as place:
        assert place.connection.execute("SELECT count(*) FROM native_records").fetchone()[0] > 0


def test_nobody_waits_for_the_end_of_a_round(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while rows are made is stored then, and the next round makes its rows, though nothing new came."""
    (first, second, *_) = native_records("2.1.329/turns").values()
    settled: list[object] = []
    inbox = kept.keeper.inbox

    def write(connection: sqlite3.Connection, session_id: str, session: object) -> set[tuple[str, str]]:
        if not settled:
            late.append(threads.submit(inbox.put, second, 5))
            while inbox.is_empty:
                pass
        settled.append(session_id)
        return write_rows(connection, session_id, session)  # type: ignore[arg-type]

    write_rows = settling._write
    late: list[Future[bool]] = []
    with ThreadPoolExecutor(2) as threads:
        stored = threads.submit(inbox.put, first, 5)
        while inbox.is_empty:
            pass
        monkeypatch.setattr(settling, "_write", write)
        kept.keeper.round(frozenset())
        assert stored.result()
        assert late[0].result()
    assert inbox.is_empty
    kept.keeper.round(frozenset())
    assert {first[0].session_id, second[0].session_id} <= set(settled)


class CrowdedInbox(natives.Inbox):
    """One in which so many wait each time that somebody looks, the last number for ever."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self._numbers = list(numbers)
        self.emptied = 0

    @property
    def waiting(self) -> int:
        return self._numbers.pop(0) if len(self._numbers) > 1 else self._numbers[0]

    def empty_into(self, place: IndexPlace) -> int:
        self.emptied += 1
        return 0


@pytest.mark.parametrize(
    ("numbers", "emptied"), [((0,), 0), ((3, 3), 1), ((16, 15, 16), 2), ((16, 40, 16, 1, 40), 4), ((16, 0), 1)]
)
def test_a_crowd_goes_before_other_work(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, numbers: tuple[int, ...], emptied: int
) -> None:
    """While so many wait together, what they bring is stored again and again before anything else is done."""
    monkeypatch.setattr(keeping, "_CROWDED_FOR_S", 60.0)
    kept.keeper.inbox = inbox = CrowdedInbox(*numbers)
    kept.keeper._store_telemetry()
    assert inbox.emptied == emptied


def test_a_crowd_does_not_stop_other_work(kept: Kept) -> None:
    """However many come."""
    kept.keeper.inbox = inbox = CrowdedInbox(16)
    started_s = time.monotonic()
    kept.keeper._store_telemetry()
    assert inbox.emptied > 1
    assert time.monotonic() - started_s < 1


def test_what_is_ready_is_sent_while_rows_of_others_are_made(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there are so many sessions that this takes long."""
    kept.keeper.look(lambda *_: None)
    sent: list[int] = []

    def write(connection: sqlite3.Connection, session_id: str, session: object) -> set[tuple[str, str]]:
        sent.append(len(kept.receiver.spans))
        return write_rows(connection, session_id, session)  # type: ignore[arg-type]

    write_rows = settling._write
    monkeypatch.setattr(settling, "_write", write)
    monkeypatch.setattr(settling, "_AT_ONCE", 1)
    monkeypatch.setattr(keeping, "_SHIPS_EVERY_S", 0.0)
    put(kept, [record for records in native_records("2.1.329/turns").values() for record in records])
    assert sent[0] == 0 < sent[-1]


def test_a_session_that_takes_long_is_put_together_seldom(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty times as long as it took is the least that passes in between, where that is more than five seconds."""
    made = slowly(monkeypatch, settling._Settler, "_put_together", kept)
    records = next(iter(native_records("2.1.329/basic").values()))
    kept.world.now = (max(ended_ns(record) for record in records) - at_ns(0)) / 1e9 + 3600
    began = kept.world.now
    for number in range(36):
        put(kept, [at_another_time(records[0], number)])
        kept.keeper.round(frozenset())
        kept.wait(1)
    assert [at - began for at in made] == [0, 15, 30]


def test_a_session_that_takes_long_is_sent_seldom(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise; one that does not is sent as soon as there is something new."""
    made = slowly(monkeypatch, shipping.Shipper, "_send", kept)
    for number in range(36):
        append(path_of(kept), prompt("More", at=100 + number), response(f"msg_{number}", at=100 + number))
        kept.keeper.round(None)
        kept.wait(1)
    assert [at - made[0] for at in made] == [0, 15, 30]


def slowly(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, kept: Kept) -> list[float]:
    """Let a method take half a second of the processor's time; return when it was called."""
    called: list[float] = []
    spent_ns = 0
    method = getattr(owner, name)

    def take_long(*args: object, **options: object) -> object:
        nonlocal spent_ns
        called.append(kept.world.now)
        spent_ns += 500_000_000
        return method(*args, **options)

    monkeypatch.setattr(owner, name, take_long)
    monkeypatch.setattr(time, "thread_time_ns", lambda: spent_ns)
    return called
