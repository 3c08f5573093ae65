from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.transcripts import (
    FORK,
    MODEL,
    SID,
    USAGE,
    Line,
    agent_file,
    at_ns,
    compact_boundary,
    cost_state,
    count,
    dump,
    fork_2_1_181,
    load,
    meta,
    prompt,
    queue_operation,
    response,
    session_file,
)

ONE_CALL = Decimal("0.00183")
"""What a response with the usual usage costs."""


def client_of(root: Path, session_id: str = SID) -> tuple[Decimal | None, Decimal | None, tuple[str, ...]]:
    """Return the client's total, the unrecorded rest and its reasons, which both ways of reading must agree on."""
    (row,) = [row for row in count(root).sessions if row.session_id == session_id]
    session = load(root, session_id)
    said = (session.client_cost_usd, session.unrecorded_cost_usd, session.unrecorded_reasons)
    assert said == (row.client_cost_usd, row.unrecorded_cost_usd, row.unrecorded_reasons)
    return said


def turn(number: int, *, at: float) -> list[Line]:
    """Build a prompt and its answer."""
    return [prompt(f"Prompt {number}", at=at), response(f"msg_{number}", at=at + 1)]


def test_a_session_without_a_state_has_no_client_total(tmp_path: Path) -> None:
    """Older clients wrote none: nothing is compared."""
    session_file(tmp_path, SID, *turn(1, at=0))
    assert client_of(tmp_path) == (None, None, ())


def test_a_total_that_equals_ours_leaves_nothing(tmp_path: Path) -> None:
    """To the last digit, whatever binary floats the client added up."""
    session_file(tmp_path, SID, *turn(1, at=0), *turn(2, at=10), cost_state(0.00366 + 4e-17))
    assert client_of(tmp_path) == (2 * ONE_CALL, 0, ())


def test_the_last_state_of_a_process_counts(tmp_path: Path) -> None:
    """States are cumulative: a resumed session goes on from its total under the same start time."""
    first = [*turn(1, at=0), cost_state("0.00183")]
    session_file(tmp_path, SID, *first, *turn(2, at=900), cost_state("0.00366"), cost_state("0.00366"))
    assert client_of(tmp_path) == (2 * ONE_CALL, 0, ())


def test_processes_add_up(tmp_path: Path) -> None:
    """A process that starts from nothing has its own start time."""
    first = [*turn(1, at=0), cost_state("0.00183", start=0)]
    session_file(tmp_path, SID, *first, *turn(2, at=900), cost_state("0.00183", start=890))
    assert client_of(tmp_path) == (2 * ONE_CALL, 0, ())


def test_calls_that_no_transcript_records_are_named(tmp_path: Path) -> None:
    """What the client billed beyond our calls is kept as a number of its own, with its likely reason, on no call."""
    session_file(tmp_path, SID, *turn(1, at=0), compact_boundary(at=5), cost_state("0.19194"))
    assert client_of(tmp_path) == (Decimal("0.19194"), Decimal("0.19011"), ("compaction",))
    assert load(tmp_path).turns[0].calls[0].cost_usd == ONE_CALL
    stats = count(tmp_path)
    assert (stats.totals.cost_usd, stats.unrecorded_cost_usd) == (ONE_CALL, Decimal("0.19011"))


def test_the_client_may_say_less(tmp_path: Path) -> None:
    """Where it prices by the model asked for, our total can be larger: the difference is negative."""
    asked = response("msg_1", model="claude-opus-4-6", requestedModel=MODEL)
    session_file(tmp_path, SID, prompt(), asked, cost_state("0.001"))
    total, rest, reasons = client_of(tmp_path)
    assert (total, rest, reasons) == (Decimal("0.001"), Decimal("0.001") - Decimal("0.00305"), ("answered_model",))


@pytest.mark.parametrize(
    ("lines", "state", "reasons"),
    [
        ([response("msg_1", requestedModel="claude-opus-4-6")], {}, ("answered_model",)),
        ([response("msg_1")], {"hasUnknownModelCost": True}, ("unknown_model_price",)),
        ([response("msg_1"), compact_boundary(at=3)], {}, ("compaction",)),
        ([response("msg_1", stop=None)], {}, ("output_lower_bound",)),
        ([response("msg_1"), meta("ai-title", aiTitle="Title")], {}, ("session_title",)),
        ([response("msg_1")], {}, ("unknown",)),
        (
            [response("msg_1", stop=None), compact_boundary(at=3), meta("custom-title", customTitle="T")],
            {},
            ("compaction", "output_lower_bound", "session_title"),
        ),
    ],
)
def test_every_reason_has_its_evidence(
    tmp_path: Path, lines: list[Line], state: dict[str, object], reasons: tuple[str, ...]
) -> None:
    """A difference is explained by what the transcript shows, most telling first, else by `unknown`."""
    session_file(tmp_path, SID, prompt(), *lines, cost_state(1, **state))
    assert client_of(tmp_path)[2] == reasons


