"""What happens inside a turn besides calls: compaction, errors, places."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.model import IDLE_TURN_NS
from tests.sources.assemble.shapes import asked, shape
from tests.transcripts import (
    api_error,
    ask,
    at_ns,
    compact_boundary,
    final_error,
    load_lines,
    prompt,
    response,
    system,
    text,
    tool_result,
    tool_use,
)


def test_compaction_is_kept_where_it_happened(tmp_path: Path) -> None:
    """The boundary is a fact of its turn, the summary is no prompt, and calls after it say so."""
    lines = [
        asked(at=0, name="p1"),
        ask("msg_1", tool_use(), at=1),
        tool_result(at=2),
        compact_boundary(at=3, postTokens=20_000, durationMs=900),
        prompt("This session is being continued from a previous conversation …", at=3, isCompactSummary=True),
        response("msg_2", at=4),
    ]
    (turn,) = load_lines(tmp_path, *lines).turns
    (compaction,) = turn.compactions
    assert (compaction.trigger, compaction.tokens_before, compaction.tokens_after) == ("auto", 150_000, 20_000)
    assert (compaction.duration_ms, compaction.at_ns) == (900, at_ns(3))
    assert [call.follows_compaction for call in turn.calls] == [False, True]


def test_a_boundary_without_details_is_a_compaction(tmp_path: Path) -> None:
    """Older clients wrote less."""
    lines = [asked(at=0, name="p1"), system("compact_boundary", at=1), response("msg_1", at=2)]
    (compaction,) = load_lines(tmp_path, *lines).turns[0].compactions
    assert (compaction.trigger, compaction.tokens_before) == ("auto", None)


def test_retries_go_to_the_call_that_came_of_them(tmp_path: Path) -> None:
    """Each failed attempt is kept with status, type, attempt and delay; the turn did not fail."""
    lines = [
        asked(at=0, name="p1"),
        api_error(at=1, attempt=1),
        api_error(at=2, attempt=2, status=429, kind="rate_limit_error"),
        response("msg_1", at=3),
        asked(at=4, name="p2"),
        response("msg_2", at=5),
    ]
    session = load_lines(tmp_path, *lines)
    first, second = session.calls()
    assert [(retry.error_type, retry.status, retry.attempt, retry.retry_delay_ms) for retry in first.retries] == [
        ("overloaded_error", 529, 1, 500.5),
        ("rate_limit_error", 429, 2, 500.5),
    ]
    assert second.retries == ()
    assert session.turns[0].error_type is None


def test_an_error_that_ends_the_turn_is_its_error(tmp_path: Path) -> None:
    """The final notice names the error of the turn; the retries before it belong to no call."""
    lines = [asked(at=0, name="p1"), api_error(at=1), final_error(at=2), asked(at=9, name="p2"), response("m", at=10)]
    session = load_lines(tmp_path, *lines)
    failed, fine = session.turns
    assert (failed.error_type, [error.status for error in failed.errors]) == ("rate_limit", [429])
    assert failed.errors[0].is_final
    assert (failed.calls, fine.error_type, fine.calls[0].retries) == ((), None, ())


def test_an_error_that_was_overcome_is_not_the_turns_error(tmp_path: Path) -> None:
    """A turn that went on after the error did not fail."""
    lines = [asked(at=0, name="p1"), final_error(at=1), response("msg_1", at=2)]
    (turn,) = load_lines(tmp_path, *lines).turns
    assert (turn.error_type, len(turn.errors)) == (None, 1)


@pytest.mark.parametrize(
    ("error", "status", "words", "expected"),
    [
        ("server_error", 500, "API Error", ("server_error", 500)),
        (
            "unknown",
            None,
            'API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}',
            ("overloaded_error", 529),
        ),
        (None, None, "API Error: Request was aborted.", ("_OTHER", None)),
        ("a whole sentence, not a word", 400, "x", ("_OTHER", 400)),
        ({"type": "error", "error": {"type": "api_error"}}, None, "x", ("api_error", None)),
        ([1], "many", "x", ("_OTHER", None)),
    ],
)
def test_error_types_are_bounded_words(
    tmp_path: Path, error: object, status: object, words: str, expected: tuple[str, int | None]
) -> None:
    """Whatever the client puts there, a type is one word; old notices are read for the API's answer they quote."""
    line = final_error(at=1, error=error) | {"apiErrorStatus": status}
    line["message"]["content"] = [text(words)]
    (found,) = load_lines(tmp_path, asked(at=0, name="p1"), line).turns[0].errors
    assert (found.error_type, found.status) == expected


