"""Three weeks of history: what the real Prometheus and the real trace store answer is what ``stats`` says."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.stack.exports import Reader, export, money, stats
from tests.transcripts import library
from tools.history import TEAMS, write_history
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

SERVICE = "exact"
COST = "coding_agent_cost_USD_total"
LISTED = {"coding_agent_call_source": '!="unrecorded"'}
TOKENS = "gen_ai_client_inference_usage_{}_tokens_total"
DAY_S = 86_400


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of recorded sessions moved over the last three weeks; all their turns are over."""
    folder = tmp_path_factory.mktemp("history")
    write_history(folder, until=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2), copies=30)
    return folder


@pytest.fixture(scope="module")
def told(history: Path) -> dict[str, Any]:
    return stats(history)


@pytest.fixture(scope="module")
def summary(stack: Stack, history: Path) -> dict[str, Any]:
    return export(stack, history, service=SERVICE)


@pytest.fixture(scope="module")
def reader(stack: Stack, summary: dict[str, Any]) -> Reader:
    assert summary["exit_code"] == 0, summary["stderr"]
    return Reader(stack, SERVICE, time.time() + 60)


def test_the_cost_is_that_of_stats(reader: Reader, told: dict[str, Any]) -> None:
    assert money(reader.total(reader.last(COST, **LISTED))) == Decimal(told["totals"]["cost_usd"])


def test_the_cost_of_each_model_is_that_of_stats(reader: Reader, told: dict[str, Any]) -> None:
    found = reader.sum(reader.last(COST, **LISTED), "gen_ai_response_model")
    assert {model: money(usd) for model, usd in found.items()} == {
        model: Decimal(totals["cost_usd"]) for model, totals in told["by_model"].items() if totals["calls"]
    }


def test_the_cost_of_each_day_is_that_of_stats(reader: Reader, told: dict[str, Any]) -> None:
    for day, totals in told["by_day"].items():
        midnight = datetime.fromisoformat(f"{day}T00:00:00Z").timestamp() + DAY_S - 0.001
        assert money(reader.total(reader.window(COST, DAY_S, **LISTED), midnight)) == Decimal(totals["cost_usd"]), day


def test_the_cost_of_each_pull_request_is_that_of_stats(reader: Reader, told: dict[str, Any]) -> None:
    found = reader.sum(reader.last("coding_agent_change_cost_USD"), "vcs_repository_url_full", "vcs_change_id")
    assert {change: money(usd) for change, usd in found.items() if money(usd)} == {
        (f"https://github.com/{line['repository']} {line['change_id']}" if line["change_id"] else " "): Decimal(
            line["cost_usd"]
        )
        for line in told["by_change"]
    }
    assert len(told["by_change"]) > 5


def test_the_cost_of_each_session_is_that_of_stats(reader: Reader, told: dict[str, Any]) -> None:
    found = reader.sum(reader.last(COST, **LISTED), "session_id")
    assert {session: money(usd) for session, usd in found.items()} == {
        session["session_id"]: Decimal(session["cost_usd"]) for session in told["sessions"] if session["calls"]
    }


def test_what_no_transcript_records_stands_apart_and_equals_stats(reader: Reader, told: dict[str, Any]) -> None:
    more = reader.total(reader.last(COST, coding_agent_call_source='="unrecorded"'))
    less = reader.total(reader.last("coding_agent_price_difference_USD"))
    assert money(more) + money(less) == Decimal(told["unrecorded_cost_usd"])
    assert money(more) > 0


def test_tokens_of_every_kind_are_those_of_stats(reader: Reader, told: dict[str, Any]) -> None:
    kinds = ("input", "output", "cache_read_input", "cache_write_input")
    whole, output, read, write = (int(reader.total(reader.last(TOKENS.format(kind))) or 0) for kind in kinds)
    totals = told["totals"]
    assert (output, read, write) == (
        totals["output_tokens"], totals["cache_read_tokens"], totals["cache_write_tokens"]
    )  # fmt: skip
    assert whole - read - write == totals["input_tokens"]
    assert reader.total(reader.last("coding_agent_usage_uncached_input_tokens_total")) == str(totals["input_tokens"])


def test_every_call_and_tool_call_is_in_its_histogram(reader: Reader, told: dict[str, Any], history: Path) -> None:
    sessions = list(library(history, now=1e9))
    assert reader.count("gen_ai_client_inference_duration_seconds") == {"": str(told["totals"]["calls"])}
    tools = [tool for session in sessions for tool in session.tool_calls() if tool.is_finished]
    assert reader.count("gen_ai_execute_tool_duration_seconds") == {"": str(told["totals"]["tool_calls"])}
    by_tool: dict[str, int] = {}
    for tool in tools:
        key = f"{tool.name} {tool.error_type or ''}"
        by_tool[key] = by_tool.get(key, 0) + 1
    found = reader.count("gen_ai_execute_tool_duration_seconds", "gen_ai_tool_name", "error_type")
    assert found == {key: str(count) for key, count in by_tool.items()}


