"""What happened three weeks ago is found at its own time, in the trace store and in Prometheus."""

from __future__ import annotations

import time

from tests.stack.otlp import SYNC, counter, send_grpc, send_http, span_id, spans
from tools.stack.stack import Stack
from tools.stack.stores import eventually

DAY_S = 86_400
SPANS = 297


def test_old_spans_are_found(stack: Stack) -> None:
    """By id and by a search of their time, all of them, with their parents and their own time."""
    at = time.time() - 21 * DAY_S
    request = spans("three weeks ago", at, SPANS, {"gen_ai.tool.name": "Bash"})
    sent = request.resource_spans[0].scope_spans[0].spans
    trace_id = sent[0].trace_id.hex()
    assert send_grpc(stack.collector_grpc, request).status == "OK"
    found = eventually(lambda: stack.trace_store.trace(trace_id), lambda spans: len(spans) == SPANS)
    assert {span.span_id for span in found} == {span_id(number).hex() for number in range(SPANS)}
    assert {span.parent_id for span in found} == {None, span_id(0).hex()}
    assert {span.start_ns // 1000 for span in found} == {span.start_time_unix_nano // 1000 for span in sent}
    assert all(span.attributes["gen_ai.tool.name"] == "Bash" for span in found)

    def search(start_s: float) -> set[str]:
        return stack.trace_store.search("three weeks ago", start_s, start_s + 2 * DAY_S)

    assert eventually(lambda: search(at - DAY_S), bool) == {trace_id}
    assert search(time.time() - DAY_S) == set()


def test_spans_sent_twice_are_there_once(stack: Stack) -> None:
    """An export may be repeated at any time."""
    at = time.time() - 21 * DAY_S
    request = spans("sent twice", at, 5)
    trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    more = spans("sent twice", at + 60, 1, key="later")
    later = more.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    for each in (request, request, more):
        assert send_http(stack.collector_http, each).status == 200
    eventually(lambda: stack.trace_store.trace(later), bool)
    assert len(stack.trace_store.trace(trace_id)) == 5


def test_old_points_are_read_at_their_time(stack: Stack) -> None:
    """A value is what the session had at that moment: nothing before, the later one after."""
    at = round(time.time()) - 21 * DAY_S
    request = counter("old points", [(at - 0.001, 0), (at, 0.1), (at + 600, 0.30000000000000004)])
    assert send_http(stack.collector_http, request, SYNC).status == 200
    read = 'last_over_time(coding_agent_cost_USD_total{session_id="old points"}[4000d])'
    times = [at - 1, at - 0.001, at, at + 599, at + 600, time.time()]
    values = [stack.metrics.value(read, each) for each in times]
    assert values == [None, "0", "0.1", "0.1", "0.30000000000000004", "0.30000000000000004"]


def test_a_series_has_the_labels_that_were_sent_and_no_other(stack: Stack) -> None:
    """No host, no instance, no target_info: whoever sends a session, it is the same series."""
    assert send_http(stack.collector_http, counter("labels", [(time.time(), 1)]), SYNC).status == 200
    found = stack.metrics.query('{session_id="labels"}', time.time())
    assert [labels for labels, _ in found] == [
        {"__name__": "coding_agent_cost_USD_total", "job": "claude-code", "session_id": "labels"}
    ]
    assert stack.metrics.query('target_info{job="claude-code"}', time.time()) == []


def test_history_may_come_after_the_present_and_in_any_order(stack: Stack) -> None:
    """Backfill beside live sessions: the newest first, then older ones, then between."""
    now = round(time.time())
    for days, value in ((0, 9), (20, 1), (10, 5), (15, 3)):
        request = counter("any order", [(now - days * DAY_S, value)])
        assert send_http(stack.collector_http, request, SYNC).status == 200
    points = stack.metrics.query_range(
        'coding_agent_cost_USD_total{session_id="any order"}', now - 20 * DAY_S, now, 5 * DAY_S
    )
    assert [value for _, value in points[0][1]] == ["1", "3", "5", "9"]
