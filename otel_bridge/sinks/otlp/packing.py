"""Batches become requests of a bounded size, and a request can be cut in half (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import cast

from msgspec import Struct

from otel_bridge.sinks.otlp.encoder import Encoder, Group, Item
from otel_bridge.telemetry import Batch, Resource

MIB = 1024 * 1024
_CHUNK = 128
"""So many items are encoded at a time; of a large batch, never all."""
_SEPARATOR_BYTES = 1
"""JSON puts a comma between items."""


class Limits(Struct, frozen=True):
    """How large a request may grow. A single item larger than that travels alone."""

    max_items: int = 2048
    """From 256 to 4096 is equally fast (measured)."""
    max_bytes: int = 4 * MIB
    """Before compression; a gRPC server takes no more unless told to."""
    one_batch_per_request: bool = False
    """For receivers that refuse a request as a whole: the fault of one batch stays its own."""


DEFAULT_LIMITS = Limits()
METRIC_LIMITS = Limits(one_batch_per_request=True)
"""Prometheus takes back all of a request of which it refuses one point (measured on 3.15)."""


class Request(Struct):
    """Items of one signal that travel together, in the order they came."""

    groups: list[Group]

    def __len__(self) -> int:
        return sum(len(group.items) for group in self.groups)

    @property
    def items(self) -> list[Item]:
        """The items of all groups."""
        return list(chain.from_iterable(group.items for group in self.groups))

    @property
    def encoded_bytes(self) -> int:
        """The size of all items, encoded."""
        return sum(len(encoded) for group in self.groups for encoded in group.encoded)

    def halves(self) -> tuple[Request, Request]:
        """Cut the items into a first and a second half. Needs at least two."""
        middle = len(self) // 2
        return self._part(0, middle), self._part(middle, len(self))

    def _part(self, start: int, end: int) -> Request:
        groups = []
        for group in self.groups:
            part = slice(max(start, 0), max(end, 0))
            if group.items[part]:
                groups.append(Group(group.resource, group.head, group.items[part], group.encoded[part]))
            start, end = start - len(group.items), end - len(group.items)
        return Request(groups)


class Packer:
    """Collects batches of one signal and gives them out as full requests."""

    def __init__(self, encoder: Encoder, limits: Limits) -> None:
        self.max_bytes: float = limits.max_bytes
        """May be lowered at any time, when a receiver turns out to take less."""
        self._encoder = encoder
        self._limits = limits
        self._groups: list[Group] = []
        self._items = 0
        self._bytes = 0

    def add(self, batch: Batch) -> Iterator[Request]:
        """Yield the requests that this batch fills up."""
        if self._limits.one_batch_per_request:
            yield from self.flush()
        head = self._encoder.head(batch.resource)
        for start in range(0, len(batch.items), _CHUNK):
            items = cast("Sequence[Item]", batch.items[start : start + _CHUNK])
            encoded = self._encoder.items(items)
            if self._append(batch.resource, head, items, encoded):
                continue
            for item, data in zip(items, encoded, strict=True):
                if not self._append(batch.resource, head, [item], [data]):
                    yield from self.flush()
                    self._append(batch.resource, head, [item], [data])

    def flush(self) -> Iterator[Request]:
        """Yield the request begun, if anything is in it."""
        if self._items:
            request = Request(self._groups)
            self._groups, self._items, self._bytes = [], 0, 0
            yield request

    def _append(self, resource: Resource, head: bytes, items: Sequence[Item], encoded: list[bytes]) -> bool:
        """Put items into the request begun, unless they overfill it; say whether they are in it."""
        more_bytes = sum(map(len, encoded)) + len(items) * _SEPARATOR_BYTES
        if not self._continues(resource):
            more_bytes += len(head) + self._encoder.frame_bytes
        is_full = self._items + len(items) > self._limits.max_items or self._bytes + more_bytes > self.max_bytes
        if is_full and self._items + len(items) > 1:
            return False
        if not self._continues(resource):
            self._groups.append(Group(resource, head, [], []))
        self._groups[-1].items.extend(items)
        self._groups[-1].encoded.extend(encoded)
        self._items += len(items)
        self._bytes += more_bytes
        return True

    def _continues(self, resource: Resource) -> bool:
        return bool(self._groups) and self._groups[-1].resource == resource
