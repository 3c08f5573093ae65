"""The tree of ``otel-bridge show``."""

from __future__ import annotations

from decimal import Decimal

from rich.text import Text
from rich.tree import Tree

from otel_bridge.cli.printable import printable
from otel_bridge.cli.show_sources import SourceMarks
from otel_bridge.cli.text import clock, console, duration, tokens, usd
from otel_bridge.model import Agent, ModelCall, Session, ToolCall, Turn, agent_calls, turn_calls


def print_session(session: Session) -> None:
    """Print a session: what it is, its turns, and what its numbers leave open."""
    out = console()
    tree = Tree(_line(f"session {session.id}", session.title or "", style="bold"))
    marks = SourceMarks(session)
    for turn in session.turns:
        _add_turn(tree, turn, marks)
    calls = list(session.calls())
    out.print(tree)
    out.print()
    for label, value in _facts(session, calls, marks):
        out.print(Text.assemble((f"{label:<14}", "dim"), printable(value)))


def _facts(session: Session, calls: list[ModelCall], marks: SourceMarks) -> list[tuple[str, str]]:
    quality = session.quality
    facts = [
        ("project", session.project or "-"),
        ("time", f"{clock(session.started_ns)} to {clock(session.ended_ns)}"),
        ("model calls", tokens(len(calls))),
        ("tool calls", tokens(sum(tool.is_finished for tool in session.tool_calls()))),
        ("cost", f"{_cost(calls)} at list price{', or as reported' if marks.has_reported_cost else ''}"),
        *marks.explained(),
    ]
    if session.client_cost_usd is not None:
        facts.append(("client says", f"{usd(session.client_cost_usd, 6)} USD"))
        reasons = f" ({', '.join(session.unrecorded_reasons)})" if session.unrecorded_reasons else ""
        facts.append(("unrecorded", f"{usd(session.unrecorded_cost_usd, 6)} USD{reasons}"))
    if session.forked_from:
        facts.append(("forked from", f"{session.forked_from}, {quality.foreign_calls} calls are counted there"))
    facts += [("pull request", f"{link.pull_request.url} ({link.action})") for link in session.pull_requests]
    notes = {
        "lower bound": (quality.lower_bound_calls, "calls without a final output count"),
        "unpriced": (quality.unpriced_calls, f"calls ({', '.join(quality.unpriced_models)})"),
        "unfinished": (quality.unfinished_tool_calls, "tool calls without a result"),
        "unlinked": (quality.unlinked_agents, "sub-agents without a known parent call"),
        "problems": (session.problem_count, "damaged lines; --json lists them"),
    }
    facts += [(label, f"{count} {what}") for label, (count, what) in notes.items() if count]
    return facts


def _cost(calls: list[ModelCall]) -> str:
    unpriced = sum(call.cost_usd is None for call in calls)
    total = sum((call.cost_usd for call in calls if call.cost_usd is not None), Decimal(0))
    return f"{usd(total)} USD" + (f" + {unpriced} unpriced" if unpriced else "")


def _add_turn(tree: Tree, turn: Turn, marks: SourceMarks) -> None:
    name = f"turn {turn.index + 1}" + (f" (part {turn.ordinal + 1})" if turn.ordinal else "")
    prompt = f"/{turn.prompt.command}" if turn.prompt.command else f"{turn.prompt.kind} prompt"
    state = "" if turn.is_complete else "still open"
    facts = (clock(turn.started_ns), duration(turn.ended_ns - turn.started_ns), _cost(list(turn_calls(turn))))
    branch = tree.add(_line(name, prompt, *facts, state, error=turn.error_type, style="bold cyan"))
    for call in turn.calls:
        _add_call(branch, call, marks)
    for tool in turn.late_tool_calls:
        _add_tool(branch, tool, marks)
    for agent in turn.agents:
        _add_agent(branch, agent, marks)
    for compaction in turn.compactions:
        branch.add(_line("compaction", compaction.trigger, f"{tokens(compaction.tokens_before or 0)} tokens before"))


def _add_call(tree: Tree, call: ModelCall, marks: SourceMarks) -> None:
    usage = call.usage
    amount = usd(call.cost_usd) if call.cost_usd is not None else "unpriced"
    counts = (
        f"{tokens(usage.prompt_tokens)} → {'≥ ' if call.output_is_lower_bound else ''}{tokens(usage.output_tokens)}"
    )
    retries = f"{len(call.retries)} retries" if call.retries else ""
    line = _line(
        f"chat {call.model}",
        duration(call.ended_ns - call.started_ns),
        f"{counts} tokens",
        amount,
        retries,
        marks.of_call(call),
    )
    branch = tree.add(line)
    for tool in call.tool_calls:
        _add_tool(branch, tool, marks)


def _add_tool(tree: Tree, tool: ToolCall, marks: SourceMarks) -> None:
    detail = tool.executable or tool.skill or (tool.file_path or "").rsplit("/", 1)[-1]
    took = duration(tool.ended_ns - tool.started_ns) if tool.ended_ns is not None else "no result"
    facts = [f"commit {commit.sha}" for commit in tool.commits]
    facts += [f"PR {link.pull_request.number} {link.action}" for link in tool.pull_requests]
    branch = tree.add(_line(tool.name, detail, took, *facts, marks.of_tool(tool), error=tool.error_type, style="green"))
    if tool.agent is not None:
        _add_agent(branch, tool.agent, marks)


def _add_agent(tree: Tree, agent: Agent, marks: SourceMarks) -> None:
    took = duration(agent.ended_ns - agent.started_ns)
    background = "background" if agent.is_background else ""
    name = f"agent {agent.type or agent.id}"
    cost = _cost(list(agent_calls(agent)))
    branch = tree.add(
        _line(name, agent.description or "", background, took, cost, error=agent.error_type, style="magenta")
    )
    for call in agent.calls:
        _add_call(branch, call, marks)
    for nested in agent.agents:
        _add_agent(branch, nested, marks)


def _line(name: str, *facts: str, error: str | None = None, style: str = "") -> Text:
    text = Text(printable(name), style=style)
    for fact in filter(None, facts):
        text.append(f"  {printable(fact)}", style="default not bold")
    if error:
        text.append(f"  {printable(error)}", style="red")
    return text
