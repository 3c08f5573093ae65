from __future__ import annotations

import json

import pytest

from otel_bridge.sources.transcript.kinds import IGNORED_KINDS, USED_ATTACHMENTS, USED_KINDS, ignored_kind
from tests.transcripts import Line, attachment, dump, meta, progress, prompt, record, response

ALL_TYPES = [
    "user",
    "assistant",
    "system",
    "attachment",
    "progress",
    "summary",
    "file-history-snapshot",
    "file-history-delta",
    "queue-operation",
    "pr-link",
    "custom-title",
    "ai-title",
    "agent-name",
    "last-prompt",
    "permission-mode",
    "mode",
    "worktree-state",
    "relocated",
    "bridge-session",
    "frame-link",
    "content-replacement",
    "fork-context-ref",
    "cost-state",
    "agent-color",
    "agent-setting",
    "tag",
    "isolation-latch",
    "atis-latch",
    "dev-mods",
    "memory-mode",
    "history-suppression",
    "ended-by-model",
    "continued-in",
    "attribution-snapshot",
    "observer-ref",
    "api-request",
    "api-request-shape",
    "api-request-blob",
    "artifact-comment-monitor",
    "artifact-autoreact-ledger",
]


def test_every_documented_type_is_known() -> None:
    """Each documented record type is either used or ignored on purpose, never both."""
    assert set(ALL_TYPES) <= USED_KINDS | IGNORED_KINDS
    assert not USED_KINDS & IGNORED_KINDS


@pytest.mark.parametrize("kind", sorted(IGNORED_KINDS))
def test_ignored_types_are_seen_before_decoding(kind: str) -> None:
    """Heavy lines of these types cost a peek."""
    assert ignored_kind(dump(meta(kind, snapshot={"type": "user", "big": "x" * 5000}))) == kind


@pytest.mark.parametrize("kind", sorted(USED_KINDS - {"attachment", "progress"}))
def test_used_types_are_never_skipped(kind: str) -> None:
    """A type that counts is decoded wherever its key stands."""
    line = record(kind, at=0, message={"type": "message", "content": [{"type": "mode"}]})
    assert ignored_kind(dump(line)) is None
    assert ignored_kind(dump(dict(reversed(line.items())))) is None


@pytest.mark.parametrize("kind", ["task_reminder", "skill_listing", "prompt_snapshot", "a_new_one"])
def test_context_attachments_are_skipped_by_their_own_type(kind: str) -> None:
    """Attachments that only repeat context are passed over, new ones too, and counted by type."""
    assert ignored_kind(dump(attachment(kind, at=0, rendered="x" * 60_000))) == f"attachment/{kind}"


@pytest.mark.parametrize("kind", sorted(USED_ATTACHMENTS))
def test_attachments_that_tell_something_are_decoded(kind: str) -> None:
    """Hooks and queued commands are read."""
    assert ignored_kind(dump(attachment(kind, at=0))) is None


@pytest.mark.parametrize(
    ("kind", "skipped"),
    [
        ("bash_progress", True),
        ("hook_progress", True),
        ("agent_progress", False),
        ("mcp_progress", False),
        ("new", False),
    ],
)
def test_ticks_are_skipped_and_embedded_agents_are_not(kind: str, skipped: bool) -> None:
    """Of progress lines only those known to carry nothing are passed over."""
    assert ignored_kind(dump(progress(kind, at=0))) == (f"progress/{kind}" if skipped else None)


QUOTED = '{"type":"mode"} "attachment":{"type":"skill_listing"} "type":"progress" "data":{"type":"bash_progress"}'


@pytest.mark.parametrize(
    "line",
    [
        prompt(QUOTED),
        response("m", {"type": "text", "text": QUOTED}),
        {"aaa": QUOTED, "type": "user"},
        {"aaa": [{"type": "mode"}], "type": "user"},
        {"aaa": {"type": "mode"}, "type": "user"},
        {"subtype": "mode", "type": "system"},
        {"data": {"type": "bash_progress"}, "type": "user"},
    ],
)
def test_what_a_line_quotes_is_not_its_type(line: Line) -> None:
    """Text about records, nested objects and similar keys never make a line look like one to skip."""
    assert ignored_kind(dump(line)) is None


def test_spaced_json_is_decoded() -> None:
    """Lines that other tools wrote with spaces are not recognized early, and not lost."""
    assert ignored_kind(json.dumps(meta("mode")).encode()) is None


@pytest.mark.parametrize("raw", [b"", b"\n", b"\0\0", b"{", b'"type":"', b'{"type":"mode', b'{"type":"' + b"x" * 3000])
def test_damaged_starts_are_no_type(raw: bytes) -> None:
    """A line that breaks off inside its type is left to the decoder."""
    assert ignored_kind(raw) is None
