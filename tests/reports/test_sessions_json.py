from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.model import Session, Usage
from otel_bridge.reports.active_time import GAP_NS
from otel_bridge.reports.sessions_json import sessions_json, sessions_report
from otel_bridge.reports.work import collect_work
from tests.builders import model_call, session, sub_agent, tool_call, turn

PRAGUE = ZoneInfo("Europe/Prague")
HOUR_S = 3600
OPUS = "claude-opus-4-6"


def report(*sessions: Session, zone: tzinfo = UTC, gap_ns: int = GAP_NS) -> Any:
    """Return the file, decoded; numbers with a point are exact."""
    return json.loads(text(sessions, zone, gap_ns), parse_float=Decimal)


def text(sessions: Iterable[Session], zone: tzinfo = UTC, gap_ns: int = GAP_NS) -> bytes:
    """Return the file."""
    return sessions_json(sessions_report(collect_work(sessions, zone), zone, gap_ns))


def of_cost(usd: str | None, key: str = "req_1", **facts: Any) -> Session:
    """Return a session of one call."""
    call = model_call(key, cost_usd=None if usd is None else Decimal(usd), **facts)
    return session(turn("p", call, at_s=facts.get("at_s", 0)), session_id=f"{key:0<8}-rest-of-the-id")


def test_the_file_has_the_promised_shape() -> None:
    """Names, order and types are those that scripts read; T0 is 2025-11-13 02:13:20 UTC."""
    usage = Usage(24, 229, 313_880, 80_000, 9_857)
    calls = [model_call("a", at_s=0, for_s=100, usage=usage), model_call("b", at_s=220, for_s=80, usage=Usage())]
    found = text([session(turn("p", *calls, at_s=0, for_s=960))], PRAGUE)
    assert found.startswith(b'{\n  "sessions": [\n    {\n      "session_id": "5a1b2c3d",\n')
    assert json.loads(found) == {
        "sessions": [
            {
                "session_id": "5a1b2c3d",
                "started": "2025-11-13T03:13:20+01:00",
                "ended": "2025-11-13T03:29:20+01:00",
                "duration_wall_min": 16,
                "duration_active_min": 5,
                "input_tokens": 24,
                "output_tokens": 229,
                "cache_read_tokens": 313_880,
                "cache_create_tokens": 89_857,
                "total_tokens": 253,
                "all_tokens": 403_990,
                "messages": 2,
                "cost_usd": 0.0025,
                "model": "claude-sonnet-4-5-20250929",
                "day": "2025-11-13",
            }
        ],
        "by_day": {"2025-11-13": {"sessions": 1, "cost_usd": 0.0025, "active_min": 5, "messages": 2}},
        "totals": {
            "total_sessions": 1,
            "total_cost_usd": 0.0025,
            "total_active_min": 5,
            "total_wall_min": 16,
            "total_input_tokens": 24,
            "total_output_tokens": 229,
            "total_cache_read_tokens": 313_880,
            "total_cache_create_tokens": 89_857,
            "total_all_tokens": 403_990,
            "total_messages": 2,
            "model": "claude-sonnet-4-5-20250929",
        },
    }


def test_nothing_is_a_report_too() -> None:
    """A project without sessions has empty lists and zeros, and no model."""
    found = report()
    assert (found["sessions"], found["by_day"]) == ([], {})
    assert found["totals"]["total_cost_usd"] == found["totals"]["total_sessions"] == 0
    assert found["totals"]["model"] is None


def test_sessions_come_by_start_and_empty_ones_not_at_all() -> None:
    """A fork that did nothing itself is no session of work."""
    first, second = of_cost("1", "b", at_s=0), of_cost("1", "a", at_s=HOUR_S)
    found = report(second, session(session_id="empty"), first)
    assert [entry["session_id"] for entry in found["sessions"]] == ["b0000000", "a0000000"]


def test_money_is_added_up_before_it_is_rounded() -> None:
    """Three times 0.00004 are 0.0001 in the totals, though each session shows 0."""
    found = report(*(of_cost("0.00004", key) for key in "abc"))
    assert [entry["cost_usd"] for entry in found["sessions"]] == [0, 0, 0]
    assert found["totals"]["total_cost_usd"] == found["by_day"]["2025-11-13"]["cost_usd"] == Decimal("0.0001")


def test_amounts_are_plain_numbers() -> None:
    """Neither exponents nor trailing zeros, however large or small."""
    amounts = {"2.1700": b"2.17", "12000": b"12000", "0.00001": b"0", "340.98765": b"340.9876", "1E+3": b"1000"}
    for usd, shown in amounts.items():
        assert b'"cost_usd": ' + shown + b",\n" in text([of_cost(usd)])


