"""Every query of every panel, asked of a real Prometheus that holds three weeks of sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from otel_bridge.model import Session
from tests.stack.conftest import start_stack
from tests.stack.exports import export, money, stats
from tests.stack.test_rules import groups
from tests.transcripts import SID, ask, library, prompt, session_file, tool_result, tool_use
from tools.dashboards.queries import Query, Shown, queries
from tools.history import TEAMS, write_history
from tools.stack.stack import Stack

pytestmark = pytest.mark.slow

DAY_S = 86_400
DAYS = 25
HOST_TYPES = {"ada": "local", "grace": "cluster", "ci": "ci"}


class Loaded(NamedTuple):
    """A stack that holds a history and nothing else."""

    stack: Stack
    folder: Path
    end_s: int

    def shown(self, **variables: str | Sequence[str]) -> Shown:
        """Return a view of the whole history, days of UTC."""
        return Shown(self.end_s - DAYS * DAY_S, self.end_s, variables)

    def answer(self, query: Query) -> list[tuple[dict[str, str], list[str]]]:
        """Return labels and values of each series a query finds; of histograms nothing may be left."""
        metrics = self.stack.metrics
        if query.step_s is None:
            return [(labels, [value]) for labels, value in metrics.query(query.text, query.end_s)]
        found = metrics.query_range(query.text, query.start_s, query.end_s, query.step_s)
        return [(labels, [value for _, value in points]) for labels, points in found]

    def panel(self, dashboard: str, title: str, ref: str = "A", **variables: str | Sequence[str]) -> dict[str, Decimal]:
        """Return the sum of what one query of a panel shows, by its labels."""
        (query,) = (
            query
            for query in queries(self.shown(**variables))
            if (query.dashboard, query.panel, query.ref) == (f"otel-bridge-{dashboard}", title, ref)
        )
        found = {
            " ".join(labels.values()): sum(map(money, values), start=Decimal(0))
            for labels, values in self.answer(query)
        }
        return {labels: value for labels, value in found.items() if value}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("dashboards")
    until = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    write_history(folder / "history", until=until, copies=30)
    write_rejected_call(folder / "history" / TEAMS[0], until)
    with start_stack(folder / "stack") as stack:
        for team in TEAMS:
            env = {"OTEL_RESOURCE_ATTRIBUTES": f"user.name={team},coding_agent.host.type={HOST_TYPES[team]}"}
            summary = export(stack, folder / "history" / team, service="claude-code", only=["metrics"], **env)
            assert summary["exit_code"] == 0, summary["stderr"]
        yield Loaded(stack, folder / "history", round(time.time()))


def write_rejected_call(folder: Path, at: datetime) -> None:
    """Write a session in which the user took 7 seconds to say no to an MCP tool: no recording has such a thing."""
    stamps = [(at + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z") for seconds in range(9)]
    session_file(
        folder,
        SID,
        prompt(timestamp=stamps[0]),
        ask("msg_1", tool_use("toolu_1", "mcp__demo__lookup"), at=1, timestamp=stamps[1], model="claude-next"),
        tool_result("toolu_1", is_error=True, timestamp=stamps[8], toolDenialKind="user-rejected"),
    )


@pytest.fixture(scope="module")
def told(loaded: Loaded) -> dict[str, Any]:
    """Add up what was exported, team by team as it was."""
    return {team: stats(loaded.folder / team) for team in TEAMS}


def total(told: dict[str, Any], field: str, teams: Sequence[str] = TEAMS) -> Decimal:
    return sum((Decimal(told[team]["totals"][field]) for team in teams), start=Decimal(0))


PROMQL = [query for query in queries(Shown(0, DAY_S)) if query.kind == "promql"]


@pytest.mark.parametrize(
    "place", range(len(PROMQL)), ids=[f"{query.dashboard}-{query.panel}-{query.ref}" for query in PROMQL]
)
def test_every_query_of_every_panel_finds_something(loaded: Loaded, place: int) -> None:
    query = [query for query in queries(loaded.shown()) if query.kind == "promql"][place]
    assert loaded.answer(query), query.text


def test_the_first_figures_of_the_cost_dashboard_are_those_of_stats(loaded: Loaded, told: dict[str, Any]) -> None:
    listed = total(told, "cost_usd")
    unrecorded = sum(Decimal(told[team]["unrecorded_cost_usd"]) for team in TEAMS)
    on_changes = sum(
        Decimal(line["cost_usd"]) for team in TEAMS for line in told[team]["by_change"] if line["change_id"]
    )
    figures = {
        name: loaded.panel("cost-per-pr", name) for name in ("Listed cost", "On pull requests", "Not attributed")
    }
    assert figures == {
        "Listed cost": {"": listed},
        "On pull requests": {"": on_changes},
        "Not attributed": {"": listed - on_changes},
    }
    (shown,) = loaded.panel("cost-per-pr", "Unrecorded").values()
    below = money(
        loaded.stack.metrics.value("sum(last_over_time(coding_agent_price_difference_USD[4000d]))", loaded.end_s)
    )
    assert shown + below == unrecorded


def test_the_table_of_pull_requests_is_that_of_stats(loaded: Loaded, told: dict[str, Any]) -> None:
    expected: dict[str, Decimal] = {}
    for line in (line for team in TEAMS for line in told[team]["by_change"]):
        key = f"{line['repository']} {line['change_id']}" if line["change_id"] else "unattributed"
        expected[key] = expected.get(key, Decimal(0)) + Decimal(line["cost_usd"])
    shown = loaded.panel("cost-per-pr", "Pull requests by cost")
    assert sorted(shown.values()) == sorted(expected.values())
    for change in expected.keys() - {"unattributed"}:
        assert any(all(part in labels for part in change.split()) for labels in shown), change


def test_the_days_of_the_trend_are_those_of_stats(loaded: Loaded, told: dict[str, Any]) -> None:
    shown: dict[str, Decimal] = {}
    (query,) = (
        query
        for query in queries(loaded.shown())
        if (query.panel, query.ref, query.dashboard) == ("Cost per day by model", "A", "otel-bridge-models-and-tokens")
    )
    assert query.step_s
    found = loaded.stack.metrics.query_range(query.text, query.start_s, query.end_s, query.step_s)
    for _, points in found:
        for at_s, usd in points:
            day = datetime.fromtimestamp(at_s, UTC).date().isoformat()
            shown[day] = shown.get(day, Decimal(0)) + money(usd)
    days = {day for team in TEAMS for day in told[team]["by_day"]}
    expected = {
        day: sum(Decimal(told[team]["by_day"].get(day, {"cost_usd": 0})["cost_usd"]) for team in TEAMS) for day in days
    }
    assert {day: usd for day, usd in shown.items() if usd} == {day: usd for day, usd in expected.items() if usd}


def test_tokens_and_calls_are_those_of_stats(loaded: Loaded, told: dict[str, Any]) -> None:
    read, write = (total(told, f"cache_{kind}_tokens") for kind in ("read", "write"))
    expected = {
        "Model calls": total(told, "calls"),
        "Input tokens": total(told, "input_tokens") + read + write,
        "Output tokens": total(told, "output_tokens"),
    }
    assert {name: sum(loaded.panel("models-and-tokens", name).values()) for name in expected} == expected
    (hit_rate,) = loaded.panel("models-and-tokens", "Cache hit rate").values()
    assert hit_rate == money(str(read / expected["Input tokens"]))


@pytest.mark.parametrize("team", TEAMS)
def test_a_choice_of_user_or_host_type_shows_their_sessions_alone(
    loaded: Loaded, told: dict[str, Any], team: str
) -> None:
    listed = total(told, "cost_usd", [team])
    for variables in ({"user": [team]}, {"host_type": [HOST_TYPES[team]]}):
        assert loaded.panel("cost-per-pr", "Listed cost", **variables) == {"": listed}
    both = [name for name in TEAMS if name != team]
    assert loaded.panel("cost-per-pr", "Listed cost", user=both) == {"": total(told, "cost_usd", both)}


RULES = [rule for name in ("alerts.yaml", "budgets.yaml") for group in groups(name) for rule in group["rules"]]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_prometheus_answers_the_query_of_every_rule(loaded: Loaded, rule: dict[str, Any]) -> None:
    found = loaded.stack.metrics.query(rule["expr"], loaded.end_s)
    assert found or rule.get("record") not in FED


FED = {"coding_agent:budget_usd", "coding_agent:limit", "host:coding_agent_sessions:1d"}
"""Records that this history must have values for; of others the last hours may have none."""


def test_what_is_not_certain_is_counted_as_stats_counts_it(loaded: Loaded, told: dict[str, Any]) -> None:
    lower = sum(session["lower_bound_calls"] for team in TEAMS for session in told[team]["sessions"])
    assert loaded.panel("models-and-tokens", "Unpriced calls") == {"": total(told, "unpriced_calls")}
    assert loaded.panel("models-and-tokens", "Lower bounds") == {"": lower}
    assert lower > 0


def unrecorded(session: Session, at_ns: int) -> Decimal:
    """Return what the client's own total had beyond our calls at a time."""
    known = [entry.cost_usd for entry in session.unrecorded_history if entry.at_ns <= at_ns]
    return max(known[-1], Decimal(0)) if known else Decimal(0)


