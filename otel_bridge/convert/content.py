"""Texts as attribute values: redacted first, then cut to the size the user allows (pure)."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import msgspec

from otel_bridge.convert.options import ContentPolicy
from otel_bridge.redact import redact, redact_json

MARKER_ROOM = 48
"""A string is cut only where more goes than the marker takes."""


def plain_text(text: str, policy: ContentPolicy) -> str:
    """Return text as it is, cut at a character; the marker at the end names the size it had."""
    raw = redact(text, emails=policy.redact_emails).encode()
    if len(raw) <= policy.max_bytes:
        return raw.decode()
    marker = _marker(len(raw))
    return raw[: policy.max_bytes - len(marker.encode())].decode(errors="ignore") + marker


def messages_json(role: str, text: str, policy: ContentPolicy) -> str:
    """Return one text message in the conventions' shape, as JSON; empty without text or without room for the shape."""
    if not text:
        return ""
    content = redact(text, emails=policy.redact_emails)
    return _bounded_json([{"role": role, "parts": [{"type": "text", "content": content}]}], policy.max_bytes) or ""


def json_arguments(arguments: str, policy: ContentPolicy) -> str:
    """Return a tool's input as JSON that stays whole: long strings in it are cut. Empty without input."""
    if not arguments:
        return ""
    try:
        value = redact_json(msgspec.json.decode(arguments), emails=policy.redact_emails)
        bounded = _bounded_json(value, policy.max_bytes)
    except (msgspec.MsgspecError, RecursionError, OverflowError):
        bounded = _bounded_json(redact(arguments, emails=policy.redact_emails), policy.max_bytes)
    return bounded or msgspec.json.encode(_marker(len(arguments.encode()))).decode()


def _bounded_json(value: Any, max_bytes: int) -> str | None:
    """Return the value as JSON with its strings cut to the greatest length that fits, ``None`` where none does."""
    whole = msgspec.json.encode(value)
    if len(whole) <= max_bytes:
        return whole.decode()
    lengths = range(max_bytes)
    fitting = bisect_right(lengths, max_bytes, key=lambda length: len(msgspec.json.encode(_cut(value, length))))
    return msgspec.json.encode(_cut(value, lengths[fitting - 1])).decode() if fitting else None


def _cut(value: Any, length: int) -> Any:
    """Return the value with its strings cut to ``length`` characters and a marker; keys and short strings stay."""
    if isinstance(value, str):
        if len(value) <= length + MARKER_ROOM:
            return value
        return value[:length] + _marker(len(value.encode()))
    if isinstance(value, list):
        return [_cut(item, length) for item in value]
    if isinstance(value, dict):
        return {key: _cut(item, length) for key, item in value.items()}
    return value


def _marker(size_bytes: int) -> str:
    return f"… [truncated, {size_bytes} bytes]"
