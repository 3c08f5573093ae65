"""Spans that the client sent itself keep its ids, and say what only its telemetry knows."""

from __future__ import annotations

from msgspec import structs

from otel_bridge.convert import ConvertOptions, ids, session_spans
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.model import Session
from otel_bridge.reported import ReportedCall, ReportedTool, ReportedTurn
from otel_bridge.telemetry import DataPoint, Span
from tests.builders import model_call, session, sub_agent, tool_call, turn

TRACE, ROOT, OUTSIDE = "0f" * 16, "1f" * 8, "2f" * 8
CALL, TOOL = "3f" * 8, "4f" * 8


def told_session() -> Session:
    agent = sub_agent("a1", model_call("req_2", at_s=4))
    tool = structs.replace(tool_call("toolu_1", "Agent", agent=agent), reported=ReportedTool(TOOL))
    told = ReportedCall("main", ttft_ms=250.0, span_id=CALL)
    first = turn("p1", model_call("req_1", tool, reported=told), reported=ReportedTurn(TRACE, ROOT, OUTSIDE))
    return session(first, turn("p2", model_call("req_3", at_s=30), at_s=29, index=1, previous_key="p1"))


def spans_by_name() -> dict[str, Span]:
    spans = [span for batch in session_spans(told_session(), ConvertOptions()) for span in batch.items]
    return {span.span_id.hex(): span for span in spans if isinstance(span, Span)}


def test_client_ids_are_kept() -> None:
    """Root, model call and tool call have the client's ids, and what hangs on them finds them."""
    spans = spans_by_name()
    root, call, tool = spans[ROOT], spans[CALL], spans[TOOL]
    assert (root.trace_id.hex(), root.parent_id.hex()) == (TRACE, OUTSIDE)
    assert call.parent_id == tool.parent_id == root.span_id
    assert [span.parent_id.hex() for span in spans.values() if span.name.endswith("Explore")] == [TOOL]
    assert call.trace_id == tool.trace_id == root.trace_id


def test_links_lead_to_the_clients_root() -> None:
    """The next turn is linked to the root as it was sent."""
    second = spans_by_name()[ids.turn_span_id(told_session().id, "p2", 0).hex()]
    (link,) = second.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, ROOT)


def test_call_says_what_only_telemetry_knows() -> None:
    """Query source and time to the first token are on the span; the cost stays computed where a transcript has it."""
    attributes = spans_by_name()[CALL].attributes
    assert attributes["coding_agent.query.source"] == "main"
    assert attributes["gen_ai.response.time_to_first_chunk"] == 0.25
    assert attributes["coding_agent.cost.source"] == "computed"


def test_cost_of_an_unrecorded_call_is_reported() -> None:
    """A call that no transcript records has the client's cost, and says so."""
    lone = session(turn("p1", model_call("req_1", reported=ReportedCall(is_unrecorded=True, cost_is_own=True))))
    (batch,) = session_spans(lone, ConvertOptions())
    sources = [span.attributes.get("coding_agent.cost.source") for span in batch.items if isinstance(span, Span)]
    assert sources == [None, "reported"]


def test_cost_metric_names_the_reported_source() -> None:
    """What a call was for, as the client says it, is the source of its cost in metrics; else who made it."""
    told = ReportedCall("auxiliary", is_unrecorded=True, cost_is_own=True)
    both = session(turn("p1", model_call("req_1", reported=told), model_call("req_2", at_s=3)))
    points = [point for batch in session_metrics(both, ConvertOptions()) for point in batch.items]
    costs = [point for point in points if isinstance(point, DataPoint) and point.metric.name == "coding_agent.cost"]
    assert {point.attributes["coding_agent.call.source"] for point in costs} == {"auxiliary", "main"}
