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

IGNORED_PROGRESS = frozenset({
    "bash_progress", "hook_progress", "query_update", "search_results_received", "waiting_for_task",
})  # fmt: skip
"""Progress that repeats or announces what other lines say."""

PLAIN_KINDS = USED_KINDS - {"progress", "attachment", "pr-link"}
"""Used types that need no look at what is inside them."""

_PEEK_BYTES = 2048
_TYPE_KEY = b'"type":"'
_CONVERSATION = (b'"type":"user"', b'"type":"message"')
"""How nearly all lines worth decoding go on: a user line's own type, or that of an assistant line's message."""
_ATTACHMENT = b'"attachment":{"type":"'
_PROGRESS = b'"type":"progress","data":{"type":"'
_IGNORED = {kind.encode(): kind for kind in IGNORED_KINDS}
_USED_ATTACHMENTS = frozenset(kind.encode() for kind in USED_ATTACHMENTS)
_IGNORED_PROGRESS = {kind.encode(): f"progress/{kind}" for kind in IGNORED_PROGRESS}


def ignored_kind(raw: bytes) -> str | None:
    """Return the type of a line that needs no decoding (``attachment/…``, ``progress/…`` spelled out), else ``None``.

    An unescaped ``"type":"`` cannot be inside a JSON string, and with no second ``{`` before it, it is the line's own.
    """
    at = raw.find(_TYPE_KEY, 0, _PEEK_BYTES)
    if at < 0 or raw.startswith(_CONVERSATION, at):
        return None
    word = at + len(_TYPE_KEY)
    if raw.find(b"{", 1, at) < 0:
        if raw.startswith(_PROGRESS, at):
            return _IGNORED_PROGRESS.get(_word(raw, at + len(_PROGRESS)))
        return _IGNORED.get(_word(raw, word))
    attachment = word - len(_ATTACHMENT)
    if not raw.startswith(_ATTACHMENT, attachment) or raw.find(b"{", 1, attachment) >= 0:
        return None
    kind = _word(raw, word)
    return f"attachment/{kind.decode('ascii', 'replace')}" if kind and kind not in _USED_ATTACHMENTS else None


def _word(raw: bytes, start: int) -> bytes:
    end = raw.find(b'"', start, start + 64)
    return raw[start:end] if end >= 0 else b""
