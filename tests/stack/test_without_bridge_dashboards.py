"""The shipped dashboards show cost and tokens of a fleet that has no bridge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.captures import native_account
from tests.stack.conftest import start_stack
from tests.stack.exports import money
from tests.stack.recorded import Recording, value_of
from tests.stack.test_dashboards import Loaded
from tests.stack.test_without_bridge import Collector
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

RUNS = ("2.1.329/turns", "2.1.50/basic", "1.0.60/basic")
ALL = "count(last_over_time(gen_ai_client_inference_usage_output_tokens_total[1h]))"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Return a stack that holds what three clients sent today and nothing else."""
    folder = tmp_path_factory.mktemp("fleet")
    with start_stack(folder / "stack") as stack, Collector(stack, folder / "collector") as collector:
        for run in RUNS:
            collector.send(*Recording(run).requests("metrics"))
        series = {(row.session_id, row.model) for run in RUNS for row in native_account(run).token_usage}
        eventually(lambda: stack.metrics.value(ALL, time.time()), lambda value: int(value or 0) >= len(series), 20)
        yield Loaded(stack, folder, round(time.time()) + 1)


def told(run: str) -> dict[str, Decimal]:
    """Return the sums of a client's own counters."""
    account = native_account(run)
    rows = account.token_usage
    return {
        "Listed cost": sum((cost.usd for cost in account.cost_usage), start=Decimal(0)),
        "Input tokens": Decimal(sum(row.input + row.cacheRead + row.cacheCreation for row in rows)),
        "Output tokens": Decimal(sum(row.output for row in rows)),
    }


def test_the_figures_are_those_of_the_clients(fleet: Loaded) -> None:
    """Cost to the last digit, tokens with those of the cache."""
    expected = {name: sum(told(run)[name] for run in RUNS) for name in told(RUNS[0])}
    shown = {name: sum(fleet.panel("models-and-tokens", name).values()) for name in expected}
    assert shown == {name: money(str(value)) for name, value in expected.items()}
    by_day = sum(fleet.panel("models-and-tokens", "Cost per day by model").values())
    assert by_day == shown["Listed cost"]


def test_a_choice_of_user_shows_their_sessions_alone(fleet: Loaded) -> None:
    """By the id of their installation."""
    for run in RUNS:
        (user,) = {value_of(point, "user.id") for point in Recording(run).points()}
        shown = fleet.panel("models-and-tokens", "Listed cost", user=[user])
        assert shown == {"": money(str(told(run)["Listed cost"]))}
