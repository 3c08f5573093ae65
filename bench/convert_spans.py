"""Spans per second and core from a session in memory: `python bench/convert_spans.py [CALLS]`.

The session has CALLS model calls with one tool call each, fifty to a turn, every tenth tool a sub-agent of five calls;
every object is built separately, as a source does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from decimal import Decimal

from otel_bridge.convert import ContentPolicy, ConvertOptions, session_events, session_spans
from otel_bridge.model import Agent, Content, ModelCall, Prompt, RecordContext, Session, ToolCall, Turn, Usage

T0_NS = 1_763_000_000_000_000_000
SECOND_NS = 1_000_000_000
CALLS_PER_TURN = 50
CALLS_PER_AGENT = 5


def synthetic_session(calls: int) -> Session:
    turns = [_turn(index) for index in range(calls // CALLS_PER_TURN)]
    return Session("5a1b2c3d-0000-4000-8000-000000000001", tuple(turns), T0_NS, T0_NS + calls * SECOND_NS)


def _turn(index: int) -> Turn:
    started_ns = T0_NS + index * CALLS_PER_TURN * SECOND_NS
    calls = tuple(_call(f"{index}.{n}", started_ns + n * SECOND_NS, _agent(index, n)) for n in range(CALLS_PER_TURN))
    prompt = Prompt("human", 80, source="typed")
    ended_ns = started_ns + CALLS_PER_TURN * SECOND_NS
    return Turn(
        f"prompt-{index}",
        0,
        index,
        started_ns,
        ended_ns,
        is_complete=True,
        end_reason="end_turn",
        prompt=prompt,
        calls=calls,
        context=_context(),
    )


def _agent(index: int, n: int) -> Agent | None:
    if n % 10:
        return None
    calls = tuple(_call(f"{index}.{n}.{m}", T0_NS + m * SECOND_NS, None) for m in range(CALLS_PER_AGENT))
    return Agent(f"a{index}{n}", "Explore", T0_NS, T0_NS + SECOND_NS, calls, context=_context())


def _call(number: str, at_ns: int, agent: Agent | None) -> ModelCall:
    tool = ToolCall(
        f"toolu_01{number:0>22}",
        "Agent" if agent else "Bash",
        at_ns + SECOND_NS // 2,
        at_ns + SECOND_NS,
        executable="git",
        exit_code=0,
        result_bytes=512,
        agent=agent,
        context=_context(),
        content=Content(
            '{"command":"git status --short","description":"See what changed"}', "M otel_bridge/model.py\n" * 40
        ),
    )
    return ModelCall(
        f"req_01{number:0>22}",
        f"msg_01{number:0>22}",
        "claude-sonnet-4-5-20250929",
        at_ns,
        at_ns + SECOND_NS // 2,
        Usage(4, len(number) * 40, 100_000, 2_000, 0),
        cost_usd=Decimal("0.0384121"),
        request_id=f"req_01{number:0>22}",
        stop_reason="tool_use",
        effort="high",
        tool_calls=(tool,),
        context=_context(),
        content=Content(response="I shall look at the state of the repository first. " * 6),
    )


def _context() -> RecordContext:
    return RecordContext("/home/dev/widgets", "feat/otlp-export", "2.1.196", "cli")


def measure(what: str, convert: Callable[[], int]) -> None:
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        items = convert()
        best = min(best, time.process_time() - started)
    print(f"{what:<28}{items:>9,} items {items / best:>12,.0f} /s {best / items * 1e6:>8.2f} µs each")


def main() -> None:
    session = synthetic_session(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    plain, full = ConvertOptions(), ConvertOptions(content=ContentPolicy(messages=True, tools=True), paths=True)
    measure("spans", lambda: sum(len(batch.items) for batch in session_spans(session, plain)))
    measure("spans, redacted content", lambda: sum(len(batch.items) for batch in session_spans(session, full)))
    tools = sum(1 for _ in session.tool_calls())
    measure(
        "tools searched for events", lambda: tools + sum(len(batch.items) for batch in session_events(session, plain))
    )


if __name__ == "__main__":
    main()