def test_a_live_session_is_compared_up_to_its_last_state(tmp_path: Path) -> None:
    """Calls after the last state are not in the client's total, and not taken off it, sub-agents' included."""
    session_file(tmp_path, SID, *turn(1, at=0), cost_state("0.00183"), *turn(2, at=900))
    agent_file(tmp_path, SID, "a1", prompt("early", at=0.5), response("msg_a", at=0.6))
    agent_file(tmp_path, SID, "a2", prompt("late", at=905), response("msg_b", at=906))
    total, rest, _ = client_of(tmp_path)
    assert (total, rest) == (ONE_CALL, -ONE_CALL)
    assert count(tmp_path).totals.cost_usd == 4 * ONE_CALL


def test_an_unpriced_call_leaves_the_rest_open(tmp_path: Path) -> None:
    """Without a price for one of our calls nobody can say what is unrecorded."""
    session_file(tmp_path, SID, prompt(), response(model="gpt-99"), cost_state(1))
    assert client_of(tmp_path) == (Decimal(1), None, ("unknown",))


def test_a_fork_counts_less_what_it_inherited(tmp_path: Path) -> None:
    """A fork goes on from its parent's total and start time; what the parent had by then is taken off."""
    before, after = [*turn(1, at=0), cost_state("0.00183")], [*turn(3, at=200), cost_state("0.00366")]
    session_file(tmp_path, SID, queue_operation(at=0), *before, *after)
    own = [queue_operation(at=100), *turn(2, at=100), cost_state("0.00366")]
    session_file(tmp_path, FORK, *fork_2_1_181(turn(1, at=0)), *own)
    assert client_of(tmp_path, FORK) == (ONE_CALL, 0, ())
    assert client_of(tmp_path, SID) == (2 * ONE_CALL, 0, ())
    assert count(tmp_path).client_cost_usd == 3 * ONE_CALL


@pytest.mark.parametrize("states", [[], [cost_state("0.00366")]])
def test_a_fork_whose_parent_wrote_nothing_before_it_cannot_be_told(tmp_path: Path, states: list[Line]) -> None:
    """The parent's share is in the fork's total and nobody wrote it down: no number is better than a wrong one."""
    session_file(tmp_path, SID, queue_operation(at=0), *turn(1, at=0), *turn(3, at=200), *states)
    own = [queue_operation(at=100), *turn(2, at=100), cost_state("0.00366")]
    session_file(tmp_path, FORK, *fork_2_1_181(turn(1, at=0)), *own)
    assert client_of(tmp_path, FORK) == (None, None, ())


def test_a_fork_in_a_new_process_inherits_nothing(tmp_path: Path) -> None:
    """A process that started after the copied calls has counted none of them."""
    session_file(tmp_path, SID, queue_operation(at=0), *turn(1, at=0), cost_state("0.00183"))
    own = [queue_operation(at=100), *turn(2, at=100), cost_state("0.00183", start=99)]
    session_file(tmp_path, FORK, *fork_2_1_181(turn(1, at=0)), *own)
    assert client_of(tmp_path, FORK) == (ONE_CALL, 0, ())


@pytest.mark.parametrize("total", [b'"NaN"', b'"Infinity"', b"-1", b"1e30", b"1e400", b'"much"', b"null", b"[]"])
def test_an_impossible_total_is_no_total(tmp_path: Path, total: bytes) -> None:
    """It is a problem of its line and is not believed."""
    state = dump(cost_state(7)).replace(b'"totalCostUSD":7', b'"totalCostUSD":' + total)
    session_file(tmp_path, SID, *turn(1, at=0), state)
    assert client_of(tmp_path) == (None, None, ())
    assert [problem.line for problem in count(tmp_path).problems] == [3] * (total != b"null")


def test_a_state_without_start_time_is_one_process(tmp_path: Path) -> None:
    """A missing start is a start like any other."""
    session_file(tmp_path, SID, *turn(1, at=0), cost_state("0.00183", startTime=None))
    assert client_of(tmp_path) == (ONE_CALL, 0, ())


def test_many_digits_survive(tmp_path: Path) -> None:
    """Money is decimal from the line on: a sum of 1e-10 steps is exact."""
    call = response("msg_1", usage=USAGE | {"output_tokens": 1}, model="claude-haiku-5-5")
    moved = [line | {"timestamp": "2026-11-01T00:00:00.000Z"} for line in (prompt(), call)]
    session_file(tmp_path, SID, *moved, cost_state("0.0000365000000001", start=at_ns(0)))
    assert client_of(tmp_path)[1] == Decimal("1E-13").quantize(Decimal("1E-10"))
