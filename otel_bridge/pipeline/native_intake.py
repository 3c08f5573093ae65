"""What a receiver takes: the client's own telemetry into the index, everything else on to the next hop (I/O)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec import structs

from otel_bridge.pipeline.index.natives import Inbox
from otel_bridge.receiving.intake import Export, Intake, Refused, Taken
from otel_bridge.sources.native.wire import Reading, read_logs, read_traces, rest
from otel_bridge.telemetry import Signal

_READERS: dict[Signal, Callable[[Any], Reading]] = {Signal.LOGS: read_logs, Signal.TRACES: read_traces}

_STORED_WITHIN_S = 8.0
"""Clients wait ten seconds for an answer."""


class NativeIntake:
    """Takes requests; any number of threads may call it. Stored first: what is sent again then does no harm."""

    def __init__(self, inbox: Inbox, onward: Intake | None) -> None:
        """``onward`` takes what is not for the index; without it nobody does, and the sender is told."""
        self._inbox = inbox
        self._onward = onward

    def __call__(self, export: Export) -> Taken | Refused:
        """Store the records of a request and pass the rest of it on."""
        read = _READERS.get(export.signal)
        if read is None:
            return self._pass_on(export)
        message = export.message
        reading = read(message)
        answer = self._share_out(export, message, reading)
        if isinstance(answer, Refused):
            return answer
        problems = Counter(problem.reason for problem in reading.problems)
        return structs.replace(answer, kept=len(reading.records), problems=problems)

    def _share_out(self, export: Export, message: Any, reading: Reading) -> Taken | Refused:
        if not reading.records:
            return self._pass_on(export)
        if not self._inbox.put(reading.records, _STORED_WITHIN_S):
            return Refused("the index cannot be written at the moment", is_retryable=True)
        if not (reading.foreign or reading.left):
            return Taken()
        items = export.items - len(reading.records)
        left = Export(export.signal, rest(message, reading).SerializeToString(), items, export.decode)
        answer = self._pass_on(left)
        if isinstance(answer, Refused) and not reading.foreign:
            return Taken(items, answer.reason)  # events nobody makes anything of are not worth all others again
        return answer

    def _pass_on(self, export: Export) -> Taken | Refused:
        if self._onward is not None:
            return self._onward(export)
        return Taken(export.items, "not for the index, and no endpoint is set to pass it on to")
