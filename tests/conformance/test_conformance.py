"""What we convert keeps the GenAI conventions, and the judge that says so can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from otel_bridge import semconv
from otel_bridge.convert import ConvertOptions, session_events, session_spans
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.model import Session
from otel_bridge.telemetry import DataPoint
from tests.conformance.judge import REGISTRY, judge
from tests.convert.samples import EVERYTHING, full_session
from tests.convert.strategies import sessions
from tests.otlp import otlp_documents

Span = dict[str, Any]


def exported(session: Session, options: ConvertOptions) -> list[dict[str, Any]]:
    return otlp_documents([*session_spans(session, options), *session_events(session, options)])


def items(documents: list[dict[str, Any]], signal: str, name: str) -> list[dict[str, Any]]:
    entries = [entry for document in documents for entry in document.get(f"resource{signal}", ())]
    return [item for entry in entries for scope in entry[f"scope{signal}"] for item in scope[name]]


@pytest.mark.parametrize("options", [ConvertOptions(), ConvertOptions(include_open=True), EVERYTHING])
def test_full_session_has_no_violation(options: ConvertOptions) -> None:
    """A session in which everything happens is exported without a violation, whatever the options."""
    assert judge(exported(full_session(), options)) == []


@given(session=sessions)
def test_any_session_has_no_violation(session: Session) -> None:
    """No shape of a session leads to a violation."""
    assert judge(exported(session, ConvertOptions())) == []


def test_standard_attributes_are_declared_as_the_registry_has_them() -> None:
    """Every name we declare that is not our own is in the registry, with the type we declare."""
    for attribute in semconv.ATTRIBUTES.values():
        if not attribute.name.startswith("coding_agent."):
            law = REGISTRY["attributes"][attribute.name]
            assert attribute.type == {"enum": "string", "any": "string"}.get(law["type"], law["type"]), attribute.name


def test_schema_urls_are_the_registrys() -> None:
    """Scope and resource name the schemas the registry was read at."""
    assert REGISTRY["source"]["schema_url"] == semconv.SCOPE.schema_url
    assert REGISTRY["source"]["core_schema_url"] == semconv.RESOURCE_SCHEMA_URL


def set_attribute(name: str, value: dict[str, Any] | None) -> Callable[[Span], None]:
    def plant(span: Span) -> None:
        span["attributes"] = [pair for pair in span["attributes"] if pair["key"] != name]
        if value is not None:
            span["attributes"].append({"key": name, "value": value})

    return plant


def set_field(name: str, value: Any) -> Callable[[Span], None]:
    return lambda span: span.update({name: value})


FAULTS = [
    ("chat", set_attribute("gen_ai.system", {"stringValue": "anthropic"}), "unknown attribute"),
    ("chat", set_attribute("coding_agent.no.such", {"stringValue": "x"}), "unknown attribute"),
    ("chat", set_attribute("gen_ai.usage.output_tokens", {"stringValue": "40"}), "wrong type"),
    ("chat", set_attribute("coding_agent.cost.amount", {"intValue": "1"}), "wrong type"),
    ("chat", set_attribute("gen_ai.conversation.compacted", {"boolValue": False}), "forbidden value"),
    ("chat", set_attribute("gen_ai.provider.name", None), "required attribute missing"),
    ("chat", set_attribute("gen_ai.response.id", None), "recommended attribute missing"),
    ("chat", set_attribute("gen_ai.operation.name", {"stringValue": "handle_turn"}), "unknown operation"),
    ("chat", set_attribute("gen_ai.usage.input_tokens", {"intValue": "3"}), "parts exceed the total"),
    ("chat", set_attribute("gen_ai.input.messages", {"stringValue": "[{}]"}), "malformed messages"),
    ("chat", set_attribute("error.type", {"stringValue": "x"}), "error status and error.type disagree"),
    ("chat", set_field("status", {"code": 1}), "status OK"),
    ("chat", set_field("kind", 2), "wrong kind"),
    ("chat", set_field("name", "chat"), "wrong name"),
    ("chat", set_field("endTimeUnixNano", "1"), "ends before it starts"),
    ("chat", set_field("parentSpanId", "00000000000000ff"), "parent not in the export"),
    ("chat", set_field("spanId", "0000000000000000"), "zero id"),
    ("invoke_agent", set_attribute("gen_ai.provider.name", {"stringValue": "anthropic"}), "attribute of another span"),
    ("execute_tool Bash git", set_field("name", "execute_tool Bash"), "wrong name"),
]


@pytest.mark.parametrize(("name", "plant", "rule"), FAULTS)
def test_judge_finds_a_planted_fault(name: str, plant: Callable[[Span], None], rule: str) -> None:
    """Each rule of the judge fires for the fault it is about."""
    documents = exported(full_session(), ConvertOptions())
    plant(next(span for span in items(documents, "Spans", "spans") if span["name"].startswith(name)))
    assert rule in {finding.rule for finding in judge(documents)}


def test_judge_finds_faulty_events_and_twins() -> None:
    """Unknown events, missing attributes, wrong severities, foreign schemas and repeated spans are found."""
    documents = exported(full_session(), ConvertOptions())
    records = items(documents, "Logs", "logRecords")
    exception = next(record for record in records if record["eventName"] == "gen_ai.client.operation.exception")
    exception["severityNumber"] = 17
    set_attribute("exception.type", None)(exception)
    records[0]["eventName"] = "session.pause"
    records[1]["eventName"] = "coding_agent.unheard_of"
    scope = documents[0]["resourceSpans"][0]["scopeSpans"][0]
    scope["schemaUrl"] = "https://example.com"
    scope["spans"].append(scope["spans"][0])
    assert {finding.rule for finding in judge(documents)} == {
        "wrong severity",
        "required attribute missing",
        "unknown event",
        "undeclared own event",
        "wrong schema URL",
        "span id twice in a trace",
    }


def exported_metrics() -> list[dict[str, Any]]:
    return otlp_documents(session_metrics(full_session(), EVERYTHING))


def test_metrics_of_a_full_session_have_no_violation() -> None:
    """Names, units, instruments and attributes, of ours too."""
    assert judge(exported_metrics()) == []


METRIC_FAULTS = [
    ("gen_ai.client.inference.duration", set_field("unit", "ms"), "wrong unit"),
    ("gen_ai.client.inference.duration", set_field("name", "gen_ai.client.operation.time"), "unknown metric"),
    ("coding_agent.cost", set_field("name", "gen_ai.client.inference.duration"), "wrong instrument"),
    ("coding_agent.cost", set_field("name", "coding_agent.unheard_of"), "unknown metric"),
    (
        "gen_ai.client.inference.duration",
        lambda metric: set_attribute("gen_ai.operation.name", None)(metric["exponentialHistogram"]["dataPoints"][0]),
        "required attribute missing",
    ),
]


@pytest.mark.parametrize(("name", "plant", "rule"), METRIC_FAULTS)
def test_judge_finds_a_planted_fault_of_a_metric(name: str, plant: Callable[[Span], None], rule: str) -> None:
    """As it does in spans."""
    documents = exported_metrics()
    plant(next(metric for metric in items(documents, "Metrics", "metrics") if metric["name"] == name))
    assert rule in {finding.rule for finding in judge(documents)}


def test_standard_metrics_are_what_the_registry_has_and_the_others_are_ours() -> None:
    """Instrument, unit and required attributes; every own name is under our namespace."""
    for name, metric in semconv.METRICS.items():
        law = REGISTRY["metrics"].get(name)
        if law is None:
            assert name.startswith("coding_agent."), name
            continue
        assert (metric.instrument.value, metric.unit) == (law["instrument"], law["unit"]), name
        assert set(law["required"]) <= set(metric.attributes), name


def test_every_point_has_the_attributes_its_metric_requires() -> None:
    points = [point for batch in session_metrics(full_session(), EVERYTHING) for point in batch.items]
    for point in points:
        assert isinstance(point, DataPoint)
        required = REGISTRY["metrics"].get(point.metric.name, {}).get("required", ())
        assert set(required) <= point.attributes.keys(), point.metric.name
