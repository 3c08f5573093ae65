"""What kind of user line opens a turn (pure)."""

from __future__ import annotations

import re
from zlib import crc32

from otel_bridge.sources.transcript.records import Block, Record

_COMMAND_NAME = re.compile(r"<command-name>\s*/?([^<\s]{1,64})")
_NOTICE = re.compile(r"<task-id>\s*([\w-]+)\s*</task-id>(?:\s*<tool-use-id>\s*([\w-]+))?")
_PREFIX_KINDS = (
    ("<command-name>", "command"),
    ("<command-message>", "command"),
    ("<bash-input>", "output"),
    ("<bash-stdout>", "output"),
    ("<local-command-", "output"),
    ("<task-notification>", "notification"),
    ("<system-reminder>", "meta"),
    ("[Request interrupted", "interrupt"),
    ("This session is being continued from a previous conversation", "summary"),
)
_ORIGIN_KINDS = {"task-notification": "notification", "peer": "other", "coordinator": "other"}

OPENING_KINDS = frozenset({"human", "command", "notification", "other"})
"""Kinds that start a turn; the others belong to the turn they stand in."""

SEARCHABLE_KINDS = frozenset({"human", "command", "output"})
"""Kinds a person wrote; the others are the client's."""


def prompt_kind(record: Record, text: str) -> str:
    """Return what a user line without tool result is."""
    if record.isCompactSummary:
        return "summary"
    if record.isMeta:
        return "meta"
    if record.origin is not None and record.origin.kind in _ORIGIN_KINDS:
        return _ORIGIN_KINDS[record.origin.kind]
    start = text.lstrip()
    for prefix, kind in _PREFIX_KINDS:
        if start.startswith(prefix):
            return kind
    return "human"


def command_name(text: str) -> str | None:
    """Return the slash command of a ``<command-name>`` text, without the slash."""
    found = _COMMAND_NAME.search(text)
    return found[1] if found else None


def message_text(content: str | list[Block] | None) -> str:
    """Return the text of a message, its text blocks joined by newlines."""
    if isinstance(content, str):
        return content
    return "\n".join(block.text for block in content or () if block.type == "text" and block.text)


def task_notices(text: str) -> tuple[tuple[str, str], ...]:
    """Return task id and tool call id of every background task a text reports as ended."""
    if "<task-notification>" not in text:
        return ()
    return tuple(_NOTICE.findall(text))


def text_digest(text: str) -> int:
    """Return a small fingerprint that matches a sub-agent's first prompt with the tool call that gave it."""
    return crc32(text.strip().encode("utf-8", "replace")) or 1
