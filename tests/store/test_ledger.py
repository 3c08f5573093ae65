from __future__ import annotations

import sqlite3

import msgspec
import pytest
from msgspec.structs import replace

from otel_bridge.store import ledger
from otel_bridge.store.ledger import SentSeries
from otel_bridge.store.rows import session_rows
from otel_bridge.store.tables import update_session
from tests.builders import at_ns, session
from tests.store.index import index_of

TRACES, METRICS = "traces to http://one:4318", "metrics to http://one:4318"


@pytest.fixture
def index() -> sqlite3.Connection:
    """Return an index of three sessions, ``a`` the newest."""
    sessions = [session(session_id=name, started_ns=at_ns(n), ended_ns=at_ns(n)) for n, name in enumerate("cba")]
    return index_of(*sessions)


def test_a_target_has_one_number_for_ever(index: sqlite3.Connection) -> None:
    """One that nothing was sent to yet has none, and asking gives it none."""
    assert ledger.known_target(index, TRACES) is None
    number = ledger.target_id(index, TRACES)
    assert ledger.target_id(index, TRACES) == ledger.known_target(index, TRACES) == number
    assert ledger.target_id(index, METRICS) != number


def test_ids_are_known_to_the_target_that_took_them(index: sqlite3.Connection) -> None:
    """However many are asked for at a time: SQLite takes a limited number of values."""
    one, other = ledger.target_id(index, TRACES), ledger.target_id(index, METRICS)
    keys = [number.to_bytes(8, "big") for number in range(1, 1700)]
    ledger.note_sent(index, one, keys[:1600])
    assert ledger.sent_keys(index, one, keys) == set(keys[:1600])
    assert ledger.sent_keys(index, other, keys) == set()
    assert ledger.sent_keys(index, one, []) == set()


def test_an_id_may_be_noted_again(index: sqlite3.Connection) -> None:
    """An answer that was lost is given twice."""
    target = ledger.target_id(index, TRACES)
    for _ in range(2):
        ledger.note_sent(index, target, [b"12345678"])
    assert index.execute("SELECT count(*) FROM sent").fetchone() == (1,)


def test_a_target_has_a_revision_of_a_session_and_how_far_its_series_go(index: sqlite3.Connection) -> None:
    """Fingerprints are of 64 bits, without sign."""
    target = ledger.target_id(index, METRICS)
    assert ledger.shipped_revision(index, target, "a") is None
    assert ledger.shipped_series(index, target, "a") == {}
    ledger.note_shipped(index, target, "a", 1, {1: SentSeries(2)})
    attributes = {"gen_ai.request.model": "claude", "count": 3, "share": 0.5, "is_open": False}
    series = {2**64 - 1: SentSeries(1_772_442_060_000, 7, "a.metric", attributes), 0: SentSeries(5)}
    ledger.note_shipped(index, target, "a", 3, series)
    assert ledger.shipped_revision(index, target, "a") == 3
    assert ledger.shipped_series(index, target, "a") == series
    assert ledger.shipped_revision(index, ledger.target_id(index, TRACES), "a") is None


def test_what_older_versions_noted_of_series_is_how_far_they_go(index: sqlite3.Connection) -> None:
    """They kept fingerprints and times alone. What cannot be read is nothing: points may come twice."""
    target = ledger.target_id(index, METRICS)
    ledger.note_shipped(index, target, "a", 3, {})
    for stored, known in ((msgspec.msgpack.encode({1: 2}), {1: SentSeries(2)}), (b"x", {}), (b"", {}), (b"\xc1", {})):
        index.execute("UPDATE shipped SET series = ?", (stored,))
        assert ledger.shipped_series(index, target, "a") == known


def test_a_new_target_lacks_all_sessions_the_newest_first(index: sqlite3.Connection) -> None:
    """Live work goes before history; of equals the id decides."""
    assert ledger.pending_sessions(index, None) == ["a", "b", "c"]
    assert ledger.pending_sessions(index, ledger.target_id(index, TRACES)) == ["a", "b", "c"]


def test_a_target_lacks_what_has_changed_since(index: sqlite3.Connection) -> None:
    """The revision tells: any row of a session that changed makes another one."""
    target, other = ledger.target_id(index, TRACES), ledger.target_id(index, METRICS)
    for name in "abc":
        ledger.note_shipped(index, target, name, 1, {})
    assert ledger.pending_sessions(index, target) == []
    changed = session(session_id="b", started_ns=at_ns(1), ended_ns=at_ns(1))
    update_session(index, session_rows(changed))
    assert ledger.pending_sessions(index, target) == []
    update_session(index, session_rows(replace(changed, title="Another")))
    assert ledger.pending_sessions(index, target) == ["b"]
    assert ledger.pending_sessions(index, other) == ["a", "b", "c"]
