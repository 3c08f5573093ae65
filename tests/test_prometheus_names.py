"""Names become what Prometheus makes of them; ``tests/serving/test_scraped.py`` asks a real one."""

from __future__ import annotations

import pytest

from otel_bridge import semconv
from otel_bridge.prometheus_names import label, series
from otel_bridge.telemetry import Metric

NAMES = [
    (semconv.COST, "coding_agent_cost_USD_total"),
    (semconv.COMMITS, "coding_agent_commits_total"),
    (semconv.ACTIVE_TIME, "coding_agent_active_time_seconds_total"),
    (semconv.USAGE_CACHE_READ, "gen_ai_client_inference_usage_cache_read_input_tokens_total"),
    (semconv.CHANGE_COST, "coding_agent_change_cost_USD"),
    (semconv.SESSION_INFO, "coding_agent_session_info"),
    (semconv.TOOL_DURATION, "gen_ai_execute_tool_duration_seconds"),
    (semconv.AGENT_TOOL_CALLS, "gen_ai_invoke_agent_tool_calls"),
    (semconv.OWN_SIZE, "otel_bridge_index_size_bytes"),
    (semconv.OWN_SYNCED, "otel_bridge_last_sync_time_seconds"),
]


@pytest.mark.parametrize(("metric", "name"), NAMES)
def test_units_and_totals_are_part_of_names(metric: Metric, name: str) -> None:
    """Units stand in the name unless they only say what is counted, and only counters are totals."""
    assert series(metric).name == name


def test_labels_are_attributes_with_underscores() -> None:
    assert label("vcs.repository.url.full") == "vcs_repository_url_full"
    assert series(semconv.LINES).labels == {"session_id", "vcs_line_change_type"}


def test_no_two_metrics_share_a_name() -> None:
    """Sessions and the bridge itself are shown on one page."""
    metrics = [*semconv.METRICS.values(), *semconv.OWN_METRICS.values()]
    assert len({series(metric).name for metric in metrics}) == len(metrics)
