"""Pairing by nearness, where the two sides share no id: one to one, and the same in whatever order they come (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


def nearest_pairs(
    lefts: Sequence[Left], rights: Sequence[Right], distance: Callable[[Left, Right], int | None]
) -> dict[int, int]:
    """Return position on the left → position on the right, nearest pairs first.

    ``distance`` says how far two are from each other, ``None`` that they cannot be a pair. Of equal distances the
    pair that stands first counts: both sides must come in an order of their own.
    """
    found = sorted(
        (far, at, to)
        for at, left in enumerate(lefts)
        for to, right in enumerate(rights)
        if (far := distance(left, right)) is not None
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, at, to in found:
        if at not in pairs and to not in taken:
            pairs[at] = to
            taken.add(to)
    return pairs
