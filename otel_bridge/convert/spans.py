"""A session as spans: one trace per turn, agents over their model calls and tools (pure).

A span says only what was known when its turn was over: titles, totals and pull requests found later stay out, so that
a session re-read as a whole gives the bytes that were sent while it was live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import structs

from otel_bridge.convert.agents import subagent_span, turn_span
from otel_bridge.convert.chat import chat_span
from otel_bridge.convert.client_spans import with_client_spans
from otel_bridge.convert.options import ConvertOptions, turn_resource
from otel_bridge.convert.runs import Run, turn_runs
from otel_bridge.convert.tools import tool_span
from otel_bridge.model import Session, Turn
from otel_bridge.telemetry import Batch, Signal, Span


def session_spans(
    session: Session, options: ConvertOptions, wants_open: Callable[[Turn], bool] = lambda _: False
) -> Iterator[Batch]:
    """Yield one batch per turn that is over, in turn order; neighbours mostly share a resource and may be merged.

    A turn that may still grow comes too if it is wanted (or all such are: ``include_open``).
    """
    all_of_it = structs.replace(options, include_open=True)
    for turn in session.turns:
        if spans := turn_spans(session, turn, all_of_it if wants_open(turn) else options):
            yield Batch(Signal.TRACES, turn_resource(session, turn, options), spans)


def turn_spans(session: Session, turn: Turn, options: ConvertOptions) -> list[Span]:
    """Return the trace of one turn, its root first; empty while the turn may still grow (unless ``include_open``)."""
    if not (turn.is_complete or options.include_open):
        return []
    spans: list[Span] = []
    for run in turn_runs(session, turn, include_open=options.include_open):
        if run.agent is None:
            spans.append(turn_span(session, turn, run, options))
        else:
            spans.append(subagent_span(run.agent, run, options))
        spans.extend(_children(run, options))
    return with_client_spans(spans, session, turn, options)


def _children(run: Run, options: ConvertOptions) -> Iterator[Span]:
    for call in run.calls:
        yield chat_span(call, run, options)
    for tool in run.tools:
        if tool.ended_ns is not None:
            yield tool_span(tool, tool.ended_ns, run, options)
