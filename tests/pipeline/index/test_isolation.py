"""A mistake of ours that one session brings to light keeps no other from being told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from otel_bridge.model import Session
from otel_bridge.pipeline import export
from otel_bridge.pipeline.index import passes, reading, settling, shipping
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.store import kinship
from otel_bridge.telemetry import Signal
from tests.pipeline.index.keeper import Kept
from tests.pipeline.index.receiver import PLACES, Receiver, exported, ids, ship
from tests.pipeline.index.world import World, append
from tests.transcripts import FORK, OTHER, SID, pr_link, prompt, response, session_file

TOLD = re.compile(
    rf"session {SID} cannot be [a-z ]+: OverflowError at pipeline/index/[a-z]+[.]py:\d+; please report it"
)


@pytest.fixture
def two(world: World) -> World:
    """Return a world of two sessions whose rows are to be made."""
    for number, session_id in enumerate((SID, OTHER)):
        session_file(world.root, session_id, prompt(at=100 * number), response(f"msg_{number}", at=100 * number + 1))
    world.update()
    kinship.mark_unsettled(world.connection, [SID, OTHER])
    world.connection.execute("UPDATE sessions SET title = 'old'")
    return world


def stumbling(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function, which stumbles over one session."""

    def stumble(*args: object, **options: object) -> object:
        if SID in str(args):
            raise OverflowError("with a secret in it")
        return function(*args, **options)

    return stumble


def stumble_over(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    monkeypatch.setattr(owner, name, stumbling(getattr(owner, name)))


@pytest.mark.parametrize(("owner", "name"), [(StoredLibrary, "__getitem__"), (settling, "update_session")])
def test_other_rows_are_made(two: World, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Those of the one stay as they were until they can be made; it is said where it happened, and nothing it said."""
    with monkeypatch.context() as patched:
        stumble_over(patched, owner, name)
        report = two.update()
    assert [bool(TOLD.fullmatch(fault.sentence)) for fault in report.faults] == [True]
    assert report.sessions == [OTHER]
    titles = dict(two.connection.execute("SELECT session_id, title FROM sessions"))
    assert titles == {SID: "old", OTHER: titles[OTHER]} != {SID: "old", OTHER: "old"}
    assert two.update().sessions == [SID]
    two.check()


@pytest.mark.parametrize(("owner", "name"), [(reading, "_put_together"), (passes, "write_reading")])
def test_other_transcripts_are_read(world: World, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """And the one is when it can be."""
    session_file(world.root, SID, prompt(), response("msg_1"))
    session_file(world.root, OTHER, prompt(at=100), response("msg_2", at=101))
    with monkeypatch.context() as patched:
        stumble_over(patched, owner, name)
        report = world.update()
    assert [bool(TOLD.fullmatch(fault.sentence)) for fault in report.faults] == [True]
    assert (report.sessions, report.files_read) == ([OTHER], 1)
    assert world.update().sessions == [SID]
    world.check()


def test_others_on_a_branch_that_is_linked_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same pass, though the last session that is written, alone, is the one we stumble over."""
    branch = {"gitBranch": "feat/gears"}
    session_file(world.root, OTHER, prompt(**branch), response("msg_2", at=1, **branch))
    linking = session_file(world.root, FORK, prompt(at=100, **branch), response("msg_1", at=101, **branch))
    last = session_file(world.root, SID, prompt(at=200), response("msg_3", at=201))
    world.update()
    append(linking, pr_link(7, at=102))
    append(last, prompt("More", at=300))
    with monkeypatch.context() as patched:
        patched.setattr(settling, "_AT_ONCE", 1)
        patched.setattr(settling, "_by_family", lambda _, ids: [[one] for one in sorted(ids, key=SID.__eq__)])
        stumble_over(patched, settling, "update_session")
        report = world.update()
    assert [fault.session_id for fault in report.faults] == [SID]
    assert report.sessions == sorted([FORK, OTHER])
    linked = "SELECT number FROM changes JOIN sessions ON sessions.id = session WHERE session_id = ?"
    assert world.one(linked, OTHER) == 7


@pytest.mark.parametrize("error", [MemoryError, OSError])
def test_what_hinders_all_alike_is_for_others_to_deal_with(
    two: World, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """It is no session's fault."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(StoredLibrary, "__getitem__", fail)
    with pytest.raises(error):
        two.update()


def test_other_sessions_are_sent(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one is sent when it can be."""
    two.update()
    with monkeypatch.context() as patched:
        stumble_over(patched, StoredLibrary, "__getitem__")
        receiver = Receiver()
        summary = ship(two, receiver, PLACES)
    assert [bool(TOLD.fullmatch(sentence)) for sentence in summary.faults] == [True]
    assert not summary.is_complete
    assert {span.attributes["session.id"] for span in receiver.spans} == {OTHER}
    assert ship(two, receiver, PLACES).is_complete
    assert ids(receiver.spans) == ids(exported(two).spans)


def test_what_was_sent_of_it_is_not_sent_again(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it went wrong in the middle."""
    two.update()
    receiver, batches = Receiver(), export.session_batches

    def stumble(signal: Signal, session: Session, *args: object, **options: object) -> object:
        yield from batches(signal, session, *args, **options)  # type: ignore[arg-type]
        if session.id == SID:
            raise OverflowError("in the middle")

    with monkeypatch.context() as patched:
        patched.setattr(shipping, "session_batches", stumble)
        assert len(ship(two, receiver, PLACES).faults) == 1
    ship(two, receiver, PLACES)
    assert ids(receiver.spans) == ids(exported(two).spans)


def test_a_service_tells_it_once_and_tries_again_every_minute(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All else goes on meanwhile."""
    kept, tried = Kept(two), list[float]()
    began = two.now

    def count(_: object, session: Session, *, include_open: bool) -> None:
        if session.id == SID:
            tried.append(two.now - began)
            raise OverflowError

    with monkeypatch.context() as patched:
        patched.setattr(shipping, "count_session", count)
        for _ in range(14):
            kept.keeper.round(None)
            kept.wait(10)
    assert tried == [0, 60, 120]
    assert [bool(TOLD.fullmatch(sentence)) for sentence in kept.said] == [True]
    assert {span.attributes["session.id"] for span in kept.receiver.spans} == {OTHER}
    kept.wait(60)
    kept.keeper.round(None)
    assert ids(kept.receiver.spans) == ids(exported(two).spans)


def test_a_service_puts_it_together_when_it_can(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a minute, and without turning in circles until then."""
    kept, tried, began = Kept(two), list[float](), two.now
    getting = StoredLibrary.__getitem__

    def stumble(library: StoredLibrary, session_id: str) -> Session:
        if session_id == SID:
            tried.append(two.now - began)
            raise OverflowError
        return getting(library, session_id)

    with monkeypatch.context() as patched:
        patched.setattr(StoredLibrary, "__getitem__", stumble)
        for _ in range(14):
            kept.keeper.round(frozenset())
            kept.wait(10)
    assert set(tried) == {0, 60, 120}
    kept.wait(60)
    kept.keeper.round(frozenset())
    assert two.one("SELECT count(*) FROM unsettled") == 0