def test_windows_that_cut_through_sessions_hold_what_ended_in_them(reader: Reader, history: Path) -> None:
    calls = [call for session in library(history, now=1e9) for call in session.calls()]
    ends = sorted(call.ended_ns for call in calls)
    for place, seconds in ((len(ends) // 2, 1), (len(ends) // 3, 5), (len(ends) // 4, 30), (5, 100_000)):
        until = ends[place] // 10**6 / 1000 + 0.0005
        inside = [call for call in calls if until - seconds < call.ended_ns // 10**6 / 1000 <= until]
        listed = sum((call.cost_usd or Decimal(0) for call in inside), start=Decimal(0))
        assert money(reader.total(reader.window(COST, seconds, **LISTED), until)) == listed
        assert inside


def test_the_trace_store_has_every_span_and_its_cost(
    stack: Stack, summary: dict[str, Any], told: dict[str, Any]
) -> None:
    end_s = time.time() + 60

    def stored() -> list[Any]:
        return stack.trace_store.spans(SERVICE, end_s - 30 * DAY_S, end_s)

    spans = eventually(stored, lambda spans: len(spans) >= summary["spans"])
    assert len(spans) == len({(span.trace_id, span.span_id) for span in spans}) == summary["spans"]
    costs = [span.attributes["coding_agent.cost.amount"] for span in spans if span.name.startswith("chat ")]
    assert money(str(sum(map(Decimal, map(str, costs))))) == Decimal(told["totals"]["cost_usd"])


def everything(stack: Stack, service: str, at_s: float) -> dict[str, Any]:
    """Return what every series of a service reads, and how many points each metric has."""
    selector = f'{{job="{service}"}}'
    names = stack.metrics.ask("label/__name__/values", **{"match[]": selector, "start": 0})
    points = {name: stack.metrics.value(f"sum(count_over_time({name}{selector}[4000d]))", at_s) for name in names}
    found = stack.metrics.ask("query", query=f"last_over_time({selector}[4000d])", time=at_s)["result"]
    values = [(str(each["metric"]), str((each.get("value") or each["histogram"])[1])) for each in found]
    return {"points": points, "values": sorted(values)}


def test_a_second_export_changes_nothing_anywhere(
    stack: Stack, history: Path, reader: Reader, summary: dict[str, Any]
) -> None:
    before = everything(stack, SERVICE, reader.at_s)
    again = export(stack, history, service=SERVICE)
    assert again["exit_code"] == 0
    assert again["delivery"]["counts"] == summary["delivery"]["counts"]
    assert everything(stack, SERVICE, reader.at_s) == before
    spans = stack.trace_store.spans(SERVICE, reader.at_s - 30 * DAY_S, reader.at_s)
    assert len({(span.trace_id, span.span_id) for span in spans}) == summary["spans"]


def test_parts_sent_twice_and_in_another_order_give_the_same(stack: Stack, history: Path, reader: Reader) -> None:
    """Who exports a part knows less than who exports all, before and after it."""
    service = "exact in parts"
    for teams in (TEAMS[1:], reversed(TEAMS), TEAMS[:2], TEAMS[:1]):
        assert export(stack, *(history / team for team in teams), service=service)["exit_code"] == 0
    whole, parts = (everything(stack, name, reader.at_s) for name in (SERVICE, service))
    renamed = [(labels.replace(service, SERVICE), value) for labels, value in parts["values"]]
    assert sorted(renamed) == whole["values"]


def nonzero(values: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out series that say nothing: 0, or a histogram without values."""
    return [(labels, value) for labels, value in values if value != "0" and "'count': '0'" not in value]


def test_forks_and_origins_sent_apart_and_together_in_any_order_give_the_same(
    stack: Stack, history: Path, reader: Reader
) -> None:
    """Who has a fork without its origin takes the copied calls for the fork's own; who has both takes that back."""
    service = "exact apart"
    mains = sorted(path for path in history.rglob("*.jsonl") if not path.name.startswith("agent-"))
    for paths in (mains[::2], mains[1::2], [history], mains[::2]):
        assert export(stack, *paths, service=service)["exit_code"] == 0
    whole, apart = (everything(stack, name, reader.at_s) for name in (SERVICE, service))
    renamed = [(labels.replace(service, SERVICE), value) for labels, value in apart["values"]]
    assert sorted(nonzero(renamed)) == nonzero(whole["values"])
