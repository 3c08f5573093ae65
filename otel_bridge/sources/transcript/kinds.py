"""Which lines matter: known record types and a peek that skips heavy ones before decoding (pure)."""

from __future__ import annotations

USED_KINDS = frozenset({
    "assistant", "user", "system", "attachment", "progress", "queue-operation", "pr-link", "cost-state",
    "summary", "custom-title", "ai-title", "api-request",
})  # fmt: skip
"""Types the reader takes something from."""

IGNORED_KINDS = frozenset({
    "agent-color", "agent-name", "agent-setting", "api-request-blob", "api-request-shape",
    "artifact-autoreact-ledger", "artifact-comment-monitor", "atis-latch", "attribution-snapshot", "bridge-session",
    "content-replacement", "continued-in", "dev-mods", "ended-by-model", "file-history-delta",
    "file-history-snapshot", "fork-context-ref", "frame-link", "history-suppression", "isolation-latch",
    "last-prompt", "launched", "memory-mode", "mode", "observer-ref", "permission-mode", "relocated", "result",
    "started", "tag", "tools-used", "worktree-state",
})  # fmt: skip
"""Known types that carry neither usage nor structure (workflow journals' ``launched``/``started``/``result`` too)."""

USED_ATTACHMENTS = frozenset({
    "hook_success", "hook_blocking_error", "hook_non_blocking_error", "hook_cancelled", "async_hook_response",
    "queued_command",
})  # fmt: skip
"""Attachments worth decoding; the others repeat context shown to the model (up to 52 KB each on 2.1.329)."""

_PEEK_BYTES = 2048
_TYPE_KEY = b'"type":"'
_ATTACHMENT_KEY = b'"attachment":{"type":"'
_DATA_KEY = b'"data":{"type":"'
_SKIPPED_PROGRESS = frozenset({
    "bash_progress", "hook_progress", "query_update", "search_results_received", "waiting_for_task",
})  # fmt: skip


def ignored_kind(raw: bytes) -> str | None:
    """Return the type of a line that needs no decoding (``attachment/…``, ``progress/…`` spelled out), else ``None``.

    An unescaped ``"type":"`` cannot be inside a JSON string, and with no second ``{`` before it, it is the line's own.
    """
    at = raw.find(_TYPE_KEY, 0, _PEEK_BYTES)
    if at < 0:
        return None
    if raw.find(b"{", 1, at) >= 0:
        kind = _first_nested_word(raw, _ATTACHMENT_KEY, 0)
        return f"attachment/{kind}" if kind and kind not in USED_ATTACHMENTS else None
    kind = _word(raw, at + len(_TYPE_KEY))
    if kind == "progress":
        kind = _first_nested_word(raw, _DATA_KEY, at)
        return f"progress/{kind}" if kind in _SKIPPED_PROGRESS else None
    return kind if kind in IGNORED_KINDS else None


def _first_nested_word(raw: bytes, key: bytes, start: int) -> str | None:
    at = raw.find(key, start, start + _PEEK_BYTES)
    if at < 0 or raw.find(b"{", 1, at) >= 0:
        return None
    return _word(raw, at + len(key))


def _word(raw: bytes, start: int) -> str | None:
    end = raw.find(b'"', start, start + 64)
    return raw[start:end].decode("ascii", "replace") if end >= 0 else None
