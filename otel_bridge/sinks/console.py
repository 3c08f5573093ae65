"""Telemetry for people: a tree per trace with time, tokens and cost, and a line per event (I/O on a given stream)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TextIO

from otel_bridge import semconv
from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.otlp.encoder import sendable_time
from otel_bridge.telemetry import Batch, LogRecord, Signal, Span


class ConsoleSink:
    """Prints each batch as it comes; spans of a trace that come in several batches make several trees."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._delivery = Delivery()

    def send(self, batch: Batch) -> None:
        """Print a batch; data points are for programs and are skipped."""
        if batch.signal is Signal.METRICS:
            self._delivery += Delivery({batch.signal: Counts(skipped=len(batch.items))})
            return
        spans = [item for item in batch.items if isinstance(item, Span)]
        records = [item for item in batch.items if isinstance(item, LogRecord)]
        for line in (*_traces(spans), *map(_event, records)):
            self._out.write(f"{line}\n")
        self._delivery += Delivery({batch.signal: Counts(accepted=len(batch.items))})

    def flush(self, within_s: float) -> bool:  # noqa: ARG002 - a terminal answers at once
        """There is nothing to send or to wait for."""
        return True

    def close(self) -> Delivery:
        """Flush; the stream stays open, it is not ours."""
        self._out.flush()
        return self._delivery

    def abort(self) -> None:
        """Leave what was printed."""


def _traces(spans: Iterable[Span]) -> Iterator[str]:
    """Write the trees of all traces, in the order of their first spans."""
    traces: dict[bytes, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    for trace_id, members in traces.items():
        costs = [cost for span in members if (cost := _number(span, semconv.COST_AMOUNT)) is not None]
        start_ns = min(span.start_ns for span in members)
        yield _row(f"trace {trace_id.hex()}", _clock(start_ns), _money(sum(costs)) if costs else "")
        yield from _tree(members)


def _tree(spans: list[Span]) -> Iterator[str]:
    """Write spans below their parents, siblings by start; a span whose parent is not here stands at the top."""
    known = {span.span_id for span in spans}
    children: dict[bytes, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start_ns):
        children.setdefault(span.parent_id if span.parent_id in known else b"", []).append(span)
    return _below(b"", children, "")


def _below(parent_id: bytes, children: dict[bytes, list[Span]], indent: str) -> Iterator[str]:
    siblings = children.get(parent_id, [])
    for span in siblings:
        is_last = span is siblings[-1]
        yield f"{indent}{'└─' if is_last else '├─'} {_span(span)}"
        yield from _below(span.span_id, children, indent + ("   " if is_last else "│  "))


def _span(span: Span) -> str:
    read, written = (_number(span, name) for name in (semconv.INPUT_TOKENS, semconv.OUTPUT_TOKENS))
    cost = _number(span, semconv.COST_AMOUNT)
    return _row(
        span.name,
        _duration((span.end_ns - span.start_ns) / 1e9),
        "" if read is None else f"{read:,} → {written or 0:,} tokens",
        "" if cost is None else _money(cost),
        f"error: {span.attributes[semconv.ERROR_TYPE]}" if span.is_error else "",
    )


def _number(span: Span, name: str) -> float | None:
    value = span.attributes.get(name)
    return value if isinstance(value, int | float) else None


def _event(record: LogRecord) -> str:
    attributes = (f"{key}={value}" for key, value in record.attributes.items())
    return _row("event", _clock(record.time_ns), record.event_name, *attributes)


def _row(*cells: str) -> str:
    """Join what is not empty; what a terminal might obey is made visible instead."""
    line = "  ".join(filter(None, cells))
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


def _clock(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(sendable_time(time_ns) // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}Z"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _money(usd: float) -> str:
    return f"${usd:,.4f}"
