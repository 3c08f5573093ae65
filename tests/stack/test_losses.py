"""An export that meets trouble: nothing acknowledged is lost, nothing doubled, and the summary says what happened."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.stack.conftest import NewStack
from tests.stack.exports import Reader, export, money, stats
from tests.transcripts import OTHER, SID, prompt, response, session_file
from tools.history import write_history
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

COST = "coding_agent_cost_USD_total"
LISTED = {"coding_agent_call_source": '!="unrecorded"'}
DAY_S = 86_400


def test_a_collector_that_is_killed_and_comes_back_during_an_export_costs_nothing(
    new_stack: NewStack, tmp_path: Path
) -> None:
    stack = new_stack()
    write_history(tmp_path, until=datetime.now(UTC) - timedelta(hours=3), copies=40)
    collector = stack.servers["collector"]

    def kill_and_start() -> None:
        for pause_s in (1.5, 1.0):
            time.sleep(pause_s)
            collector.kill()
            time.sleep(0.5)
            collector.start()

    trouble = threading.Thread(target=kill_and_start)
    trouble.start()
    summary = export(stack, tmp_path, service="killed")
    trouble.join()
    told = stats(tmp_path)["totals"]
    assert summary["exit_code"] == 0, summary["stderr"]
    assert summary["delivery"]["counts"]["metrics"]["accepted"] == summary["data_points"]
    reader = Reader(stack, "killed", time.time() + 60)
    assert money(reader.total(reader.last(COST, **LISTED))) == Decimal(told["cost_usd"])
    end_s = time.time() + 60
    spans = eventually(
        lambda: {
            (span.trace_id, span.span_id) for span in stack.trace_store.spans("killed", end_s - 30 * DAY_S, end_s)
        },
        lambda found: len(found) >= summary["spans"],
    )
    assert len(spans) == summary["spans"]


def test_an_export_to_nobody_says_that_nothing_arrived(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack()
    write_history(tmp_path, until=datetime.now(UTC) - timedelta(hours=3), copies=3)
    stack.servers["prometheus"].kill()
    summary = export(stack, tmp_path, service="nobody", only=["metrics"], give_up_s=1)
    counts = summary["delivery"]["counts"]["metrics"]
    assert summary["exit_code"] == 4
    assert counts["accepted"] == 0
    assert counts["undelivered"] == summary["data_points"]
    stack.servers["prometheus"].start()
    assert export(stack, tmp_path, service="nobody", only=["metrics"])["exit_code"] == 0
    reader = Reader(stack, "nobody", time.time() + 60)
    assert money(reader.total(reader.last(COST, **LISTED))) == Decimal(stats(tmp_path)["totals"]["cost_usd"])


def test_a_point_prometheus_refuses_is_named_and_takes_no_other_with_it(stack: Stack, tmp_path: Path) -> None:
    """A session from before the window of 400 days, beside a good one."""
    stamp = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    old = "2024-01-01T00:00:00.000Z"
    session_file(tmp_path / "good", SID, prompt(timestamp=stamp), response("msg_1", timestamp=stamp))
    session_file(tmp_path / "bad", OTHER, prompt(timestamp=old), response("msg_2", timestamp=old))
    good = export(stack, tmp_path / "good", service="good alone", only=["metrics"])
    summary = export(stack, tmp_path, service="refused", only=["metrics"])
    counts = summary["delivery"]["counts"]["metrics"]
    assert summary["exit_code"] == 4
    assert counts["accepted"] == good["data_points"]
    assert counts["rejected"] == summary["data_points"] - good["data_points"]
    assert all(OTHER in rejection["item"] for rejection in summary["delivery"]["rejections"])
    reader = Reader(stack, "refused", time.time() + 60)
    assert reader.sum(reader.last(COST, **LISTED), "session_id") == {SID: "0.00183"}
