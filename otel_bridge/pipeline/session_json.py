"""A session as JSON: all of the model, and of each call and tool call where its numbers come from (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from otel_bridge.model import Agent, ModelCall, Session, ToolCall
from otel_bridge.provenance import call_sources, known_from, session_provenance, tool_sources

Document = dict[str, Any]


def session_document(session: Session) -> Document:
    """Return the session's fields by name; calls and tool calls have ``known_from`` and ``sources`` too."""
    document: Document = msgspec.to_builtins(session, builtin_types=(Decimal,))
    document["sources"] = msgspec.to_builtins(session_provenance(session))
    for written, turn in zip(document["turns"], session.turns, strict=True):
        _add_to_calls(written["calls"], turn.calls)
        _add_to_tools(written["late_tool_calls"], turn.late_tool_calls)
        _add_to_agents(written["agents"], turn.agents)
    return document


def _add_to_calls(documents: Iterable[Document], calls: Iterable[ModelCall]) -> None:
    for document, call in zip(documents, calls, strict=True):
        _add(document, call, call_sources(call))
        _add_to_tools(document["tool_calls"], call.tool_calls)


def _add_to_tools(documents: Iterable[Document], tools: Iterable[ToolCall]) -> None:
    for document, tool in zip(documents, tools, strict=True):
        _add(document, tool, tool_sources(tool))
        if tool.agent is not None:
            _add_to_agents([document["agent"]], [tool.agent])


def _add_to_agents(documents: Iterable[Document], agents: Iterable[Agent]) -> None:
    for document, agent in zip(documents, agents, strict=True):
        _add_to_calls(document["calls"], agent.calls)
        _add_to_agents(document["agents"], agent.agents)


def _add(document: Document, call: ModelCall | ToolCall, sources: dict[str, str]) -> None:
    document.get("reported", {}).pop("sources", None)
    document |= {"known_from": known_from(call), "sources": sources}
