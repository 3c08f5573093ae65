"""A transcript line → the same line without what we do not need and what others wrote (pure).

Kept: everything the reader takes something from. Reduced: attachments to their place in the conversation, API requests
to their time. Dropped: prompt snapshots, request copies, skill listings and whatever else repeats the client's own
texts (system prompts, tool schemas, reminders), which are not ours to give away and are most of the bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from otel_bridge.sources.transcript.kinds import USED_ATTACHMENTS, USED_KINDS

Line = dict[str, Any]

REQUEST_KEYS = ("type", "id", "timestamp", "sessionId")
STUB_KEYS = ("parentUuid", "type", "uuid", "timestamp")
UNWANTED_KEYS = frozenset({
    "rendered", "renderedInHumanTurn",  # an attachment as the model saw it: the client's wording
    "apiBlockIndex", "madeBy", "perTurnEffort", "promptCacheRequested", "sandboxed", "sourceToolAssistantUUID",
    "thinkingDisplay", "thinkingDurationMs", "userType",
})  # fmt: skip
"""What nobody reads and would only make the files larger."""

CLIENT_WORDING: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"\n*<system-reminder>.*?</system-reminder>\n*", "\n"),
        (r"<note>.*?</note>\n?", ""),
        (r" \((?:This tool result is|internal ID|use SendMessage|for resuming)[^)]*\)", ""),
        (r"\nThe agent is working in the background\..*", ""),
        (r"\[Subagent hand-back\].*?The report follows:", "[Subagent hand-back]"),
        (r"\n*If you need specific details from before compaction.*", ""),
    )
)
"""Sentences the client adds for the model. What marks a text as what it is (agent ids, task tags) stays."""

PRIVATE = re.compile(
    r"[\w.+-]+@[\w-]+\.[a-z]{2,}|sk-ant-|gh[opsu]_[A-Za-z0-9]{20}|/Users/|/home/(?!dev/)|accountUuid|organizationUuid"
)
"""Nothing of this may be in what we publish."""


class PrivateTextError(ValueError):
    """A line still has something personal after stripping."""


def strip_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Strip a file's lines; they come out as compact JSON with the client's order of keys.

    Raises:
        PrivateTextError: a line has an address, a token or a foreign path.
    """
    for raw in lines:
        stripped = strip_line(json.loads(raw))
        if stripped is None:
            continue
        text = json.dumps(stripped, ensure_ascii=False, separators=(",", ":"))
        if private := PRIVATE.search(text):
            raise PrivateTextError(f"{private[0]!r} in a {stripped['type']} line")
        yield text.encode() + b"\n"


def strip_line(line: Line) -> Line | None:
    """Return the line as it may be published; ``None`` drops it."""
    kind = line["type"]
    if kind not in USED_KINDS:
        return None
    if kind == "api-request":
        return _only(line, REQUEST_KEYS)
    if kind == "attachment" and line["attachment"]["type"] not in USED_ATTACHMENTS:
        return _only(line | {"attachment": {"type": line["attachment"]["type"]}}, (*STUB_KEYS, "attachment"))
    kept = {key: value for key, value in line.items() if key not in UNWANTED_KEYS}
    if kind == "assistant":
        kept["message"] = _without_nulls(line["message"])
    reworded: Line = _reworded(kept)
    return reworded


def _only(line: Line, keys: Iterable[str]) -> Line:
    wanted = set(keys)
    return {key: value for key, value in line.items() if key in wanted}


def _without_nulls(message: Line) -> Line:
    """Newer clients write a dozen empty fields on every line; ``stop_reason`` is the one that says something."""
    usage = {key: value for key, value in message["usage"].items() if value not in (None, "", [])}
    full = message | {"usage": usage}
    return {key: value for key, value in full.items() if value is not None or key == "stop_reason"}


def _reworded(value: Any) -> Any:
    if isinstance(value, str):
        text = value
        for pattern, replacement in CLIENT_WORDING:
            text = pattern.sub(replacement, text)
        return text
    if isinstance(value, dict):
        return {key: _reworded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_reworded(item) for item in value]
    return value
