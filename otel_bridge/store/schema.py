"""The tables of facts by name: what identifies a row inside its session, and what else it says (pure).

``migrations/0002_facts.sql`` makes them, ``rows`` fills them, ``tables`` writes them. A row's cells are in the order of
``Table.columns``; the first column of every table, ``session``, is the writer's to put in front.

What is not known is ``""`` in a row and ``NULL`` in the table: Python looks for an adapter for every ``None`` and every
``bool``, which doubles the time of a bulk insert (measured with 3.11 on 115,000 rows).
"""

from __future__ import annotations

from typing import NamedTuple

Cell = str | int
Row = tuple[Cell, ...]


class Table(NamedTuple):
    """One table whose rows belong to a session."""

    name: str
    key: tuple[str, ...]
    """Columns that tell the rows of one session apart."""
    facts: tuple[str, ...]
    """All others."""
    optional: frozenset[str] = frozenset()
    """Those that may be unknown."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns but ``session``, in the order of a row's cells."""
        return self.key + self.facts


SESSION_FACTS = (
    "agent", "user_name", "project", "title", "branch", "started_ns", "ended_ns", "forked_from", "calls", "tool_calls",
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "web_searches",
    "cost_pusd", "unpriced_calls", "lower_bound_calls", "models", "unpriced_models", "client_cost_pusd",
    "unrecorded_cost_pusd", "unrecorded_reasons", "problem_count", "open_until_ns",
)  # fmt: skip
"""Columns of ``sessions`` beside ``id``, ``session_id`` and ``revision``."""

TURNS = Table(
    "turns",
    ("position",),
    (
        "key", "ordinal", "started_ns", "ended_ns", "is_complete", "end_reason", "prompt_kind", "prompt_length",
        "prompt_command", "prompt_source", "error_type", "errors", "hooks", "compactions", "cwd", "branch", "version",
        "entrypoint",
    ),
    frozenset({
        "prompt_command", "prompt_source", "error_type", "cwd", "branch", "version", "entrypoint",
    }),
)  # fmt: skip

MODEL_CALLS = Table(
    "model_calls",
    ("key",),
    (
        "turn", "agent", "message_id", "model", "requested_model", "started_ns", "ended_ns", "input_tokens",
        "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens",
        "web_searches", "cost_pusd", "terms", "is_lower_bound", "stop_reason", "effort", "skill", "mcp_server",
        "retries", "follows_compaction", "branch",
    ),
    frozenset({
        "agent", "requested_model", "cost_pusd", "terms", "stop_reason", "effort", "skill", "mcp_server", "branch",
    }),
)  # fmt: skip

TOOL_CALLS = Table(
    "tool_calls",
    ("id",),
    (
        "turn", "agent", "model_call", "model", "name", "started_ns", "ended_ns", "error_type", "denial", "decision",
        "decision_source", "permission_wait_ns", "mcp_server", "mcp_tool", "skill", "executable", "exit_code",
        "file_path", "lines_added", "lines_removed", "web_searches", "result_bytes",
    ),
    frozenset({
        "agent", "model_call", "ended_ns", "error_type", "denial", "decision", "decision_source", "permission_wait_ns",
        "mcp_server", "mcp_tool", "skill", "executable", "exit_code", "file_path",
    }),
)  # fmt: skip

AGENTS = Table(
    "agents",
    ("id",),
    (
        "turn", "type", "started_ns", "ended_ns", "description", "parent_agent", "tool_call", "link", "is_background",
        "is_complete", "error_type", "errors", "compactions",
    ),
    frozenset({
        "type", "description", "parent_agent", "tool_call", "error_type",
    }),
)  # fmt: skip

COMMITS = Table("commits", ("tool_call", "position"), ("sha", "kind", "branch", "at_ns"), frozenset({"branch"}))

CHANGES = Table(
    "changes",
    ("repository", "number", "url"),
    ("action", "linked_ns", "cost_pusd"),
    frozenset({"action", "linked_ns", "cost_pusd"}),
)

PROBLEMS = Table("problems", ("path", "line", "position"), ("offset_bytes", "reason", "detail"))

TABLES = (TURNS, MODEL_CALLS, TOOL_CALLS, AGENTS, COMMITS, CHANGES, PROBLEMS)
"""All of them; ``rows.SessionRows`` has a field of the same name for each."""
