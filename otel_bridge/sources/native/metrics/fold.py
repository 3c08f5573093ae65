"""All points of a session, in any order and with repeats → its counters over time (pure).

Points of one series (same resource, same attributes) belong to one process where they share a start time, else to
several, which add up: a restart, a reset, a second process under the same session id (issue 56317). What one process
counted so far is the largest value seen of it, so totals that an old process goes on sending (issue 81991) add nothing.

What cannot be told apart, because the wire has no other sign (no process id, no ``service.instance.id``):

- Values of one series and one start time that fall: a reset that kept its start, or two processes that started in the
  same millisecond. The larger value counts.
- Two deltas of one series over the same two times with different values. The larger one counts.
- Deltas from a time when a process of the same series is known to send totals: the client does either, so something on
  the way sent both. The larger sum counts.

Each series with one of these is a doubt. One more cannot even be seen: a point that came on two ways, of which one adds
to its resource or changes its attributes, is two points.

A point counts at its own time: what comes later never changes what was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple, TypeVar

from otel_bridge.counters import Amount, ClientCounters, Counter, Labels
from otel_bridge.sources.native.metrics.records import NativePoint, point_key

_Key = TypeVar("_Key", bound=Hashable)


_Steps = list[tuple[int, Amount]]
"""Time (ns), and by how much something grew then."""


class _Delta(NamedTuple):
    start_ns: int
    time_ns: int
    value: Amount


class _Stream(NamedTuple):
    """One process that sends totals: what it had come to at each of its times."""

    start_ns: int
    values: tuple[tuple[int, Amount], ...]


def fold_points(session_id: str, points: Iterable[NativePoint]) -> ClientCounters:
    """Return the counters that the points of one session add up to; the order of the points does not matter."""
    known = needed_points(points)
    steps: defaultdict[tuple[str, Labels], _Steps] = defaultdict(list)
    doubts: list[int] = []
    for (name, _), own in _grouped(known, lambda point: (point.metric, point.series)).items():
        series, in_doubt = _series_steps(own)
        steps[name, max((point.labels for point in own), key=_detail)] += series
        doubts += [min(in_doubt)] if in_doubt else []
    return ClientCounters(
        session_id,
        tuple(Counter(name, labels, _changes(steps[name, labels])) for name, labels in sorted(steps)),
        min((point.time_ns for point in known), default=0),
        len(known),
        tuple(sorted(doubts)),
    )


def needed_points(points: Iterable[NativePoint]) -> list[NativePoint]:
    """Return the points that a store has to keep, in a fixed order: no repeats, nothing that says nothing new.

    A process that sends totals sends each every minute, changed or not. The first and the last of equal ones say all
    of it, and one that fell says that something fell. Whatever comes later, the counters are those of
    all points; only the time of a doubt may be later.
    """
    kept: list[NativePoint] = []
    distinct = {point_key(point): point for point in sorted(points, key=lambda point: _detail(point.labels))}
    for _, own in sorted(_grouped(distinct.values(), _process).items()):
        kept += _in_order(own) if not own[0].is_cumulative else _plateaus(_in_order(own))
    return kept


def _process(point: NativePoint) -> tuple[str, bytes, bool, int]:
    return point.metric, point.series, point.is_cumulative, point.start_ns if point.is_cumulative else 0


def _detail(labels: Labels) -> tuple[int, Labels]:
    """Order labels of one series by how much they say: a newer version of this program may keep more of them."""
    return len(labels), labels


def _in_order(points: Iterable[NativePoint]) -> list[NativePoint]:
    """Return points by time, the larger of two at one time first: a lower one after it has fallen."""
    return sorted(points, key=lambda point: (point.time_ns, -point.value, point.start_ns))


def _plateaus(ordered: list[NativePoint]) -> Iterator[NativePoint]:
    """Yield the first and the last of equal values in a row that are the largest so far, and the first that fell."""
    last: NativePoint | None = None
    first: NativePoint | None = None
    has_fallen = False
    for point in ordered:
        if first is not None and point.value < first.value:
            if not has_fallen:
                yield point
            has_fallen = True
        elif first is None or point.value > first.value:
            if last is not None:
                yield last
            yield point
            first, last = point, None
        else:
            last = point
    if last is not None:
        yield last


def _grouped(points: Iterable[NativePoint], key: Callable[[NativePoint], _Key]) -> dict[_Key, list[NativePoint]]:
    groups: defaultdict[_Key, list[NativePoint]] = defaultdict(list)
    for point in points:
        groups[key(point)].append(point)
    return groups


def _changes(steps: Iterable[tuple[int, Amount]]) -> tuple[tuple[int, Amount], ...]:
    """Add up steps; several at one time are one change."""
    by_time: defaultdict[int, Amount] = defaultdict(int)
    for at_ns, amount in steps:
        by_time[at_ns] += amount
    grown = sorted((at_ns, amount) for at_ns, amount in by_time.items() if amount)
    return tuple(zip((at_ns for at_ns, _ in grown), accumulate(amount for _, amount in grown), strict=True))


def _series_steps(points: list[NativePoint]) -> tuple[_Steps, list[int]]:
    """Return by how much a series grew when, and the times at which that is in doubt."""
    deltas, in_doubt = _deltas(point for point in points if not point.is_cumulative)
    streams = []
    totals = _grouped((point for point in points if point.is_cumulative), lambda point: point.start_ns)
    for start_ns, own in totals.items():
        stream, fallen = _stream(start_ns, own)
        streams.append(stream)
        in_doubt += fallen
    if covered := _covered_since(deltas, streams):
        return _larger(deltas, streams, covered), [*in_doubt, *covered.values()]
    steps = [(delta.time_ns, delta.value) for delta in deltas]
    for stream in streams:
        steps += _differences(stream.values)
    return steps, in_doubt


def _deltas(points: Iterable[NativePoint]) -> tuple[list[_Delta], list[int]]:
    largest: dict[tuple[int, int], Amount] = {}
    in_doubt = []
    for point in points:
        times = point.start_ns, point.time_ns
        if largest.get(times, point.value) != point.value:
            in_doubt.append(point.time_ns)
        largest[times] = max(largest.get(times, 0), point.value)
    return [_Delta(*times, value) for times, value in largest.items()], in_doubt


def _stream(start_ns: int, points: list[NativePoint]) -> tuple[_Stream, list[int]]:
    ordered = _in_order(points)
    highest = list(accumulate((point.value for point in ordered), max))
    fallen = [point.time_ns for point, high in zip(ordered, highest, strict=True) if point.value < high]
    return _Stream(start_ns, tuple(zip((point.time_ns for point in ordered), highest, strict=True))), fallen


def _differences(values: Iterable[tuple[int, Amount]]) -> Iterator[tuple[int, Amount]]:
    before: Amount = 0
    for at_ns, value in values:
        yield at_ns, value - before
        before = value


def _is_covered(delta: _Delta, stream: _Stream, known_ns: int) -> bool:
    """Tell whether a delta began before the last time that a process sent totals, and ended after its start."""
    return delta.time_ns > stream.start_ns and delta.start_ns < known_ns


def _larger(deltas: list[_Delta], streams: list[_Stream], since: Mapping[_Delta, int]) -> _Steps:
    """Return the steps of a series that was sent in both forms: of what both may say, the larger.

    ``since`` says which deltas are covered by totals, and from when on.
    """
    alone: defaultdict[int, Amount] = defaultdict(int)
    beside: defaultdict[int, Amount] = defaultdict(int)
    totals: defaultdict[int, Amount] = defaultdict(int)
    for delta in deltas:
        alone[delta.time_ns] += delta.value
        if delta in since:
            alone[since[delta]] -= delta.value
            beside[since[delta]] += delta.value
    for stream in streams:
        for at_ns, step in _differences(stream.values):
            totals[at_ns] += step
    steps: _Steps = []
    uncovered: Amount = 0
    covered: Amount = 0
    counted: Amount = 0
    highest: Amount = 0
    for now_ns in sorted({*alone, *beside, *totals}):
        uncovered, covered, counted = uncovered + alone[now_ns], covered + beside[now_ns], counted + totals[now_ns]
        if (total := uncovered + max(covered, counted)) > highest:
            steps.append((now_ns, total - highest))
            highest = total
    return steps


def _covered_since(deltas: list[_Delta], streams: list[_Stream]) -> dict[_Delta, int]:
    """Return the deltas that totals cover, and the time from which that is known."""
    since: dict[_Delta, int] = {}
    for stream in streams:
        times = [at_ns for at_ns, _ in stream.values]
        for delta in deltas:
            if _is_covered(delta, stream, times[-1]):
                known_ns = max(delta.time_ns, times[bisect_right(times, delta.start_ns)])
                since[delta] = min(known_ns, since.get(delta, known_ns))
    return since
