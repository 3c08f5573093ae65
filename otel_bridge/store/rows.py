"""A session as rows of the tables of facts (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby, repeat
from typing import Any

import msgspec
from msgspec import Struct, field

from otel_bridge.attribution import cost_by_change
from otel_bridge.model import Agent, ModelCall, Session, ToolCall, Turn, turn_calls
from otel_bridge.store.cells import fitting, storable, to_pusd
from otel_bridge.store.row_cells import agent_cells, model_call_cells, tool_call_cells, turn_cells
from otel_bridge.store.schema import MODEL_CALLS, SESSION_FACTS, TOOL_CALLS, Cell, Row, Table
from otel_bridge.vcs import PullRequest, PullRequestLink

_ChangeKey = tuple[str, int, str]

_NO_CHANGE: _ChangeKey = ("", 0, "")
_NO_MODEL = "unknown"
_SUMMED = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "web_searches",
)  # fmt: skip


class SessionRows(Struct, array_like=True, gc=False):
    """What a session is in the tables; small to send between processes."""

    session_id: str
    facts: tuple[Cell | None, ...] = ()
    """Cells of ``schema.SESSION_FACTS``."""
    turns: list[Row] = field(default_factory=list)
    model_calls: list[Row] = field(default_factory=list)
    tool_calls: list[Row] = field(default_factory=list)
    agents: list[Row] = field(default_factory=list)
    commits: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    problems: list[Row] = field(default_factory=list)


def session_rows(session: Session, *, user_name: str | None = None) -> SessionRows:
    """Return the rows of a session, without the number the store knows it by; ``user_name`` says whose it is."""
    rows = SessionRows(storable(session.id))
    walk = _Walk(rows, session)
    for turn in session.turns:
        walk.take_turn(turn)
    calls, tools = _columns(MODEL_CALLS, rows.model_calls), _columns(TOOL_CALLS, rows.tool_calls)
    cost_pusd = fitting(sum(cost for cost in calls["cost_pusd"] if cost != ""))
    rows.changes = _changes(session, cost_pusd)
    rows.problems = list(_problems(session))
    facts = _own_facts(session) | _sums(calls, tools) | {"user_name": user_name, "cost_pusd": cost_pusd}
    rows.facts = tuple(facts[name] for name in SESSION_FACTS)
    return rows


def file_paths(rows: SessionRows) -> list[str]:
    """Return the files that tools of a session were given, each once, in order."""
    column = TOOL_CALLS.columns.index("file_path")
    return sorted({str(row[column]) for row in rows.tool_calls} - {""})


class _Walk:
    """Goes through a session once and writes down what it meets."""

    def __init__(self, rows: SessionRows, session: Session) -> None:
        self._rows = rows
        self._session = session
        self._turn = 0

    def take_turn(self, turn: Turn) -> None:
        self._turn = turn.index
        self._rows.turns.append(turn_cells(turn))
        for call in turn.calls:
            self._take_call(call, "")
        for tool in turn.late_tool_calls:
            self._take_tool(tool, "", "", _asking_model(self._session, tool))
        for agent in turn.agents:
            self._take_agent(agent)

    def _take_agent(self, agent: Agent) -> None:
        agent_id = storable(agent.id)
        self._rows.agents.append(agent_cells(agent, agent_id, self._turn))
        for call in agent.calls:
            self._take_call(call, agent_id)
        for nested in agent.agents:
            self._take_agent(nested)

    def _take_call(self, call: ModelCall, agent_id: str) -> None:
        self._rows.model_calls.append(model_call_cells(call, self._turn, agent_id))
        for tool in call.tool_calls:
            self._take_tool(tool, agent_id, call.key, call.model)

    def _take_tool(self, tool: ToolCall, agent_id: str, call_key: str, model: str) -> None:
        self._rows.tool_calls.append(tool_call_cells(tool, self._turn, agent_id, call_key, model))
        if tool.commits:
            self._rows.commits += [
                (tool.id, position, commit.sha, commit.kind, commit.branch or "", commit.at_ns)
                for position, commit in enumerate(tool.commits)
            ]
        if tool.agent is not None:
            self._take_agent(tool.agent)


def _asking_model(session: Session, late: ToolCall) -> str:
    """Return the model of the newest call of the main lane that began before a late tool call.

    The one that asked stands in an earlier turn or, where a fork copied it, in another session, and nothing names it.
    """
    calls = [call for turn in session.turns for call in turn.calls]
    before = [call for call in calls if call.started_ns <= late.started_ns]
    newest = max(before, key=lambda call: call.started_ns, default=None) or next(iter(calls), None)
    return _NO_MODEL if newest is None else newest.model


_Facts = dict[str, Cell | None]
_Columns = dict[str, tuple[Any, ...]]


def _columns(table: Table, rows: list[Row]) -> _Columns:
    """Return the cells of each column: adding up a column is several times faster than adding up rows."""
    return dict(zip(table.columns, zip(*rows, strict=True) if rows else repeat(()), strict=False))


def _own_facts(session: Session) -> _Facts:
    return {
        "agent": session.agent,
        "project": session.project,
        "title": session.title,
        "branch": next((turn.context.branch for turn in reversed(session.turns) if turn.context.branch), None),
        "started_ns": session.started_ns,
        "ended_ns": session.ended_ns,
        "forked_from": session.forked_from,
        "client_cost_pusd": _pusd(session.client_cost_usd),
        "unrecorded_cost_pusd": _pusd(session.unrecorded_cost_usd),
        "unrecorded_reasons": _json(session.unrecorded_reasons),
        "problem_count": session.problem_count,
        "open_until_ns": _open_until_ns(session),
    }


def _sums(calls: _Columns, tools: _Columns) -> _Facts:
    answered, asked = Counter(calls["model"]), Counter(tools["model"])
    models = sorted(answered | asked, key=lambda model: (-answered[model], model))
    unpriced = [model for model, cost in zip(calls["model"], calls["cost_pusd"], strict=True) if cost == ""]
    return {
        **{name: sum(calls[name]) for name in _SUMMED},
        "calls": len(calls["key"]),
        "tool_calls": sum(ended_ns != "" for ended_ns in tools["ended_ns"]),
        "unpriced_calls": len(unpriced),
        "lower_bound_calls": sum(calls["is_lower_bound"]),
        "models": _json(models),
        "unpriced_models": _json(sorted(set(unpriced))),
    }


def _open_until_ns(session: Session) -> int:
    open_turns = (turn for turn in session.turns if not turn.is_complete)
    return max((_last_activity_ns(turn) for turn in open_turns), default=0)


def _last_activity_ns(turn: Turn) -> int:
    ends = [end_ns for call in turn_calls(turn) for end_ns in (call.ended_ns, *_tool_ends_ns(call.tool_calls))]
    return max([turn.ended_ns, *ends, *_tool_ends_ns(turn.late_tool_calls)])


def _tool_ends_ns(tools: Iterable[ToolCall]) -> list[int]:
    return [tool.ended_ns for tool in tools if tool.ended_ns is not None]


def _changes(session: Session, cost_pusd: int) -> list[Row]:
    links = {_change_key(link.pull_request): link for link in session.pull_requests}
    costs: dict[_ChangeKey, int] = {_NO_CHANGE: cost_pusd} if cost_pusd else {}
    if links or session.branch_links:
        costs = {_change_key(change): to_pusd(cost) for change, cost in cost_by_change(session).items()}
    return [(*key, *_link_cells(links.get(key)), costs.get(key, "")) for key in sorted(links.keys() | costs.keys())]


def _change_key(change: PullRequest | None) -> _ChangeKey:
    return _NO_CHANGE if change is None else (change.repository, change.number, change.url)


def _link_cells(link: PullRequestLink | None) -> Row:
    return ("", "") if link is None else (link.action, link.at_ns)


def _problems(session: Session) -> Iterator[Row]:
    for (path, line), same in groupby(sorted(session.problems), key=lambda problem: (problem.path, problem.line)):
        for position, problem in enumerate(same):
            detail = storable(problem.detail)
            yield storable(path), line, position, problem.offset_bytes, problem.reason, detail


def _pusd(amount_usd: Decimal | None) -> int | None:
    return None if amount_usd is None else to_pusd(amount_usd)


def _json(words: Sequence[str]) -> str:
    return msgspec.json.encode(words).decode()
