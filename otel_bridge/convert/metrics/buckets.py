"""Exponential histograms of one fixed scale, so that merging them loses nothing (pure)."""

from __future__ import annotations

from math import floor, frexp, log2

from otel_bridge.telemetry import Distribution

SCALE = 3
"""Each bound is 2^(1/8) = 1.09 times the one below: a quantile is at most 9 % off."""

_BUCKETS_PER_DOUBLING = 1 << SCALE
_EMPTY_OFFSET = 0


def bucket_index(value: float) -> int:
    """Return the bucket of a positive value: the one whose upper bound is the first not below it.

    Powers of two are bounds and are told exactly; all other bounds are irrational, so no float is one.
    """
    mantissa, exponent = frexp(value)
    if mantissa == 0.5:
        return (exponent - 1) * _BUCKETS_PER_DOUBLING - 1
    return floor(log2(value) * _BUCKETS_PER_DOUBLING)


class Histogram:
    """Values counted so far. They are given as whole numbers, ``per_unit`` of which make one of the metric's unit."""

    def __init__(self, per_unit: int) -> None:
        self._per_unit = per_unit
        self._sum = 0
        self._count = 0
        self._zero_count = 0
        self._counts: dict[int, int] = {}

    def add(self, value: int) -> None:
        """Count one value; what is below 0 (clocks that were set back) counts as 0."""
        self._count += 1
        if value <= 0:
            self._zero_count += 1
            return
        self._sum += value
        index = bucket_index(value / self._per_unit)
        self._counts[index] = self._counts.get(index, 0) + 1

    def distribution(self) -> Distribution:
        """Return the state as it is now."""
        indexes = self._counts.keys()
        low, high = min(indexes, default=_EMPTY_OFFSET), max(indexes, default=_EMPTY_OFFSET - 1)
        return Distribution(
            count=self._count,
            sum=self._sum / self._per_unit,
            scale=SCALE,
            zero_count=self._zero_count,
            offset=low,
            buckets=tuple(self._counts.get(index, 0) for index in range(low, high + 1)),
        )
