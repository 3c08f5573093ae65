"""Transcript, telemetry or both: the same series of cost and tokens, but for what has a name (2.1.181 and later)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from otel_bridge.convert import ConvertOptions
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.model import Session
from otel_bridge.prices import price_call
from otel_bridge.sources.native.assemble.session import native_session
from otel_bridge.sources.native.join import join_session
from otel_bridge.telemetry import DataPoint
from tests.captures import FAR_FUTURE_NS, read_sessions, unpack_transcripts
from tests.native import native_records
from tests.native_metrics import native_counters
from tests.views import COMPARABLE, METRICS, Key, Named, Series, View, expected_series, key, named_differences
from tests.waterfall import exact

FOUND = {
    "2.1.181/basic": [set()],
    "2.1.181/compact": [set()],
    "2.1.181/turns": [{Named.MODEL_ASKED_FOR}, set(), {Named.MODEL_ASKED_FOR, Named.FINAL_OUTPUT}],
    "2.1.329/basic": [set()],
    "2.1.329/compact": [{Named.UNRECORDED_CALLS, Named.CLIENTS_TOTAL}],
    "2.1.329/turns": [
        {Named.MODEL_ASKED_FOR, Named.CLIENTS_TOTAL},
        set(),
        {Named.MODEL_ASKED_FOR, Named.CLIENTS_TOTAL},
    ],
}
"""What the views of each session differ by, sessions in the order they began."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


@pytest.fixture(params=COMPARABLE)
def run(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recorded(run: str, folder: Path) -> list[Session]:
    """Return the sessions as their transcripts have them, in the order they began."""
    found = read_sessions(unpack_transcripts(run, folder)).values()
    return sorted(found, key=lambda session: session.started_ns)


def seen(run: str, session: Session, view: View) -> Session:
    """Return a session as it is known from the transcript, from the client's telemetry or from both."""
    if view is View.TRANSCRIPT:
        return session
    records = native_records(run)[session.id]
    told = (
        native_session(session.id, records, FAR_FUTURE_NS, price_call)
        if view is View.TELEMETRY
        else join_session(session, records, price_call, FAR_FUTURE_NS)
    )
    return replace(told, client_counters=native_counters(run)[session.id])


def final_series(session: Session) -> Series:
    """Return what the series of cost and tokens read in the end, those that read 0 left out."""
    last: dict[Key, DataPoint] = {}
    for batch in session_metrics(session, ConvertOptions()):
        for point in batch.items:
            assert isinstance(point, DataPoint)
            if point.metric in METRICS:
                name = key(point.metric, point.attributes)
                last[name] = max(point, last.get(name, point), key=lambda point: point.time_ns)
    return {name: exact(Decimal(str(point.value))) for name, point in last.items() if point.value}


@pytest.mark.parametrize("view", View)
def test_series_of_each_view_are_those_of_the_rules(run: str, recorded: list[Session], view: View) -> None:
    """Label by label and to the last digit, with the client's own counters there and not counted again."""
    for session in recorded:
        assert final_series(seen(run, session, view)) == expected_series(run, session, view)


def test_views_differ_by_what_has_a_name_alone(run: str, recorded: list[Session]) -> None:
    """A session that no name applies to has the same series whoever tells of it, and the names are these."""
    assert [named_differences(run, session) for session in recorded] == FOUND[run]
    for session in recorded:
        views = [final_series(seen(run, session, view)) for view in View]
        if not named_differences(run, session):
            assert views[0] == views[1] == views[2]
        else:
            assert views[0] != views[1]
