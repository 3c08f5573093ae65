"""Records of any shape, with so few ids that they meet and contradict each other."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from otel_bridge.sources.native.records import (
    ApiFailure,
    ApiRequest,
    CompactionDone,
    HookDone,
    NativeRecord,
    NativeSpan,
    SubagentCompleted,
    ToolDecision,
    ToolResult,
    UserPrompt,
)
from tests.builders import MODEL, T0_NS

SESSION = "s"
texts = st.sampled_from([None, "a", "b", "c"])
prompts = st.sampled_from([None, "a", "b", "prompt-0", "prompt-1"])
request_ids = st.sampled_from([None, "a", "b", "req_1", "req_2"])
tool_ids = st.sampled_from([None, "a", "b", "toolu_1", "toolu_2"])
"""Those of the sessions that ``tests.convert.strategies`` makes are among them."""
ids = st.sampled_from([b"", b"1" * 8, b"2" * 8, b"3" * 8])
traces = st.sampled_from([b"", b"1" * 16, b"2" * 16])
times = (st.integers(0, 4000) | st.integers(0, 3)).map(lambda at_s: T0_NS + at_s * 10**9)
durations = st.none() | st.floats(0, 1e7)

common = {
    "session_id": st.just(SESSION),
    "time_ns": times,
    "sequence": st.none() | st.integers(0, 9),
    "prompt_id": prompts,
    "trace_id": traces,
    "span_id": ids,
    "agent_id": texts,
    "parent_agent_id": texts,
    "version": st.sampled_from([None, "1.0.60", "2.1.181", "2.1.329"]),
}
timed = {**common, "duration_ms": durations}
sources = st.sampled_from([None, "sdk", "compact", "agent:builtin:a"])

requests = st.builds(
    ApiRequest,
    **timed,
    model=st.sampled_from(["m", MODEL]),
    cost_usd=st.none() | st.integers(0, 99).map(Decimal),
    output_tokens=st.integers(0, 9),
    cache_write_tokens=st.integers(0, 9),
    cache_write_1h_tokens=st.none() | st.integers(0, 20),
    request_id=request_ids,
    query_source=sources,
    agent_name=texts,
)
tools = st.builds(
    ToolResult,
    **timed,
    name=st.sampled_from(["Bash", "Task", "mcp__a__b"]),
    tool_id=tool_ids,
    succeeded=st.none() | st.booleans(),
    request_id=request_ids,
    subagent_type=texts,
)
decisions = st.builds(
    ToolDecision,
    **common,
    name=st.sampled_from(["Bash", "mcp_tool"]),
    tool_id=tool_ids,
    decision=texts,
    request_id=request_ids,
)
others = (
    st.builds(UserPrompt, **common, length=st.integers(0, 3))
    | st.builds(ApiFailure, **timed, error_type=texts)
    | st.builds(SubagentCompleted, **timed, agent_type=texts, is_async=st.booleans())
    | st.builds(CompactionDone, **timed, succeeded=st.none() | st.booleans())
    | st.builds(HookDone, **timed, hook_event=st.sampled_from(["Stop", "PreToolUse"]), failed=st.integers(0, 1))
)


@st.composite
def spans(draw: st.DrawFn) -> NativeSpan:
    start_ns = draw(times)
    names = ("agent_id", "request_id", "tool_use_id", "source", "stop_reason")
    named = {name: value for name in names if (value := draw(texts)) is not None}
    kinds = ["interaction", "llm_request", "tool", "tool.execution", "tool.blocked_on_user", "new"]
    return NativeSpan(
        SESSION,
        draw(traces.filter(bool)),
        draw(ids.filter(bool)),
        draw(ids),
        draw(st.sampled_from(kinds)),
        start_ns,
        start_ns + draw(st.integers(0, 10**10)),
        attributes=named,
    )


def _place(record: NativeRecord) -> object:
    return record.span_id if isinstance(record, NativeSpan) else id(record)


records: st.SearchStrategy[list[NativeRecord]] = st.lists(
    requests | tools | decisions | others | spans(), max_size=14, unique_by=_place
)
"""No two spans have one id: clients draw them at random."""
