"""One session in which everything happens that the converter has a name for."""

from __future__ import annotations

from decimal import Decimal

from otel_bridge import counters
from otel_bridge.convert import ContentPolicy, ConvertOptions
from otel_bridge.counters import Amount, ClientCounters, Counter
from otel_bridge.model import (
    ApiError,
    Compaction,
    Content,
    HookRun,
    Iteration,
    ModelCall,
    Prompt,
    RecordContext,
    Session,
    Terms,
    ToolCall,
    Turn,
    Unrecorded,
    Usage,
)
from otel_bridge.reported import ReportedCall, ReportedSpan, ReportedTurn
from otel_bridge.vcs import Commit, PullRequest, PullRequestLink
from tests.builders import CONTEXT, MODEL, at_ns, model_call, session, sub_agent, tool_call, turn

PULL_REQUEST = PullRequest("acme/widgets", 7, "https://github.com/acme/widgets/pull/7")
TRACE = "0123456789abcdef" * 2
LINKED_LATER = PullRequest("acme/tools/gears", 8, "https://git.acme.example/acme/tools/gears/-/merge_requests/8")

EVERYTHING = ConvertOptions(
    resource=(
        ("coding_agent.host.type", "ci"),
        ("deployment.environment.name", "test"),
        ("host.name", "runner-1"),
        ("k8s.pod.name", "agent-0"),
        ("user.name", "dev"),
    ),
    content=ContentPolicy(messages=True, tools=True),
    paths=True,
)


def full_session() -> Session:
    """Four turns: everything, a notification, a continuation of the first, one that is still open."""
    return session(
        _busy_turn(),
        turn(
            "prompt-2",
            model_call(
                "req_20", at_s=21, cost_usd=None, model="claude-next", stop_reason=None, output_is_lower_bound=True
            ),
            at_s=20,
            index=1,
            prompt=Prompt("notification", source="system"),
            end_reason="idle",
            previous_key="prompt-1",
        ),
        turn(
            "prompt-1",
            model_call("req_30", at_s=41),
            at_s=40,
            ordinal=1,
            index=2,
            late_tool_calls=(tool_call("toolu_late", at_s=9, for_s=33),),
            previous_key="prompt-2",
            context=RecordContext(branch="HEAD", version="2.1.200", entrypoint="cli"),
            error_type="overloaded_error",
            errors=(ApiError(at_ns(42), "overloaded_error", status=529, attempt=10, is_final=True),),
        ),
        turn("prompt-3", model_call("req_40", at_s=61), at_s=60, index=3, is_complete=False, end_reason="open"),
        forked_from="origin-session",
        title="Ship it",
        pull_requests=(
            PullRequestLink(PULL_REQUEST, at_ns(8)),
            PullRequestLink(LINKED_LATER, at_ns(90)),
        ),
        unrecorded_history=(Unrecorded(at_ns(10), Decimal("0.25")), Unrecorded(at_ns(42), Decimal("-0.5"))),
    )


def _busy_turn() -> Turn:
    return turn(
        "prompt-1",
        model_call(
            "req_1",
            *_tools(),
            requested_model="claude-opus-4-5",
            usage=Usage(5, 40, 1000, 200, 300, reasoning_tokens=16, web_searches=2),
            terms=Terms("fast", "priority", "us"),
            iterations=(Iteration("message", MODEL, Usage(5, 40)), Iteration("compaction", MODEL, Usage())),
            effort="high",
            skill="release",
            mcp_server="github",
            follows_compaction=True,
            retries=(ApiError(at_ns(1), "overloaded_error", 529, 1), ApiError(at_ns(1.5), "overloaded_error", 529, 2)),
            content=Content("and the prompt", "I shall look."),
        ),
        model_call("req_2", at_s=9, content=Content(response="Done.")),
        index=0,
        prompt=Prompt("command", 12, "/ship", "typed", Content("/ship with token=ghp_0123456789abcdefghij")),
        agents=(sub_agent("a3", _reported_call(), type=None, link="none"),),
        hooks=(
            HookRun(at_ns(2), "PreToolUse", "PreToolUse:Bash", "success", 12.5, "toolu_1"),
            HookRun(at_ns(9), "Stop", "Stop", "blocking_error"),
        ),
        compactions=(Compaction(at_ns(1), "auto", 150_000, 9_000, 21_000.0),),
        previous_key="prompt-0",
        previous_session_id="origin-session",
        reported=ReportedTurn(TRACE, "aa" * 8, spans=_client_spans()),
    )