def test_budgets_are_held_against_the_costs_of_stats(loaded: Loaded, told: dict[str, Any]) -> None:
    """What stands left of the limit: the last 24 hours, and each pull request so far."""
    left = {rule["alert"]: rule["expr"].partition("> scalar")[0] for rule in RULES if "> scalar" in rule["expr"]}
    sessions = list(library(loaded.folder, now=1e9))
    since_ns = (loaded.end_s - DAY_S) * 10**9
    ended = [call for session in sessions for call in session.calls() if call.ended_ns > since_ns]
    day = sum((call.cost_usd or Decimal(0) for call in ended), start=Decimal(0))
    day += sum(unrecorded(session, loaded.end_s * 10**9) - unrecorded(session, since_ns) for session in sessions)
    (found,) = loaded.stack.metrics.query(left["CodingAgentDayOverBudget"], loaded.end_s)
    assert money(found[1]) == day > 0
    shown = {
        (labels["vcs_repository_url_full"], labels["vcs_change_id"]): money(usd)
        for labels, usd in loaded.stack.metrics.query(left["CodingAgentChangeOverBudget"], loaded.end_s)
    }
    expected: dict[tuple[str, str], Decimal] = {}
    for line in (line for team in TEAMS for line in told[team]["by_change"] if line["change_id"]):
        key = (f"https://github.com/{line['repository']}", line["change_id"])
        expected[key] = expected.get(key, Decimal(0)) + Decimal(line["cost_usd"])
    assert shown == expected
