"""Made-up sessions in the model, many of them, spread over a month: what an index of a company would hold."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from otel_bridge.model import ModelCall, Prompt, RecordContext, Session, ToolCall, Turn, Usage
from otel_bridge.vcs import PullRequest, PullRequestLink

DAY_NS = 86_400 * 1_000_000_000
SECOND_NS = 1_000_000_000
MODELS = ("claude-opus-4-8", "claude-haiku-4-5")
TOOLS = ("Bash", "Read", "Edit", "Grep", "mcp__github__search")
CALLS = 10
SESSIONS_PER_CHANGE = 8


def made_sessions(count: int, until_ns: int, days: int = 29) -> Iterator[Session]:
    """Yield sessions of ten model calls and ten tool calls, in time order, every other on a pull request."""
    for number in range(count):
        yield made_session(number, until_ns - days * DAY_NS * (count - number) // count)


def made_session(number: int, started_ns: int) -> Session:
    calls = tuple(_call(number, place, started_ns + place * 7 * SECOND_NS) for place in range(CALLS))
    ended_ns = calls[-1].ended_ns
    turn = Turn(
        f"prompt-{number}",
        0,
        0,
        started_ns,
        ended_ns,
        is_complete=True,
        end_reason="end_turn",
        prompt=Prompt("human", 80),
        calls=calls,
        context=calls[0].context,
    )
    change = PullRequest(
        "acme/widgets", number // SESSIONS_PER_CHANGE, f"https://github.com/acme/widgets/pull/{number // 8}"
    )
    links = (PullRequestLink(change, ended_ns),) if number % 2 else ()
    return Session(f"{number:08x}-0000-4000-8000-000000000000", (turn,), started_ns, ended_ns, pull_requests=links)


def _call(number: int, place: int, at_ns: int) -> ModelCall:
    context = RecordContext(branch=f"feat/{number // SESSIONS_PER_CHANGE}", version="2.1.329", entrypoint="cli")
    name = TOOLS[(number + place) % len(TOOLS)]
    tool = ToolCall(
        f"toolu_{number}_{place}",
        name,
        at_ns + SECOND_NS,
        at_ns + SECOND_NS * (2 + place % 3),
        error_type="exit_code" if (number + place) % 17 == 0 else None,
        mcp_server="github" if name.startswith("mcp__") else None,
        context=context,
    )
    return ModelCall(
        f"req_{number}_{place}",
        f"msg_{number}_{place}",
        MODELS[place % 3 == 2],
        at_ns,
        at_ns + SECOND_NS,
        Usage(4, 300 + place, 50_000 + number, 2_000, 0),
        cost_usd=Decimal("0.0123") + Decimal(place) / 1000,
        request_id=f"req_{number}_{place}",
        stop_reason="tool_use",
        tool_calls=(tool,),
        context=context,
    )