def _client_spans() -> tuple[ReportedSpan, ...]:
    tool = ReportedSpan(TRACE, "bb" * 8, "aa" * 8, "tool", at_ns(2), at_ns(3), agent_id="a3")
    failed = ReportedSpan(TRACE, "cc" * 8, "aa" * 8, "llm_request", at_ns(3), at_ns(4), error_type="overloaded_error")
    return tool, failed


def _reported_call() -> ModelCall:
    told = ReportedCall("auxiliary", is_unrecorded=True, cost_is_own=True, ttft_ms=450.0, span_id="00112233445566ff")
    return model_call("req_12", at_s=6, reported=told)


def _tools() -> tuple[ToolCall, ...]:
    inner = model_call("req_11", tool_call("toolu_11", "Read", at_s=4.5), at_s=4)
    nested = sub_agent("a2", model_call("req_13", at_s=5), type="Plan", parent_agent_id="a1", link="meta")
    outer = sub_agent("a1", inner, agents=(nested,), description="Find the bug", link="tool_result", is_background=True)
    return (
        tool_call(
            "toolu_1",
            executable="git",
            exit_code=0,
            result_bytes=120,
            decision="accept",
            decision_source="user_temporary",
            permission_wait_ns=1_500_000_000,
            commits=(Commit("abc1234", "committed", "feat/otlp", at_ns(2.5)),),
            content=Content('{"command":"git commit"}', "[feat/otlp abc1234] Ship"),
        ),
        tool_call("toolu_2", executable="gh", pull_requests=(PullRequestLink(PULL_REQUEST, at_ns(3), "created"),)),
        tool_call("toolu_3", "Edit", file_path="/home/dev/widgets/a.py", lines_added=10, lines_removed=2),
        tool_call("toolu_4", "Skill", skill="release"),
        tool_call(
            "toolu_5", "mcp__github__get_issue", mcp_server="github", mcp_tool="get_issue", error_type="tool_error"
        ),
        tool_call(
            "toolu_6",
            "Write",
            error_type="denied",
            denial="user-rejected",
            decision="reject",
            decision_source="user_reject",
        ),
        tool_call("toolu_7", "WebSearch", web_searches=3),
        tool_call("toolu_8", "Agent", agent=outer),
        tool_call("toolu_9", ended_ns=None, agent=sub_agent("a4", model_call("req_14", at_s=5), context=CONTEXT)),
    )


def counter(name: str, *changes: tuple[int, Amount], **labels: str) -> Counter:
    """Return a counter whose times are seconds."""
    return Counter(name, tuple(sorted(labels.items())), tuple((at_ns(at_s), value) for at_s, value in changes))


def full_counters() -> ClientCounters:
    """Every counter of the client, for the full session; it agrees with the calls in nothing."""
    return ClientCounters(
        "session",
        (
            counter(counters.SESSIONS, (1, 1), start_type="fresh"),
            counter(counters.ACTIVE_TIME, (15, Decimal("2.5")), (75, Decimal(4)), type="cli"),
            counter(counters.ACTIVE_TIME, (15, Decimal("0.25")), type="user"),
            counter(counters.EDIT_DECISIONS, (15, 2), tool_name="Edit", decision="accept", source="config"),
            counter(counters.COST, (15, Decimal("0.5")), (75, Decimal("0.75")), model=MODEL, query_source="main"),
            counter(counters.TOKENS, (15, 100), type="input", model=MODEL),
            counter(counters.TOKENS, (15, 200), type="output", model=MODEL),
            counter(counters.TOKENS, (75, 300), type="cacheRead", model=MODEL),
            counter(counters.TOKENS, (75, 400), type="cacheCreation", model=MODEL),
            counter(counters.LINES, (15, 5), type="added"),
            counter(counters.LINES, (15, 1), type="removed"),
            counter(counters.COMMITS, (15, 1)),
            counter(counters.PULL_REQUESTS, (75, 1)),
        ),
        first_ns=at_ns(1),
        point_count=17,
        doubts=(at_ns(15),),
    )
