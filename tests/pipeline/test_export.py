from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from otel_bridge.convert import ConvertOptions
from otel_bridge.errors import DeliveryError
from otel_bridge.model import Session
from otel_bridge.pipeline.export import ExportSummary, export_sessions
from otel_bridge.sinks import Counts, Delivery
from otel_bridge.telemetry import Batch, LogRecord, Signal, Span
from tests.transcripts import (
    OTHER,
    SID,
    agent_file,
    ask,
    library,
    prompt,
    response,
    session_file,
    tool_result,
    tool_use,
)


class KeepingSink:
    """Keeps what it is given; refuses the spans of one name, or breaks at it."""

    def __init__(self, *, refuses: str = "", breaks_at: str = "") -> None:
        self.names: list[str] = []
        self.events = 0
        self.state = "open"
        self._refuses, self._breaks_at = refuses, breaks_at
        self._rejected = 0

    def send(self, batch: Batch) -> None:
        for item in batch.items:
            if not isinstance(item, Span):
                self.events += isinstance(item, LogRecord)
                continue
            if self._breaks_at and item.name.startswith(self._breaks_at):
                raise DeliveryError("the disk is full")
            self._rejected += bool(self._refuses) and item.name.startswith(self._refuses)
            self.names.append(item.name)

    def flush(self, within_s: float) -> bool:
        return True

    def close(self) -> Delivery:
        self.state = "closed"
        return Delivery({Signal.TRACES: Counts(accepted=len(self.names) - self._rejected, rejected=self._rejected)})

    def abort(self) -> None:
        self.state = "aborted"


def busy_folder(root: Path) -> None:
    """Write two sessions: a tool call, a running background agent, an unpriced call, and a turn that may still grow."""
    lines = [
        prompt(at=0, promptId="p1"),
        ask("msg_1", tool_use("toolu_1", "Agent"), tool_use("toolu_2"), at=1),
        tool_result("toolu_1", at=2, result={"agentId": "a1", "isAsync": True}),
        tool_result("toolu_2", at=2),
        response("msg_2", at=3, model="gpt-99"),
    ]
    session_file(root, SID, *lines)
    agent_file(root, SID, "a1", prompt("x", at=2), ask("msg_a", tool_use("toolu_a"), at=4))
    session_file(root, OTHER, prompt(at=0), response("msg_3", at=1), prompt(at=5), ask("msg_4", tool_use("t"), at=6))


def exported(root: Path, sink: KeepingSink, *, now: float, include_open: bool = False) -> ExportSummary:
    """Export everything in a folder at a moment."""
    return export_sessions(library(root, now=now), sink, ConvertOptions(include_open=include_open))


@pytest.mark.parametrize(("now", "include_open"), [(10, False), (10, True), (9999, False)])
def test_the_summary_counts_what_was_made(tmp_path: Path, now: float, include_open: bool) -> None:
    """Calls and cost are those of the spans handed over: agents and turns that may still grow are not in them."""
    busy_folder(tmp_path)
    sink = KeepingSink()
    summary = exported(tmp_path, sink, now=now, include_open=include_open)
    is_whole = include_open or now > 10
    chats = [name for name in sink.names if name.startswith("chat ")]
    assert summary.calls == len(chats) == (5 if is_whole else 3)
    assert (summary.spans, summary.events) == (len(sink.names), sink.events)
    assert (summary.sessions, summary.turns, summary.open_turns) == (2, 3, 0 if is_whole else 1)
    assert summary.unpriced_calls == 1
    assert summary.cost_usd == (summary.calls - 1) * Decimal("0.00183")
    assert summary.delivery.total.accepted == summary.spans
    assert (summary.is_complete, sink.state) == (True, "closed")


def test_what_was_held_back_comes_when_it_is_over(tmp_path: Path) -> None:
    """Exports at two moments name the same spans for what was over at both."""
    busy_folder(tmp_path)
    early, late = KeepingSink(), KeepingSink()
    exported(tmp_path, early, now=10)
    exported(tmp_path, late, now=9999)
    assert set(early.names) <= set(late.names)
    assert len(late.names) > len(early.names)


def test_refused_spans_make_the_export_incomplete(tmp_path: Path) -> None:
    """The receiver's word is in the summary."""
    busy_folder(tmp_path)
    summary = exported(tmp_path, KeepingSink(refuses="chat "), now=9999)
    assert (summary.is_complete, summary.delivery.total.rejected) == (False, 5)


def test_a_failure_publishes_nothing_half(tmp_path: Path) -> None:
    """The sink is told to forget what it has, and the caller hears why."""
    busy_folder(tmp_path)
    sink = KeepingSink(breaks_at="execute_tool")
    with pytest.raises(DeliveryError, match="the disk is full"):
        exported(tmp_path, sink, now=9999)
    assert sink.state == "aborted"


def test_problems_are_counted_and_the_first_ones_shown(tmp_path: Path) -> None:
    """A ruined folder does not make a ruined summary."""
    session_file(tmp_path, SID, prompt(), response(), *[b"garbage\n"] * 150)
    session_file(tmp_path, OTHER, *[b"garbage\n"] * 20)
    summary = exported(tmp_path, KeepingSink(), now=9999)
    assert (summary.problem_count, len(summary.problems)) == (170, 100)


def test_progress_is_told_session_by_session(tmp_path: Path) -> None:
    """Who watches sees every session once."""
    busy_folder(tmp_path)
    seen: list[Session] = []
    export_sessions(library(tmp_path), KeepingSink(), ConvertOptions(), progress=seen.append)
    assert [session.id for session in seen] == [SID, OTHER]