def test_a_last_attempt_that_failed_is_final(tmp_path: Path) -> None:
    """An attempt beyond the client's own maximum ends the request, with or without a notice."""
    (turn,) = load_lines(tmp_path, asked(at=0, name="p1"), api_error(at=1, attempt=11)).turns
    assert (turn.error_type, turn.errors[0].is_final) == ("overloaded_error", True)


def test_a_file_that_begins_in_the_middle_has_a_first_turn(tmp_path: Path) -> None:
    """Copied or cut files may begin with an answer."""
    session = load_lines(tmp_path, response("msg_1", at=1), asked(at=2, name="p1"), response("msg_2", at=3))
    assert shape(session)[0][1:] == (0, "end_turn", ["msg_1"])
    assert session.turns[0].prompt.kind == "other"
    assert session.turns[0].key == response("msg_1", at=1)["uuid"]


def test_prompts_without_any_id_have_keys_of_their_own(tmp_path: Path) -> None:
    """Turns never share a key, or their spans would be one."""
    lines = [prompt(f"Prompt {n}", at=n, uuid=None) for n in range(3)]
    turns = load_lines(tmp_path, *lines).turns
    assert len({(turn.key, turn.ordinal) for turn in turns}) == len(turns) == 3


def test_keys_are_unique_whatever_ids_repeat(tmp_path: Path) -> None:
    """One prompt id or one uuid on several prompts: the last keeps it, the others are told apart."""
    lines = [prompt(f"Prompt {n}", at=n, uuid="u-1", promptId="p-1") for n in range(4)]
    turns = load_lines(tmp_path, *lines).turns
    assert len({turn.key for turn in turns}) == 4
    assert turns[3].key == "p-1"


def test_a_turn_without_times_at_its_head_starts_with_the_first_time(tmp_path: Path) -> None:
    """A damaged first line does not make a turn of fifty years."""
    lines = [prompt("Go", timestamp=None, promptId="p1"), response("msg_1", at=4), response("msg_1", text("x"), at=5)]
    session = load_lines(tmp_path, *lines)
    assert shape(session) == [("p1", 0, "end_turn", ["msg_1"])]
    assert (session.turns[0].started_ns, session.started_ns, session.ended_ns) == (at_ns(4), at_ns(4), at_ns(5))


def test_times_that_run_backwards_keep_the_order_of_lines(tmp_path: Path) -> None:
    """533 of 796 real files go back in time here and there: within a file, lines decide."""
    lines = [asked(at=10, name="p1"), ask("msg_1", tool_use(), at=11), tool_result(at=10.5), response("msg_2", at=10.8)]
    (turn,) = load_lines(tmp_path, *lines).turns
    assert [call.message_id for call in turn.calls] == ["msg_1", "msg_2"]
    assert turn.ended_ns == at_ns(11)
    assert all(call.started_ns <= call.ended_ns for call in turn.calls)
    assert all(tool.ended_ns and tool.started_ns <= tool.ended_ns for call in turn.calls for tool in call.tool_calls)


def test_the_place_of_a_turn_is_where_its_records_were_written(tmp_path: Path) -> None:
    """Branch, folder and entrypoint can change inside a session: each turn and call tells its own."""
    place = {"cwd": "/home/dev/other", "gitBranch": "feat/x", "entrypoint": "sdk-cli"}
    lines = [
        asked(at=0, name="p1"),
        response("msg_1", at=1),
        asked(at=2, name="p2") | place,
        response("msg_2", at=3) | {"gitBranch": "feat/y"},
    ]
    session = load_lines(tmp_path, *lines)
    assert [turn.context.branch for turn in session.turns] == ["main", "feat/x"]
    assert [call.context.branch for call in session.calls()] == ["main", "feat/y"]
    assert (session.turns[1].context.cwd, session.turns[1].context.entrypoint) == ("/home/dev/other", "sdk-cli")


def test_the_limit_of_a_turn_is_thirty_minutes() -> None:
    """What docs/counting.md says."""
    assert IDLE_TURN_NS == 30 * 60 * 10**9
