"""What the stores answer is understood: a refusal is told, an answer of Tempo has the same shape as one of Jaeger."""

from __future__ import annotations

import json
import time

import pytest

from tests.status_server import StatusServer
from tools.stack.stack import Stack
from tools.stack.stores import Prometheus, QueryError, StoredSpan, TempoTraces

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
OF_TEMPO = {
    "trace": {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "CvdlGRbNQ92ESOshHIAxnA==",
                                "spanId": "t61rcWkgMzE=",
                                "parentSpanId": "AAAAAAAAAAE=",
                                "name": "chat",
                                "startTimeUnixNano": "1763000000000000001",
                                "attributes": [
                                    {"key": "tokens", "value": {"intValue": "9007199254740993"}},
                                    {"key": "cost", "value": {"doubleValue": 0.1}},
                                    {"key": "reasons", "value": {"arrayValue": {"values": [{"stringValue": "stop"}]}}},
                                ],
                            }
                        ]
                    }
                ],
            }
        ]
    }
}
"""The form of its second trace API: protobuf's own JSON, ids in base64."""


def test_a_trace_of_tempo_is_read() -> None:
    """Ids as hex, numbers as numbers."""
    with StatusServer({f"/api/v2/traces/{TRACE_ID}": json.dumps(OF_TEMPO)}) as server:
        store = TempoTraces(server.url)
        assert store.trace(TRACE_ID) == [
            StoredSpan(
                trace_id=TRACE_ID,
                span_id="b7ad6b7169203331",
                parent_id="0000000000000001",
                name="chat",
                start_ns=1763000000000000001,
                attributes={"tokens": 9007199254740993, "cost": 0.1, "reasons": ["stop"]},
                resource={"service.name": "claude-code"},
            )
        ]
        assert store.trace("f" * 32) == []


def test_a_trace_that_nobody_sent_is_empty(stack: Stack) -> None:
    """In the store of the tests too."""
    assert stack.trace_store.trace("f" * 32) == []


def test_prometheus_says_what_is_wrong_with_a_query(stack: Stack) -> None:
    """In its own words."""
    with pytest.raises(QueryError, match=r"400: .*parse error"):
        stack.metrics.query("sum(", time.time())


def test_values_are_the_text_of_prometheus(stack: Stack) -> None:
    """The shortest that is the same number; a scalar is a value too, and nothing is none."""
    metrics = Prometheus(stack.prometheus)
    assert metrics.value("vector(0.1) + 0.2", time.time()) == "0.30000000000000004"
    assert metrics.value("1 + 1", time.time()) == "2"
    assert metrics.value("nothing_has_this_name", time.time()) is None
    with pytest.raises(QueryError, match="2 series"):
        metrics.value('label_replace(vector(1), "a", "b", "", "") or vector(2)', time.time())
