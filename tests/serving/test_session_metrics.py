"""A scrape shows the newest value of every series under the names and labels that dashboards ask for."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from otel_bridge import semconv
from otel_bridge.serving.exposition import Exposition
from otel_bridge.serving.session_metrics import PART, SessionMetrics
from otel_bridge.telemetry import DataPoint, Distribution, Metric
from tests.serving.client import Samples, samples
from tests.serving.samples import SERIES_PER_SESSION, busy_sessions, session_id

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
MIB = 1 << 20


def page(points: Iterable[DataPoint], accept: str = "") -> str:
    return b"".join(Exposition([SessionMetrics(lambda: points)], accept).text()).decode()


def shown(*points: DataPoint) -> Samples:
    return samples(page(points))


def point(metric: Metric, value: float | Distribution, **attributes: str) -> DataPoint:
    """Build a point; attributes are named as in ``semconv``, by constants."""
    named = {getattr(semconv, name): text for name, text in attributes.items()}
    return DataPoint(metric, {semconv.SESSION_ID: "s1", **named}, 0, 0, value)


def test_counters_and_gauges_are_spelled_as_otlp_spells_them() -> None:
    found = shown(
        point(semconv.COST, 1.25, RESPONSE_MODEL="claude-opus-4-6", CALL_SOURCE="main"),
        point(semconv.COMMITS, 3),
        point(semconv.PRICE_DIFFERENCE, -0.5),
    )
    cost_labels = {
        "session_id": "s1",
        "gen_ai_response_model": "claude-opus-4-6",
        "coding_agent_call_source": "main",
    }
    assert found == {
        ("coding_agent_cost_USD_total", frozenset(cost_labels.items())): 1.25,
        ("coding_agent_commits_total", frozenset({("session_id", "s1")})): 3,
        ("coding_agent_price_difference_USD", frozenset({("session_id", "s1")})): -0.5,
    }


def test_histograms_are_summaries_without_quantiles() -> None:
    """Count and sum are exact; buckets are not shown, since the text formats have none like ours."""
    text = page([point(semconv.TOOL_DURATION, Distribution(3, 4.5, 3, 0, -2, (1, 0, 2)), TOOL_NAME="Bash")])
    labels = frozenset({("session_id", "s1"), ("gen_ai_tool_name", "Bash")})
    assert "# TYPE gen_ai_execute_tool_duration_seconds summary" in text
    assert samples(text) == {
        ("gen_ai_execute_tool_duration_seconds_count", labels): 3,
        ("gen_ai_execute_tool_duration_seconds_sum", labels): 4.5,
    }


def test_sessions_stay_apart() -> None:
    """The id of its session is on every series; a series of no session has no such label."""
    merged = DataPoint(semconv.COMMITS, {}, 0, 0, 9)
    other = DataPoint(semconv.COMMITS, {semconv.SESSION_ID: "s2"}, 0, 0, 5)
    found = shown(point(semconv.COMMITS, 3), other, merged)
    assert {dict(labels).get("session_id"): value for (_, labels), value in found.items()} == {
        "s1": 3,
        "s2": 5,
        None: 9,
    }


@given(st.floats(min_value=0, allow_infinity=False) | st.integers(0, 1 << 53))
def test_values_are_exact(amount: float) -> None:
    """What is read back is the same number to the last bit, however large or small."""
    assert set(shown(point(semconv.COST, amount)).values()) == {amount}


@given(st.text())
def test_labels_come_back_as_they_were(text: str) -> None:
    """Quotes, backslashes and line ends too."""
    ((_, labels),) = shown(point(semconv.PERMISSION_WAITS, 1.0, TOOL_NAME=f"x{text}"))
    assert dict(labels)["gen_ai_tool_name"] == f"x{text}"


def test_a_lone_surrogate_costs_no_page() -> None:
    """JSON can hold half a character, UTF-8 cannot."""
    ((_, labels),) = shown(point(semconv.COMMITS, 1, SESSION_ID="a\ud83db"))
    assert dict(labels)["session_id"] == "a\ufffdb"


def test_labels_of_metrics_are_texts() -> None:
    """Nothing has to be said about how a number would be spelled as a label."""
    kinds = {semconv.ATTRIBUTES[name].type for metric in semconv.METRICS.values() for name in metric.attributes}
    assert kinds == {"string"}


def test_order_does_not_matter() -> None:
    """Samples of one metric stand together under one head, however the points come."""
    points = list(busy_sessions(3))
    mixed = [*points[1::2], *points[::2]]
    assert samples(page(mixed)) == samples(page(points))
    assert page(mixed).count("# TYPE") == len(semconv.METRICS)


def test_large_metrics_are_one_family() -> None:
    """More series than are made at a time still have one head, and none is lost at the seams."""
    count = 2 * PART + 1
    text = page(DataPoint(semconv.COMMITS, {semconv.SESSION_ID: session_id(n)}, 0, 0, n) for n in range(count))
    assert text.count("# HELP") == text.count("# TYPE") == 1
    values = {dict(labels)["session_id"]: value for (_, labels), value in samples(text).items()}
    assert values == {session_id(n): n for n in range(count)}


def test_openmetrics_reads_what_is_shown() -> None:
    """Its stricter parser finds every series, and the end that says that nothing was cut off."""
    text = page(busy_sessions(2), OPENMETRICS)
    families = list(read_openmetrics(text))
    assert len(families) == len(semconv.METRICS)
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1
    plain = samples(page(busy_sessions(2)))
    assert {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples} == plain


@pytest.mark.slow
def test_a_scrape_of_many_sessions_is_small_in_memory() -> None:
    """2,000 busy sessions are over 15 MiB of text, and less than that is ever held: not the points, not the page."""
    page(busy_sessions(1))  # what is loaded once is not of the scrape
    tracemalloc.start()
    try:
        found = Exposition([SessionMetrics(lambda: busy_sessions(2000))], "")
        read_bytes = sum(map(len, found.text()))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read_bytes == found.length_bytes > 15 * MIB
    assert peak_bytes < 14 * MIB
    assert sum(1 for _ in busy_sessions(1)) == SERIES_PER_SESSION
