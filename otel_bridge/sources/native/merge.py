"""One call, known twice: which side's word counts for which fact (pure).

Tokens and cost are the transcript's; the time a call took, what was permitted and what it was for are telemetry's. A
fact that one side lacks is the other's.
"""

from __future__ import annotations

from msgspec import structs

from otel_bridge.model import ModelCall, ToolCall, Turn
from otel_bridge.reported import ReportedCall, ReportedTool, ReportedTurn
from otel_bridge.sources.native.match import counts_rightly
from otel_bridge.sources.transcript.calls import Pricer


def merged_call(call: ModelCall, native: ModelCall, price: Pricer) -> ModelCall:
    """Return a recorded call with what its event adds (its tool calls are merged on their own)."""
    reported = structs.replace(
        native.reported or ReportedCall(), is_unrecorded=False, cost_is_own=False, key=native.key
    )
    merged = structs.replace(
        _with_final_output(call, native, price),
        started_ns=native.started_ns if native.started_ns < native.ended_ns else min(call.started_ns, native.ended_ns),
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
    is_own = bool(native.reported and native.reported.cost_is_own)
    return structs.replace(merged, cost_usd=native.cost_usd, reported=structs.replace(reported, cost_is_own=is_own))


def _with_final_output(call: ModelCall, native: ModelCall, price: Pricer) -> ModelCall:
    """Return the call with the event's output count where that is larger: lines may have a placeholder."""
    output = native.usage.output_tokens
    if not counts_rightly(native.context.version) or output < call.usage.output_tokens:
        return call
    if output == call.usage.output_tokens:
        return structs.replace(call, output_is_lower_bound=False)
    usage = structs.replace(call.usage, output_tokens=output)
    cost = price(call.model, usage, call.ended_ns, call.terms, call.iterations)
    return structs.replace(call, usage=usage, cost_usd=cost, output_is_lower_bound=False)


def merged_tool(tool: ToolCall, native: ToolCall) -> ToolCall:
    """Return a recorded tool call with what its events add; a result on either side makes it a finished one."""
    ran = native.denial is None
    return structs.replace(
        tool,
        started_ns=native.started_ns if ran else tool.started_ns,
        ended_ns=native.ended_ns if ran or tool.ended_ns is None else tool.ended_ns,
        error_type=tool.error_type if tool.ended_ns is not None else native.error_type,
        denial=tool.denial if tool.ended_ns is not None else native.denial,
        decision=native.decision or tool.decision,
        decision_source=native.decision_source or tool.decision_source,
        permission_wait_ns=native.permission_wait_ns
        if native.permission_wait_ns is not None
        else tool.permission_wait_ns,
        skill=tool.skill or native.skill,
        executable=tool.executable or native.executable,
        result_bytes=tool.result_bytes or native.result_bytes,
        commits=tool.commits or native.commits,
        reported=structs.replace(native.reported or ReportedTool(), key=native.id),
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
