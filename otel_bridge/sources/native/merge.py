"""One call, known twice: which side's word counts for which fact (pure).

Tokens and cost are the transcript's; the time a call took, what was permitted and what it was for are telemetry's. A
fact that one side lacks is the other's.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import structs

from otel_bridge.model import ModelCall, ToolCall, Turn
from otel_bridge.reported import TRANSCRIPT, ReportedCall, ReportedTool, ReportedTurn, ToolSources
from otel_bridge.sources.native.match import counts_rightly
from otel_bridge.sources.transcript.calls import Pricer

T = TypeVar("T")


def merged_call(call: ModelCall, native: ModelCall, price: Pricer) -> ModelCall:
    """Return a recorded call with what its event adds (its tool calls are merged on their own)."""
    told = native.reported or ReportedCall()
    call, output = _with_final_output(call, native, price)
    start = told.sources.start if native.started_ns < native.ended_ns else TRANSCRIPT
    sources = structs.replace(told.sources, tokens=TRANSCRIPT, output=output, start=start)
    reported = structs.replace(told, is_unrecorded=False, cost_is_own=False, key=native.key, sources=sources)
    merged = structs.replace(
        call,
        started_ns=min(call.started_ns, native.ended_ns) if start == TRANSCRIPT else native.started_ns,
        ended_ns=native.ended_ns,
        requested_model=call.requested_model or native.requested_model,
        stop_reason=call.stop_reason or native.stop_reason,
        effort=call.effort or native.effort,
        skill=call.skill or native.skill,
        mcp_server=call.mcp_server or native.mcp_server,
        reported=reported,
    )
    if merged.cost_usd is not None or native.cost_usd is None:
        return merged
    return structs.replace(
        merged, cost_usd=native.cost_usd, reported=structs.replace(reported, cost_is_own=told.cost_is_own)
    )


def _with_final_output(call: ModelCall, native: ModelCall, price: Pricer) -> tuple[ModelCall, str]:
    """Return the call with the event's output count where that is larger, and whose word it is.

    Lines may have a placeholder.
    """
    output, word = native.usage.output_tokens, (native.reported or ReportedCall()).sources.output
    if not counts_rightly(native.context.version) or output < call.usage.output_tokens:
        return call, TRANSCRIPT
    if output == call.usage.output_tokens:
        is_final = not call.output_is_lower_bound
        return structs.replace(call, output_is_lower_bound=False), TRANSCRIPT if is_final else word
    usage = structs.replace(call.usage, output_tokens=output)
    cost = price(call.model, usage, call.ended_ns, call.terms, call.iterations)
    return structs.replace(call, usage=usage, cost_usd=cost, output_is_lower_bound=False), word


def merged_tool(tool: ToolCall, native: ToolCall) -> ToolCall:
    """Return a recorded tool call with what its events add; a result on either side makes it a finished one."""
    told = native.reported or ReportedTool()
    ran, had_ended = native.denial is None, tool.ended_ns is not None
    sources = ToolSources(
        start=told.sources.start if ran else TRANSCRIPT,
        end=told.sources.end if ran or not had_ended else TRANSCRIPT,
        outcome=TRANSCRIPT if had_ended else told.sources.outcome,
        decision=told.sources.decision if native.decision else TRANSCRIPT,
        permission_wait=told.sources.permission_wait if native.permission_wait_ns is not None else TRANSCRIPT,
        result_bytes=TRANSCRIPT if tool.result_bytes else told.sources.result_bytes,
    )

    def chosen(word: str, recorded: T, reported: T) -> T:
        return recorded if word == TRANSCRIPT else reported

    return structs.replace(
        tool,
        started_ns=chosen(sources.start, tool.started_ns, native.started_ns),
        ended_ns=chosen(sources.end, tool.ended_ns, native.ended_ns),
        error_type=chosen(sources.outcome, tool.error_type, native.error_type),
        denial=chosen(sources.outcome, tool.denial, native.denial),
        decision=chosen(sources.decision, tool.decision, native.decision),
        decision_source=native.decision_source or tool.decision_source,
        permission_wait_ns=chosen(sources.permission_wait, tool.permission_wait_ns, native.permission_wait_ns),
        skill=tool.skill or native.skill,
        executable=tool.executable or native.executable,
        result_bytes=chosen(sources.result_bytes, tool.result_bytes, native.result_bytes),
        commits=tool.commits or native.commits,
        reported=structs.replace(told, key=native.id, is_unrecorded=False, sources=sources),
    )


def merged_turn(turn: Turn, native: Turn) -> Turn:
    """Return a recorded turn with what its events add (calls and agents are merged on their own)."""
    return structs.replace(
        turn,
        prompt=structs.replace(turn.prompt, command=turn.prompt.command or native.prompt.command),
        errors=turn.errors or native.errors,
        hooks=turn.hooks or native.hooks,
        closing_hooks=turn.closing_hooks or native.closing_hooks,
        compactions=turn.compactions or native.compactions,
        reported=structs.replace(native.reported or ReportedTurn(), key=native.key),
    )
