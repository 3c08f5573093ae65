"""One sink that stands for several: each gets everything, or each the signals that are its (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_bridge.sinks import Counts, Delivery, Sink
from otel_bridge.telemetry import Batch, Signal


class FanOut:
    """Sends every batch to all of its sinks; an item counts once for each."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def send(self, batch: Batch) -> None:
        """Hand a batch to all sinks, one after the other."""
        for sink in self._sinks:
            sink.send(batch)

    def flush(self, within_s: float) -> bool:
        """Flush all sinks; they are waited for together."""
        for sink in self._sinks:
            sink.flush(0)
        return all(sink.flush(within_s) for sink in self._sinks)

    def close(self) -> Delivery:
        """Close all sinks and add up their accounts. If one fails, the others are aborted."""
        try:
            return sum((sink.close() for sink in self._sinks), start=Delivery())
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Abort all sinks."""
        for sink in self._sinks:
            sink.abort()


class BySignal(FanOut):
    """Sends every batch to the sink of its signal; a signal without a sink is skipped, and counted so."""

    def __init__(self, sinks: Mapping[Signal, Sink]) -> None:
        super().__init__(list(sinks.values()))
        self._by_signal = sinks
        self._skipped = Delivery()

    def send(self, batch: Batch) -> None:
        """Hand a batch to the sink of its signal, if there is one."""
        if sink := self._by_signal.get(batch.signal):
            sink.send(batch)
        else:
            self._skipped += Delivery({batch.signal: Counts(skipped=len(batch.items))})

    def close(self) -> Delivery:
        """Close all sinks; add up their accounts and what was skipped."""
        return super().close() + self._skipped
