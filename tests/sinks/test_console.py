"""Telemetry as people read it."""

from __future__ import annotations

from io import StringIO
from typing import Any

from otel_bridge.semconv import COST_AMOUNT, ERROR_TYPE, INPUT_TOKENS, OUTPUT_TOKENS
from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.console import ConsoleSink
from otel_bridge.telemetry import Batch, Signal, Span
from tests.sinks.samples import RESOURCE, T0_NS, batch, record, span

SECOND = 1_000_000_000


def node(number: int, parent: int, name: str, seconds: float = 1.0, **attributes: Any) -> Span:
    return span(
        number,
        trace_id=b"\xab" * 16,
        parent_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        start_ns=T0_NS + number * SECOND,
        end_ns=T0_NS + int((number + seconds) * SECOND),
        attributes=attributes,
    )


def printed(*batches: Batch) -> list[str]:
    out = StringIO()
    sink = ConsoleSink(out)
    for one in batches:
        sink.send(one)
    sink.close()
    return out.getvalue().splitlines()


def test_spans_are_a_tree_with_time_tokens_and_cost() -> None:
    """Children stand below their parents by start, whatever their order in the batch; costs are summed on top."""
    lines = printed(
        batch(
            [
                node(3, 1, "execute_tool Agent", 125),
                node(4, 3, "invoke_agent Explore", 0.25),
                node(2, 1, "chat claude", 2.5, **{INPUT_TOKENS: 12345, OUTPUT_TOKENS: 67, COST_AMOUNT: 0.0123}),
                node(5, 4, "chat claude", 1, **{COST_AMOUNT: 0.01}),
                node(6, 1, "execute_tool Bash", 1, **{ERROR_TYPE: "exit_code"}),
                node(1, 0, "invoke_agent claude-code", 10),
            ]
        )
    )
    assert lines == [
        "trace abababababababababababababababab  2025-11-13 02:13:21Z  $0.0223",
        "└─ invoke_agent claude-code  10.0 s",
        "   ├─ chat claude  2.5 s  12,345 → 67 tokens  $0.0123",
        "   ├─ execute_tool Agent  2 min 5 s",
        "   │  └─ invoke_agent Explore  250 ms",
        "   │     └─ chat claude  1.0 s  $0.0100",
        "   └─ execute_tool Bash  1.0 s  error: exit_code",
    ]


def test_spans_without_their_parent_stand_at_the_top() -> None:
    """A part of a trace is printed too, and each trace apart."""
    lines = printed(batch([node(7, 1, "late"), span(100, name="other"), node(8, 7, "later")]))
    assert [line.rsplit("  ", 1)[0] for line in lines] == [
        f"trace {'ab' * 16}",
        "└─ late",
        "   └─ later",
        f"trace {2:032x}",
        "└─ other",
    ]


def test_events_are_lines() -> None:
    """A log record is one line with its attributes."""
    [line] = printed(batch([record(attributes={"user": "me", "count": 2})]))
    assert line == "event  2025-11-13 02:13:20Z  session.start  user=me  count=2"


def test_text_cannot_command_the_terminal() -> None:
    """Control characters and what cannot be printed are replaced, names and values alike."""
    lines = printed(batch([node(1, 0, "a\x1b[2Jb\ud800\nc")]), batch([record(attributes={"k": "x\ry"}, time_ns=-1)]))
    assert lines[1].startswith("└─ a�[2Jb��c  ")
    assert lines[2] == "event  1970-01-01 00:00:00Z  session.start  k=x�y"


def test_everything_printed_counts_as_accepted() -> None:
    """The account is that of any sink; an abort changes nothing about what was printed."""
    sink = ConsoleSink(StringIO())
    sink.send(batch([span()]))
    sink.send(Batch(Signal.LOGS, RESOURCE, [record()]))
    sink.abort()
    assert sink.close() == Delivery({Signal.TRACES: Counts(accepted=1), Signal.LOGS: Counts(accepted=1)})
