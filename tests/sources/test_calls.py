from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.model import Terms, Usage
from otel_bridge.sources.transcript.calls import time_ns
from tests.transcripts import (
    MODEL,
    SID,
    USAGE,
    Line,
    agent_file,
    agent_progress,
    ask,
    at_ns,
    count,
    load,
    load_lines,
    only_call,
    prompt,
    response,
    session_file,
    text,
    tool_result,
    tool_use,
)


def usage_of(root: Path, *lines: Line) -> Usage:
    """Read a session with one call; return its usage."""
    return only_call(load_lines(root, prompt(), *lines)).usage


def test_the_lines_of_a_response_are_one_call(tmp_path: Path) -> None:
    """One line per content block repeats the usage; it counts once, and every block is kept."""
    lines = [
        ask("msg_1", block, at=n) for n, block in enumerate([text("Hm"), tool_use("toolu_1"), tool_use("toolu_2")])
    ]
    session = load_lines(tmp_path, prompt(), *lines, tool_result("toolu_1", at=5), tool_result("toolu_2", at=5))
    call = only_call(session)
    assert call.usage == Usage(10, 50, 1000, 200)
    assert [tool.id for tool in call.tool_calls] == ["toolu_1", "toolu_2"]
    totals = count(tmp_path).totals
    assert (totals.calls, totals.output_tokens, totals.tool_calls) == (1, 50, 2)


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_each_field_counts_with_its_maximum(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Streaming writes growing counts; the maximum of every field counts, whatever line has it."""
    usages = [
        {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 0},
        {"input_tokens": 10, "output_tokens": 77, "cache_read_input_tokens": 500},
        {"input_tokens": 9, "output_tokens": 40, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 5},
    ]
    lines = [response("msg_1", text(str(n)), at=1 + n, usage=usages[n]) for n in order]
    assert usage_of(tmp_path, *lines) == Usage(10, 77, 1000, 5)


@pytest.mark.parametrize(
    ("flat", "nested", "writes"),
    [
        (300, None, (300, 0)),
        (300, (100, 200), (100, 200)),
        (0, (100, 200), (100, 200)),
        (None, (0, 200), (0, 200)),
        (500, (100, 200), (300, 200)),
        (200, (100, 200), (100, 200)),
    ],
)
def test_cache_writes_are_the_larger_of_flat_and_split(
    tmp_path: Path, flat: int | None, nested: tuple[int, int] | None, writes: tuple[int, int]
) -> None:
    """Before 2.1.152 the flat count could be 0 while the split one was filled; what has no lifetime is 5 minutes."""
    usage: dict[str, Any] = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": flat}
    if nested is not None:
        usage["cache_creation"] = dict(
            zip(("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"), nested, strict=True)
        )
    found = usage_of(tmp_path, response(usage=usage))
    assert (found.cache_write_5m_tokens, found.cache_write_1h_tokens) == writes


def test_input_tokens_do_not_contain_the_cache(tmp_path: Path) -> None:
    """The wire's input_tokens is the uncached part; the whole prompt is the sum of all three."""
    usage = usage_of(tmp_path, response())
    assert (usage.input_tokens, usage.prompt_tokens) == (10, 1210)


def test_thinking_and_searches_are_counted(tmp_path: Path) -> None:
    """Thinking is a part of the output (2.1.229+); the searches the API made are billed on top, once per response."""
    extra = {"output_tokens_details": {"thinking_tokens": 30}, "server_tool_use": {"web_search_requests": 2}}
    lines = [response("msg_1", text(str(n)), at=n, usage=USAGE | extra) for n in (1, 2)]
    usage = usage_of(tmp_path, *lines)
    assert (usage.reasoning_tokens, usage.web_searches, usage.output_tokens) == (30, 2, 50)
    assert count(tmp_path).totals.web_searches == 2


@pytest.mark.parametrize(
    ("said", "terms"),
    [
        ({}, Terms()),
        ({"speed": "standard", "service_tier": "standard", "inference_geo": "not_available"}, Terms()),
        ({"speed": None, "service_tier": None, "inference_geo": ""}, Terms()),
        ({"inference_geo": "global"}, Terms()),
        ({"speed": "fast"}, Terms(speed="fast")),
        ({"service_tier": "batch"}, Terms(service_tier="batch")),
        ({"inference_geo": "us"}, Terms(inference_geo="us")),
    ],
)
def test_what_decides_the_price_is_read_from_the_response(
    tmp_path: Path, said: dict[str, str | None], terms: Terms
) -> None:
    """Speed, tier and region are those the response reports; words for nowhere in particular are no region."""
    assert only_call(load_lines(tmp_path, response(usage=USAGE | said))).terms == terms


def test_fast_and_us_calls_cost_more(tmp_path: Path) -> None:
    """The terms reach the price: fast doubles Opus 5, US residency adds a tenth, batch halves."""
    model = "claude-opus-5"
    said: list[dict[str, str]] = [{}, {"speed": "fast"}, {"inference_geo": "us"}, {"service_tier": "batch"}]
    lines = [response(f"msg_{n}", at=n, model=model, usage=USAGE | extra) for n, extra in enumerate(said)]
    costs = [call.cost_usd for call in load_lines(tmp_path, prompt(at=-1), *lines).calls()]
    assert costs[0]
    assert [cost and cost / costs[0] for cost in costs] == [1, 2, Decimal("1.1"), Decimal("0.5")]


def test_the_model_that_answered_is_priced_and_the_one_asked_for_is_kept(tmp_path: Path) -> None:
    """A fallback answers as another model: tokens and money go to that one."""
    call = only_call(load_lines(tmp_path, response(model="claude-haiku-4-5", requestedModel="claude-opus-4-6")))
    assert (call.model, call.requested_model) == ("claude-haiku-4-5", "claude-opus-4-6")
    assert list(count(tmp_path).by_model) == ["claude-haiku-4-5"]


def test_one_plain_entry_is_no_iteration(tmp_path: Path) -> None:
    """A single entry of type message repeats the top level and changes nothing."""
    entries = [{"type": "message", **USAGE}]
    call = only_call(load_lines(tmp_path, response(usage=USAGE | {"iterations": entries})))
    assert (call.iterations, call.usage) == ((), Usage(10, 50, 1000, 200))


def test_compaction_inside_a_response_is_billed_on_top(tmp_path: Path) -> None:
    """The top-level usage leaves out the compaction: cost is the sum of the entries, each with its own tokens."""
    plain = only_call(load_lines(tmp_path, response(usage=USAGE))).cost_usd
    entries = [{"type": "compaction", "input_tokens": 100_000}, {"type": "message", **USAGE}]
    call = only_call(load_lines(tmp_path, response(usage=USAGE | {"iterations": entries})))
    assert [(entry.kind, entry.model) for entry in call.iterations] == [("compaction", MODEL), ("message", MODEL)]
    assert plain
    assert call.cost_usd == plain + Decimal("0.3")
    assert count(tmp_path).totals.cost_usd == call.cost_usd


def test_an_advisor_is_priced_at_its_own_model(tmp_path: Path) -> None:
    """An entry that names another model costs what that model costs."""
    entries = [
        {"type": "message", **USAGE},
        {"type": "advisor_message", "model": "claude-opus-4-6", "output_tokens": 1_000_000},
    ]
    call = only_call(load_lines(tmp_path, response(usage=USAGE | {"iterations": entries})))
    plain = Decimal("0.00003") + Decimal("0.00075") + Decimal("0.0003") + Decimal("0.00075")
    assert call.cost_usd == plain + 25
    assert call.iterations[1].model == "claude-opus-4-6"


def test_a_declined_attempt_before_a_fallback_is_not_billed(tmp_path: Path) -> None:
    """For a fallback the top level equals the last entry; an attempt without output costs nothing."""
    entries = [
        {"type": "message", "model": "claude-opus-4-6", "input_tokens": 1_000_000, "output_tokens": 0},
        {"type": "fallback_message", "model": MODEL, **USAGE},
    ]
    call = only_call(load_lines(tmp_path, response(usage=USAGE | {"iterations": entries})))
    assert call.cost_usd == Decimal("0.00183")


def test_synthetic_notices_are_no_calls(tmp_path: Path) -> None:
    """The client's own notices carry a usage of zeros and a model that is none."""
    session = load_lines(tmp_path, prompt(), response("notice", model="<synthetic>"), response("msg_1", at=2))
    assert [call.message_id for call in session.calls()] == ["msg_1"]
    assert count(tmp_path).totals.calls == 1


def test_a_response_without_usage_is_a_call_of_unknown_size(tmp_path: Path) -> None:
    """Nothing is known of what it cost: it is counted, marked as a lower bound, and its tool calls with it."""
    lines = [prompt(), response("msg_1", tool_use(), usage=None, at=1), tool_result(at=2)]
    call = only_call(load_lines(tmp_path, *lines))
    assert (call.usage, call.output_is_lower_bound, len(call.tool_calls)) == (Usage(), True, 1)
    assert (count(tmp_path).totals.calls, count(tmp_path).totals.tool_calls) == (1, 1)


def test_a_message_without_id_counts_by_its_line(tmp_path: Path) -> None:
    """Proxies leave ids out: two lines are two calls then, and a copy of a line is none."""
    first, second = response(None, at=1), response(None, at=2)
    session = load_lines(tmp_path, prompt(), first, second, first)
    assert [call.message_id for call in session.calls()] == [first["uuid"], second["uuid"]]
    assert count(tmp_path).totals.calls == 2


def test_lines_without_any_id_are_told_by_their_place(tmp_path: Path) -> None:
    """The fifth line of a session and the fifth line of its sub-agent are two calls."""
    nameless = response(None, uuid=None)
    session_file(tmp_path, SID, prompt(), nameless, nameless)
    agent_file(tmp_path, SID, "a1", prompt(), nameless)
    assert count(tmp_path).totals.calls == 3
    keys = sorted(call.message_id for call in load(tmp_path).calls())
    assert keys == [f"{SID}/#2", f"{SID}/#3", f"{SID}/a1#2"]


def test_a_call_is_identified_by_its_request(tmp_path: Path) -> None:
    """The key that native telemetry knows: the request id, else the message id."""
    session = load_lines(tmp_path, prompt(), response("msg_1"), response("msg_2", at=2, requestId=None))
    assert [call.key for call in session.calls()] == ["req_msg_1", "msg_2"]


def test_a_proxy_that_gives_every_answer_one_request_id_hides_no_call(tmp_path: Path) -> None:
    """Keys stay unique: only the first call of a request id is named by it."""
    session = load_lines(tmp_path, prompt(), *(response(f"msg_{n}", at=n, requestId="req_0") for n in (1, 2, 3)))
    assert [call.key for call in session.calls()] == ["req_0", "msg_2", "msg_3"]


def test_one_message_under_two_requests_is_one_call_of_the_main_lane(tmp_path: Path) -> None:
    """Side-question agents replay the parent's messages under a new request id: the main copy names the call."""
    replay = response("msg_1", at=9, requestId="req_replay", usage=USAGE | {"output_tokens": 60})
    agent_file(tmp_path, SID, "a1", prompt("aside", at=8), replay, response("msg_2", at=10))
    session_file(tmp_path, SID, prompt(), response("msg_1"))
    calls = {call.message_id: call for call in load(tmp_path).calls()}
    assert sorted(calls) == ["msg_1", "msg_2"]
    assert (calls["msg_1"].key, calls["msg_1"].ended_ns) == ("req_msg_1", at_ns(1))
    assert calls["msg_1"].usage.output_tokens == 60
    assert count(tmp_path).totals.calls == 2


def test_a_message_that_only_copies_hold_is_still_counted(tmp_path: Path) -> None:
    """agent_progress copies count where the agent's own file is gone, and only there."""
    agent_line = response("msg_a", at=3)
    lines = [prompt(), ask("msg_1", tool_use(name="Task", prompt="look"), at=1), agent_progress(agent_line)]
    session_file(tmp_path, SID, *lines, tool_result(at=5))
    assert sorted(call.message_id for call in load(tmp_path).calls()) == ["msg_1", "msg_a"]
    assert count(tmp_path).totals.calls == 2
    agent_file(tmp_path, SID, "a1", prompt("look", at=2), agent_line)
    assert sorted(call.message_id for call in load(tmp_path).calls()) == ["msg_1", "msg_a"]
    assert count(tmp_path).totals.calls == 2


def test_a_message_counts_once_over_all_sessions(tmp_path: Path) -> None:
    """Copies of a file in another project, under another name, or in a backup add nothing."""
    session_file(tmp_path, SID, prompt(), response("msg_1"))
    session_file(tmp_path, SID.replace("5a", "6a"), prompt(), response("msg_1"), slug="-backup")
    assert count(tmp_path).totals.calls == 1


def test_an_output_without_stop_reason_is_a_lower_bound(tmp_path: Path) -> None:
    """Old clients wrote the streaming placeholder; the session says how many counts are only a lower bound."""
    lines = [response("msg_1", stop=None), response("msg_2", at=2, stop=None), response("msg_2", text("x"), at=3)]
    session = load_lines(tmp_path, prompt(), *lines)
    assert [call.output_is_lower_bound for call in session.calls()] == [True, False]
    assert session.quality.lower_bound_calls == 1
    assert count(tmp_path).sessions[0].lower_bound_calls == 1


def test_an_unknown_model_is_unpriced_and_named(tmp_path: Path) -> None:
    """A model without a known price costs None, never zero, and the totals say how many calls that are."""
    session = load_lines(tmp_path, prompt(), response("msg_1", model="gpt-99"), response("msg_2", at=2))
    assert [call.cost_usd is None for call in session.calls()] == [True, False]
    assert (session.quality.unpriced_calls, session.quality.unpriced_models) == (1, ("gpt-99",))
    stats = count(tmp_path)
    assert (stats.totals.unpriced_calls, stats.sessions[0].unpriced_models) == (1, ["gpt-99"])
    assert stats.by_model["gpt-99"].cost_usd == 0


def test_an_error_notice_that_is_a_billed_response_is_counted(tmp_path: Path) -> None:
    """A response that broke off has a model and a usage: it was billed, whatever else its line says."""
    session = load_lines(tmp_path, prompt(), response("msg_1", isApiErrorMessage=True, error="server_error"))
    assert len(list(session.calls())) == count(tmp_path).totals.calls == 1


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (None, 0),
        (datetime(1960, 1, 1, tzinfo=timezone.utc), 0),  # noqa: UP017 - beside another timezone
        (datetime(1970, 1, 1, 0, 0, 1), 10**9),  # noqa: DTZ001 - that is the case
        (datetime(1970, 1, 1, 1, 0, 1, 500, tzinfo=timezone(timedelta(hours=1))), 10**9 + 500_000),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc), 0),  # noqa: UP017
    ],
)
def test_times_are_nanoseconds_in_utc(moment: datetime | None, expected: int) -> None:
    """No zone means UTC; what 64 bits cannot hold is no time."""
    assert time_ns(moment) == expected


@pytest.mark.parametrize("timestamp", [None, "garbage", "9999-12-31T23:59:59Z", 12])
def test_a_response_without_a_time_takes_that_of_the_line_before(tmp_path: Path, timestamp: object) -> None:
    """It falls on the day of its neighbours, not into 1970, in both ways of reading."""
    session = load_lines(tmp_path, prompt(at=0), response("msg_1", timestamp=timestamp), response("msg_2", at=5))
    assert [call.ended_ns for call in session.calls()] == [at_ns(0), at_ns(5)]
    assert list(count(tmp_path).by_day) == ["2026-03-02"]
    assert session.started_ns == at_ns(0)


def test_a_huge_count_passes_all_the_way(tmp_path: Path) -> None:
    """The largest count that is believed survives packing, adding and pricing."""
    session = load_lines(tmp_path, prompt(), response(usage={"input_tokens": 10**12, "output_tokens": 10**12}))
    stats = count(tmp_path)
    assert stats.totals.input_tokens == only_call(session).usage.input_tokens == 10**12
    assert stats.totals.cost_usd == only_call(session).cost_usd
