"""Sessions → spans, events and metrics → a sink."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from otel_bridge.convert import ConvertOptions, session_events, session_spans
from otel_bridge.convert.metrics import NOTHING_SENT, MergedMetrics, Sent, session_metrics
from otel_bridge.convert.runs import turn_runs
from otel_bridge.model import Problem, Session, Turn
from otel_bridge.sinks import Delivery, Sink
from otel_bridge.telemetry import Batch, Signal

_MAX_PROBLEMS = 100


class ExportSummary(Struct):
    """What an export made and what became of it."""

    sessions: int = 0
    """Sessions with at least one turn of their own."""
    turns: int = 0
    open_turns: int = 0
    """Turns that may still grow: held back, to be sent once they are over."""
    spans: int = 0
    """Made and handed to the sink, as ``events`` and ``data_points``: what was taken of them is in ``delivery``."""
    events: int = 0
    data_points: int = 0
    calls: int = 0
    """Model calls in the turns that are not held back."""
    cost_usd: Decimal = Decimal(0)
    """Cost of those calls; unpriced ones are not in it."""
    unpriced_calls: int = 0
    delivery: Delivery = Delivery()
    faults: list[str] = []
    """Sessions that could not be converted, in a sentence each."""
    problem_count: int = 0
    problems: list[Problem] = []
    """The first ones."""

    def __iadd__(self, other: ExportSummary) -> ExportSummary:
        """Add what another export did; of its problems only the number."""
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def is_complete(self) -> bool:
        """True when the receiver was offered everything that was meant for it, and took it."""
        return self.delivery.is_complete and not self.faults


_ADDED = (
    "sessions", "turns", "open_turns", "spans", "events", "data_points", "calls", "cost_usd", "unpriced_calls",
    "delivery", "faults", "problem_count",
)  # fmt: skip


def export_sessions(
    sessions: Iterable[Session],
    sink: Sink,
    options: ConvertOptions,
    *,
    signals: Collection[Signal] = tuple(Signal),
    lesser_views: Callable[[str], Iterable[Session]] = lambda _: (),
    progress: Callable[[Session], None] = lambda _: None,
) -> ExportSummary:
    """Convert and send sessions one by one; close the sink and return the summary.

    ``lesser_views`` gives a session as who knows less sees it. On any exception the sink is aborted, so that a file it
    was writing is not published half.
    """
    summary = ExportSummary()
    merged = MergedMetrics(options)
    try:
        for session in sessions:
            count_session(summary, session, include_open=options.include_open)
            for signal in (signal for signal in Signal if signal in signals):
                for batch in session_batches(signal, session, options, lesser_views):
                    count_batch(summary, batch)
                    sink.send(batch)
            if Signal.METRICS in signals and not options.metrics_by_session:
                merged.add(session)
            progress(session)
        for batch in merged.batches():
            count_batch(summary, batch)
            sink.send(batch)
    except BaseException:
        sink.abort()
        raise
    summary.delivery = sink.close()
    return summary


def session_batches(
    signal: Signal,
    session: Session,
    options: ConvertOptions,
    lesser_views: Callable[[str], Iterable[Session]],
    wants_open: Callable[[Turn], bool] = lambda _: False,
    *,
    sent: Sent = NOTHING_SENT,
) -> Iterator[Batch]:
    """Yield what a session is as a signal; of turns that may still grow, those that are wanted.

    ``sent`` is what a target has of its metrics.
    """
    match signal:
        case Signal.TRACES:
            yield from session_spans(session, options, wants_open)
        case Signal.LOGS:
            yield from session_events(session, options)
        case Signal.METRICS if options.metrics_by_session:
            yield from session_metrics(session, options, lesser_views(session.id), sent)


def count_batch(summary: ExportSummary, batch: Batch) -> None:
    """Count what is handed to a sink."""
    match batch.signal:
        case Signal.TRACES:
            summary.spans += len(batch.items)
        case Signal.LOGS:
            summary.events += len(batch.items)
        case Signal.METRICS:
            summary.data_points += len(batch.items)


def count_session(summary: ExportSummary, session: Session, *, include_open: bool) -> None:
    """Count what a session has."""
    summary.sessions += bool(session.turns)
    summary.turns += len(session.turns)
    if not include_open:
        summary.open_turns += sum(not turn.is_complete for turn in session.turns)
    summary.problem_count += session.problem_count
    summary.problems.extend(session.problems[: max(0, _MAX_PROBLEMS - len(summary.problems))])
    sent = (turn for turn in session.turns if turn.is_complete or include_open)
    runs = (run for turn in sent for run in turn_runs(session, turn, include_open=include_open))
    for call in (call for run in runs for call in run.calls):
        summary.calls += 1
        if call.cost_usd is None:
            summary.unpriced_calls += 1
        else:
            summary.cost_usd += call.cost_usd
