"""Transcripts that grow while telemetry comes in, request by request, and all that is known sent now and then."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from otel_bridge import semconv
from otel_bridge.pipeline.index.natives import take_records
from otel_bridge.sources.native.metrics.points import read_metrics
from otel_bridge.sources.native.metrics.records import NativePoint
from otel_bridge.sources.native.records import NativeRecord
from otel_bridge.sources.native.wire import read_logs, read_traces
from otel_bridge.telemetry import DataPoint
from tests.captures import RUNS, read_sessions, unpack_transcripts
from tests.native import log_requests, metric_requests, trace_requests
from tests.pipeline.index.receiver import Receiver, exported, ids, ship
from tests.pipeline.index.test_halfway import at_once
from tests.pipeline.index.world import BRANCH, World, append
from tests.transcripts import OTHER, SID, pr_link, prompt, response, session_file
from tests.views import COMPARABLE, METRICS, Key, Series, View, expected_series, key
from tests.waterfall import exact

Step = Callable[[World], object]
ORDERS = ("logs traces", "traces logs", "metrics logs traces", "traces metrics logs", "shuffled")
"""In which the signals of a run come. What comes of logs and traces within five seconds may come in any order."""


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("run", RUNS)
def test_series_end_as_if_all_had_been_known_at_once(run: str, order: str, tmp_path: Path) -> None:
    """Whatever was sent when less was known, and whichever part of it: nothing of that stands in the end."""
    transcripts, chance = unpack_transcripts(run, tmp_path), random.Random(f"{run} {order}")
    wanted = stored(at_once(run, transcripts, tmp_path).points)
    if run in COMPARABLE:
        for session in read_sessions(transcripts).values():
            assert wanted[session.id] == expected_series(run, session, View.BOTH)
    world, receiver = World(tmp_path / "pieces", in_memory=True), Receiver()
    for step in merged(list(requests(run, order, chance)), list(growth(transcripts, chance)), chance):
        step(world)
        if chance.random() < 0.4:
            world.update()
            ship(world, receiver)
    world.update()
    ship(world, receiver)
    assert stored(receiver.points) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_each_call_is_one_span_whatever_came_first(run: str, tmp_path: Path) -> None:
    """Each part is sent before the next one comes; where calls have no ids (before 2.1.181), events before spans."""
    transcripts, chance = unpack_transcripts(run, tmp_path), random.Random(run)
    for parts in permutations(["files", "logs", "traces"]):
        if run not in COMPARABLE and parts.index("traces") < parts.index("logs"):
            continue
        world, receiver = World(tmp_path / "-".join(parts), in_memory=True), Receiver()
        for part in parts:
            for step in growth(transcripts, chance) if part == "files" else requests(run, part, chance):
                step(world)
            world.update()
            ship(world, receiver)
        spans = [span for span in receiver.spans if span.attributes.get(semconv.OPERATION_NAME) == semconv.OP_CHAT]
        assert len(ids(spans)) == len(spans) == sum(len(list(session.calls())) for session in world.library()), parts


@pytest.mark.parametrize("first", ["logs", "traces"])
def test_series_of_the_signal_that_came_first_end_at_0(first: str, tmp_path: Path) -> None:
    """Events do not say which model was asked for, spans not what for: without the other one a series is another."""
    run, receiver, world = "2.1.181/turns", Receiver(), World(tmp_path)
    transcripts = unpack_transcripts(run, tmp_path)
    for order in (first, "traces" if first == "logs" else "logs"):
        for step in requests(run, order, random.Random(0)):
            step(world)
        world.update()
        ship(world, receiver)
    found = stored(receiver.points)
    for session in read_sessions(transcripts).values():
        assert found[session.id] == expected_series(run, session, View.TELEMETRY)


def test_a_last_event_that_turns_out_to_be_earlier_does_not_outlast_the_truth(tmp_path: Path) -> None:
    """Money moved when another session linked the branch; then it is read that the session had a link long before."""
    world, receiver = World(tmp_path), Receiver()
    own = session_file(world.root, SID, prompt("Go", **BRANCH), response("msg_1", at=1, **BRANCH))
    session_file(world.root, OTHER, prompt(at=60, **BRANCH), response("msg_o", at=61, **BRANCH), pr_link(8, at=62))
    world.update()
    ship(world, receiver)
    append(own, pr_link(7, at=3), prompt(at=4, **BRANCH), response("msg_2", at=5, **BRANCH))
    world.update()
    ship(world, receiver)
    found, wanted = (stored(points) for points in (receiver.points, exported(world).points))
    assert found == wanted
    assert found.keys() == {SID, OTHER}


def requests(run: str, order: str, chance: random.Random) -> Iterator[Step]:
    """Yield the steps in which an index is told what the client sent, in the order of the signals that is named."""
    sent = {
        "logs": [read_logs(request).records for request in log_requests(run)],
        "traces": [read_traces(request).records for request in trace_requests(run)],
        "metrics": [read_metrics(request).records for request in metric_requests(run)],
    }
    names = list(sent) if order == "shuffled" else order.split()
    told = [records for name in names for records in sent[name]]
    if order == "shuffled":
        chance.shuffle(told)
    for records in told:
        yield partial(_take, records)


def growth(transcripts: Path, chance: random.Random) -> Iterator[Step]:
    """Yield the steps in which the files grow, all of them a few lines at a time."""
    files = {path: path.read_bytes().splitlines(keepends=True) for path in sorted(transcripts.rglob("*.*"))}
    for path, lines in files.items():
        if path.suffix != ".jsonl":
            yield partial(_append, path.relative_to(transcripts), lines)
    count = chance.randint(3, 9)
    for part in range(count):
        for path, lines in files.items():
            piece = lines[part * len(lines) // count : (part + 1) * len(lines) // count]
            if piece and path.suffix == ".jsonl":
                yield partial(_append, path.relative_to(transcripts), piece)


def merged(one: list[Step], other: list[Step], chance: random.Random) -> Iterator[Step]:
    """Yield the steps of both, each in its own order."""
    while one or other:
        own = one if chance.random() * (len(one) + len(other)) < len(one) else other
        yield own.pop(0)


def stored(points: Sequence[DataPoint]) -> dict[str, Series]:
    """Return what a store that keeps the first value of each millisecond reads in the end, zeros left out."""
    kept: dict[tuple[str, Key], dict[int, float]] = defaultdict(dict)
    for point in points:
        if point.metric in METRICS:
            name = str(point.attributes[semconv.SESSION_ID]), key(point.metric, point.attributes)
            kept[name].setdefault(point.time_ns // 1_000_000, amount(point))
    found: dict[str, Series] = defaultdict(dict)
    for (session_id, name), values in kept.items():
        if last := values[max(values)]:
            found[session_id][name] = exact(Decimal(str(last)))
    return found


def amount(point: DataPoint) -> float:
    assert isinstance(point.value, int | float)
    return point.value


def _take(records: Sequence[NativeRecord | NativePoint], world: World) -> None:
    take_records(world.place, records)


def _append(place: Path, lines: Sequence[bytes], world: World) -> None:
    path = world.projects / place
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(lines)
