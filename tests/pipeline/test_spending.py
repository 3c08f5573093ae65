from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from otel_bridge.cli.options import samples_folder
from otel_bridge.pipeline.spending import collect_spending
from otel_bridge.sources.transcript.discover import discover_sessions
from tests.transcripts import FORK, SID, at_ns, count, prompt, response, session_file, tool_result, tool_use


def test_a_session_lasts_from_its_first_to_its_last_moment(tmp_path: Path) -> None:
    """Prompts and tool results count as moments; calls are priced where they have a price."""
    lines = [
        prompt(),
        response("msg_1", tool_use(), at=1),
        tool_result(at=9),
        response("msg_2", at=5, model="unheard-of"),
    ]
    session_file(tmp_path, SID, *lines)
    (spend,) = collect_spending(discover_sessions([tmp_path]), workers=1)
    assert (spend.session_id, spend.started_ns, spend.ended_ns) == (SID, at_ns(0), at_ns(9))
    assert spend.calls == ((at_ns(1), Decimal("0.00183")),)
    assert spend.turns == 1


def test_copied_calls_are_spent_once(tmp_path: Path) -> None:
    """A fork brings only what it added."""
    lines = [prompt(), response("msg_1", at=1)]
    session_file(tmp_path, SID, *lines)
    session_file(tmp_path, FORK, *lines, prompt("more", at=60), response("msg_2", at=61))
    spends = collect_spending(discover_sessions([tmp_path]), workers=1)
    assert sum(len(spend.calls) for spend in spends) == 2


def test_the_samples_cost_what_stats_says() -> None:
    """To the last digit."""
    spends = collect_spending(discover_sessions([samples_folder()]), workers=1)
    assert sum(spend.cost_usd for spend in spends) == count(samples_folder()).totals.cost_usd


def test_sessions_without_a_time_are_left_out(tmp_path: Path) -> None:
    """There is nothing to lose."""
    session_file(tmp_path, SID, {"type": "summary", "summary": "x"})
    assert collect_spending(discover_sessions([tmp_path]), workers=1) == []
