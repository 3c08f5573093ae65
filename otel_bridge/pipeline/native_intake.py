"""What a receiver takes: the client's own telemetry into the index, everything else on to the next hop (I/O)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import structs

from otel_bridge.pipeline.index.natives import Inbox
from otel_bridge.receiving.intake import Export, Intake, Refused, Taken
from otel_bridge.receiving.signals import WIRES
from otel_bridge.sources.native.metrics.points import MetricReading, read_metrics
from otel_bridge.sources.native.wire import Reading, read_logs, read_traces, rest
from otel_bridge.telemetry import Signal

_READERS: dict[Signal, Callable[[Any], Reading | MetricReading]] = {
    Signal.LOGS: read_logs,
    Signal.TRACES: read_traces,
    Signal.METRICS: read_metrics,
}

_STORED_WITHIN_S = 8.0
"""Clients wait ten seconds for an answer."""

_UNUSABLE = "points without a session, a time or a value"
"""Each is counted with its own reason."""


class NativeIntake:
    """Takes requests; any number of threads may call it. Stored first: what is sent again then does no harm."""

    def __init__(self, inbox: Inbox, onward: Intake | None, *, keeps_originals: bool = False) -> None:
        """``onward`` takes what is not for the index; without it nobody does, and the sender is told.

        ``keeps_originals`` stores all that spans say but texts, not only what is made use of.
        """
        self._inbox = inbox
        self._onward = onward
        self._readers = _READERS
        if keeps_originals:
            self._readers = _READERS | {Signal.TRACES: partial(read_traces, keeps_original=True)}

    def __call__(self, export: Export) -> Taken | Refused:
        """Store the records of a request and pass the rest of it on."""
        message = export.message
        reading = self._readers[export.signal](message)
        answer = self._share_out(export, message, reading)
        if isinstance(answer, Refused):
            return answer
        problems = Counter(problem.reason for problem in reading.problems)
        return structs.replace(answer, kept=len(reading.records), problems=problems)

    def _share_out(self, export: Export, message: Any, reading: Reading | MetricReading) -> Taken | Refused:
        if reading.records and not self._inbox.put(reading.records, _STORED_WITHIN_S):
            return Refused("the index cannot be written at the moment", is_retryable=True)
        others = _others(export, message, reading)
        answer = Taken() if others is None else self._pass_on(others)
        items = 0 if others is None else others.items
        if isinstance(answer, Refused):
            if reading.foreign or answer.is_retryable:
                return answer
            answer = Taken(items, answer.reason)  # of a failure the client would tell its user
        unusable = export.items - items - len(reading.records)
        if not unusable:
            return answer
        return structs.replace(answer, rejected=answer.rejected + unusable, reason=answer.reason or _UNUSABLE)

    def _pass_on(self, export: Export) -> Taken | Refused:
        if self._onward is not None:
            return self._onward(export)
        return Taken(export.items, "not for the index, and no endpoint is set to pass it on to")


def _others(export: Export, message: Any, reading: Reading | MetricReading) -> Export | None:
    """Return what is to be passed on of a request, ``None`` for nothing."""
    if not reading.records:
        return export
    if not (reading.foreign or reading.left):
        return None
    others = rest(message, reading)
    items = sum(1 for _ in WIRES[export.signal].attributed(others))
    return Export(export.signal, others.SerializeToString(), items, export.decode)
