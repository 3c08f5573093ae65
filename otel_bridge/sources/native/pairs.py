"""Pairing by nearness in time, where two sides share no id: one to one, whatever order they come in (pure)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


def nearest_pairs(
    lefts: Sequence[tuple[int, Left]],
    rights: Sequence[tuple[int, Right]],
    reach_ns: tuple[int, int],
    fits: Callable[[Left, Right], bool],
) -> Iterator[tuple[Left, Right]]:
    """Yield pairs, the nearest first; both sides come with their times.

    A right one may be from ``reach_ns[0]`` to ``reach_ns[1]`` after its left one. Of equally near pairs the one that
    stands first counts, so both sides must come in an order that is always the same.
    """
    by_time = sorted(range(len(rights)), key=lambda to: (rights[to][0], to))
    times = [rights[to][0] for to in by_time]
    found = []
    for at, (left_ns, left) in enumerate(lefts):
        first, last = bisect_left(times, left_ns + reach_ns[0]), bisect_right(times, left_ns + reach_ns[1])
        for to in by_time[first:last]:
            right_ns, right = rights[to]
            if fits(left, right):
                found.append((abs(right_ns - left_ns), at, to))
    taken_lefts: set[int] = set()
    taken_rights: set[int] = set()
    for _, at, to in sorted(found):
        if at not in taken_lefts and to not in taken_rights:
            taken_lefts.add(at)
            taken_rights.add(to)
            yield lefts[at][1], rights[to][1]
