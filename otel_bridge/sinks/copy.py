"""A sink of which a copy is kept: of what was answered for good, and of nothing else (I/O through both)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from otel_bridge.errors import DeliveryError
from otel_bridge.sinks import Delivery, Sink
from otel_bridge.telemetry import Batch, Resource, Signal

if TYPE_CHECKING:
    from otel_bridge.sinks.otlp.delivery import OnSettled
    from otel_bridge.sinks.otlp.encoder import Item


class CopyingSink:
    """Sends to one sink, and to another what that one has settled: while it is away the copy does not grow.

    An item is told to be settled when it is in the copy too; one that cannot be written is sent again some time.
    """

    def __init__(self, open_sink: Callable[[OnSettled], Sink], copy: Sink, on_settled: OnSettled) -> None:
        self._copy = copy
        self._on_settled = on_settled
        self._resources: dict[int, Resource] = {}
        """By the identity of the item: the sink holds it until it is settled."""
        self._sink = open_sink(self._settled)

    def send(self, batch: Batch) -> None:
        """Hand a batch over."""
        self._resources.update((id(item), batch.resource) for item in batch.items)
        self._sink.send(batch)

    def flush(self, within_s: float) -> bool:
        """Send the rest, wait so long, and tell whether all is answered. DeliveryError if it cannot be copied."""
        is_answered = self._sink.flush(within_s)
        self._copy.flush(0)
        return is_answered

    def close(self) -> Delivery:
        """Send the rest and wait for all answers; the account is that of the sink."""
        delivery = self._sink.close()
        self._copy.close()
        return delivery

    def abort(self) -> None:
        """Send nothing more; what was settled is copied."""
        self._sink.abort()
        with suppress(DeliveryError):
            self._copy.close()

    def _settled(self, signal: Signal, items: Sequence[Item]) -> None:
        for resource, same in groupby(items, key=lambda item: self._resources.pop(id(item))):
            self._copy.send(Batch(signal, resource, list(same)))  # type: ignore[arg-type]  # of one kind
        self._on_settled(signal, items)