def test_unpriced_is_null_and_not_zero() -> None:
    """A session none of whose calls has a price; a part that has one counts, also in the day and the totals."""
    unpriced, priced = of_cost(None, "new", model="gpt-99"), of_cost("2", "known")
    alone = report(unpriced)
    assert alone["sessions"][0]["cost_usd"] is alone["totals"]["total_cost_usd"] is None
    assert alone["by_day"]["2025-11-13"]["cost_usd"] is None
    both = report(unpriced, priced)
    assert [entry["cost_usd"] for entry in both["sessions"]] == [2, None]
    assert both["totals"]["total_cost_usd"] == 2


def test_a_session_without_an_answer_costs_nothing() -> None:
    """A prompt alone: no message, no model, no cost; the day has it all the same."""
    found = report(session(turn("p")))
    (entry,) = found["sessions"]
    assert (entry["messages"], entry["model"], entry["cost_usd"]) == (0, None, 0)
    assert found["by_day"] == {"2025-11-13": {"sessions": 1, "cost_usd": 0, "active_min": 0, "messages": 0}}


def test_the_model_is_the_one_that_cost_most() -> None:
    """Not the one that answered most often; of two that cost the same the first by name."""
    calls = [model_call("a", cost_usd=Decimal(1)), model_call("b", cost_usd=Decimal(1))]
    dear = model_call("c", model=OPUS, cost_usd=Decimal(3))
    assert report(session(turn("p", *calls, dear)))["totals"]["model"] == OPUS
    same = model_call("c", model=OPUS, cost_usd=Decimal(2))
    assert report(session(turn("p", *calls, same)))["sessions"][0]["model"] == OPUS


def test_sub_agents_count() -> None:
    """Their calls are messages, tokens and money of the session that started them."""
    tool = tool_call(agent=sub_agent("a1", model_call("inner")))
    (entry,) = report(session(turn("p", model_call("outer", tool))))["sessions"]
    assert (entry["messages"], entry["cost_usd"], entry["total_tokens"]) == (2, Decimal("0.0025"), 90)


def test_days_are_local_and_have_what_was_spent_on_them() -> None:
    """A session counts on the day it started, a call on the day it ended; 2025-11-14 UTC is 78,400 s after T0."""
    calls = [
        model_call("a", at_s=78_000, cost_usd=Decimal(1)),
        model_call("b", at_s=78_390, for_s=20, cost_usd=Decimal(2)),
    ]
    work = session(turn("p", *calls, at_s=78_000, for_s=410))
    found = report(work)
    assert found["sessions"][0]["day"] == "2025-11-13"
    assert found["by_day"] == {
        "2025-11-13": {"sessions": 1, "cost_usd": 1, "active_min": 0, "messages": 1},
        "2025-11-14": {"sessions": 0, "cost_usd": 2, "active_min": 0, "messages": 1},
    }
    assert list(report(work, zone=PRAGUE)["by_day"]) == ["2025-11-14"]


call_facts = st.fixed_dictionaries({
    "at_s": st.integers(0, 400_000),
    "for_s": st.integers(0, 900),
    "cost_usd": st.none() | st.decimals(0, 50, places=7),
    "usage": st.builds(Usage, *[st.integers(0, 10**6)] * 5),
})  # fmt: skip
sessions = st.lists(st.lists(call_facts, max_size=4), max_size=5).map(
    lambda groups: [
        session(
            *(turn(f"p{m}", model_call(f"r{m}", **facts), at_s=facts["at_s"]) for m, facts in enumerate(group)),
            session_id=f"{n:08d}",
        )
        for n, group in enumerate(groups)
    ]
)


@given(sessions)
def test_everything_adds_up(made: list[Session]) -> None:
    """Sessions, days and totals tell of the same tokens, messages and money, to the digits shown."""
    found = report(*made, zone=PRAGUE)
    entries, days, totals = found["sessions"], found["by_day"].values(), found["totals"]
    for kind in ("input", "output", "cache_read", "cache_create", "all"):
        assert sum(entry[f"{kind}_tokens"] for entry in entries) == totals[f"total_{kind}_tokens"]
    for group in (entries, days):
        assert sum(entry["messages"] for entry in group) == totals["total_messages"]
        shown = sum(entry["cost_usd"] or 0 for entry in group)
        assert abs(shown - (totals["total_cost_usd"] or 0)) <= Decimal("0.0001") * (len(group) + 1)
    assert sum(day["sessions"] for day in days) == totals["total_sessions"] == len(entries)
    costs = [call.cost_usd for one in made for call in one.calls() if call.cost_usd is not None]
    assert abs(sum(costs) - (totals["total_cost_usd"] or 0)) <= Decimal("0.00005")
    assert text(reversed(made), PRAGUE) == text(made, PRAGUE)
