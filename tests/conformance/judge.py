"""A judge of OTLP/JSON requests by the GenAI semantic conventions, with ``registry.json`` as the law.

The conventions' own tool, Weaver, cannot be installed from a package registry, so the rules of their conformance suite
are written down here: names and kinds by operation, required and recommended attributes, types, status, content shape.
Own attributes (``coding_agent.``) are judged by the project's declarations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from otel_bridge import semconv

REGISTRY: dict[str, Any] = json.loads((Path(__file__).parent / "registry.json").read_text())

UNKNOWABLE = frozenset(
    (
        "server.address",
        "gen_ai.response.finish_reasons",
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.max_tokens",
        "gen_ai.request.presence_penalty",
        "gen_ai.request.stop_sequences",
        "gen_ai.request.temperature",
        "gen_ai.request.top_p",
    )
)
"""Recommended, but transcripts do not record them (finish reasons: not always)."""

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}

DATA = {
    "counter": ("sum",),
    "updowncounter": ("sum",),
    "gauge": ("gauge",),
    "histogram": ("histogram", "exponentialHistogram"),
}
"""Instrument → what its points are sent as."""

MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages")


class Finding(NamedTuple):
    """One violation: which rule, where, and what was seen."""

    rule: str
    where: str
    seen: str = ""


def judge(documents: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Every violation in the requests of one export; parents are looked for in all of them."""
    findings: list[Finding] = []
    spans: list[Mapping[str, Any]] = []
    for entry, scope in _scopes(documents):
        resource = _attributes(entry.get("resource", {}))
        findings += _attribute_findings(resource, "resource")
        findings += _scope_findings(scope)
        for span in scope.get("spans", ()):
            spans.append(span)
            findings += span_findings(span)
        for record in scope.get("logRecords", ()):
            findings += event_findings(record)
        for metric in scope.get("metrics", ()):
            findings += metric_findings(metric)
    return findings + list(_tree_findings(spans))


def span_findings(span: Mapping[str, Any]) -> Iterator[Finding]:
    """Violations of one span, apart from its place in the trace."""
    where, attributes = span["name"], _attributes(span)
    yield from _attribute_findings(attributes, where)
    yield from _status_findings(span, attributes)
    if not 0 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]):
        yield Finding("ends before it starts", where)
    if where.startswith("coding_agent."):
        yield from _own_span_findings(span, attributes)
        return
    operation, kind = attributes.get("gen_ai.operation.name"), KINDS.get(span["kind"], "unspecified")
    shapes = [shape for shape in REGISTRY["spans"].values() if operation in shape["operations"]]
    if not shapes:
        yield Finding("unknown operation", where, str(operation))
        return
    shape = next((shape for shape in shapes if kind in shape["kinds"]), None)
    if shape is None:
        yield Finding("wrong kind", where, kind)
        return
    yield from _shape_findings(shape, attributes, where)
    yield from _usage_findings(attributes, where)


def _own_span_findings(span: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[Finding]:
    """Violations of a span that is no operation of the conventions: it says nothing that is one's to count."""
    where = span["name"]
    shape = next((shape for shape in semconv.SPANS if shape.operation == where.split()[0]), None)
    if shape is None:
        yield Finding("undeclared own span", where)
        return
    if span["kind"] != shape.kind:
        yield Finding("wrong kind", where, str(span["kind"]))
    if where != _filled(shape.names[0], attributes):
        yield Finding("wrong name", where, f"not {shape.names[0]}")
    for name in attributes.keys() - shape.attributes:
        yield Finding("attribute of another span", where, name)


def event_findings(record: Mapping[str, Any]) -> Iterator[Finding]:
    """Violations of one log record."""
    where, attributes = record.get("eventName", ""), _attributes(record)
    yield from _attribute_findings(attributes, where)
    if where.startswith("coding_agent."):
        if where not in {event.name for event in semconv.EVENTS}:
            yield Finding("undeclared own event", where)
        return
    law = REGISTRY["events"].get(where)
    if law is None:
        yield Finding("unknown event", where)
        return
    if record.get("severityNumber") != law.get("severity_number", record.get("severityNumber")):
        yield Finding("wrong severity", where, str(record.get("severityNumber")))
    for name in law["required"]:
        if name not in attributes:
            yield Finding("required attribute missing", where, name)
    if "one_of" in law and not set(law["one_of"]) & attributes.keys():
        yield Finding("required attribute missing", where, " or ".join(law["one_of"]))


def metric_findings(metric: Mapping[str, Any]) -> Iterator[Finding]:
    """Violations of one metric and its points."""
    where = metric["name"]
    data = next(kind for kinds in DATA.values() for kind in kinds if kind in metric)
    points = [_attributes(point) for point in metric[data]["dataPoints"]]
    for attributes in points:
        yield from _attribute_findings(attributes, where)
    own = semconv.METRICS.get(where) if where.startswith("coding_agent.") else None
    law = (
        {"instrument": own.instrument.value, "unit": own.unit, "required": ()}
        if own
        else REGISTRY["metrics"].get(where)
    )
    if law is None:
        yield Finding("unknown metric", where)
        return
    if data not in DATA[law["instrument"]]:
        yield Finding("wrong instrument", where, data)
    if metric.get("unit", "") != law["unit"]:
        yield Finding("wrong unit", where, metric.get("unit", ""))
    for name in law["required"]:
        if any(name not in attributes for attributes in points):
            yield Finding("required attribute missing", where, name)


def _scopes(documents: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for document in documents:
        for entry in document.get("resourceSpans", ()):
            yield from ((entry, scope) for scope in entry["scopeSpans"])
        for entry in document.get("resourceLogs", ()):
            yield from ((entry, scope) for scope in entry["scopeLogs"])
        for entry in document.get("resourceMetrics", ()):
            yield from ((entry, scope) for scope in entry["scopeMetrics"])


def _scope_findings(scope: Mapping[str, Any]) -> Iterator[Finding]:
    if scope.get("schemaUrl") != REGISTRY["source"]["schema_url"]:
        yield Finding("wrong schema URL", scope["scope"]["name"], str(scope.get("schemaUrl")))


def _attribute_findings(attributes: Mapping[str, Any], where: str) -> Iterator[Finding]:
    for name, value in attributes.items():
        law = _law(name)
        if law is None:
            yield Finding("unknown attribute", where, name)
        elif law.get("deprecated"):
            yield Finding("deprecated attribute", where, name)
        elif not _has_type(value, law["type"]):
            yield Finding("wrong type", where, f"{name}={value!r}")
        elif value not in law.get("allowed", [value]):
            yield Finding("forbidden value", where, f"{name}={value!r}")
        elif name in MESSAGES and not _are_messages(value):
            yield Finding("malformed messages", where, name)


def _law(name: str) -> Mapping[str, Any] | None:
    if name.startswith("coding_agent."):
        own = semconv.ATTRIBUTES.get(name)
        return {"type": own.type} if own else None
    laws: Mapping[str, Mapping[str, Any]] = REGISTRY["attributes"]
    if name in laws:
        return laws[name]
    templates = (law for key, law in laws.items() if law["type"].startswith("template") and name.startswith(f"{key}."))
    return next(templates, None)


def _has_type(value: Any, kind: str) -> bool:
    kind = kind.removeprefix("template[").removesuffix("]") if kind.startswith("template") else kind
    if kind == "string[]":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    types: dict[str, tuple[type, ...]] = {
        "boolean": (bool,),
        "int": (int,),
        "double": (float,),
        "enum": (str,),
        "string": (str,),
    }
    expected = types.get(kind)
    return expected is None or type(value) in expected


def _are_messages(value: Any) -> bool:
    """Return True for a non-empty JSON list of ``{role, parts: [{type, …}]}`` whose text parts have content."""
    try:
        messages = json.loads(value)
        parts = [part for message in messages for part in message["parts"] if isinstance(message["role"], str)]
        return bool(parts) and all(isinstance(part["content"], str) for part in parts if part["type"] == "text")
    except (ValueError, TypeError, KeyError):
        return False


def _status_findings(span: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[Finding]:
    code = span.get("status", {}).get("code", 0)
    if code == 1:
        yield Finding("status OK", span["name"])
    if (code == 2) != ("error.type" in attributes):
        yield Finding("error status and error.type disagree", span["name"])


def _shape_findings(shape: Mapping[str, Any], attributes: Mapping[str, Any], where: str) -> Iterator[Finding]:
    for name in shape["required"]:
        if name not in attributes:
            yield Finding("required attribute missing", where, name)
    for name in shape["recommended"]:
        if name not in attributes and name not in UNKNOWABLE:
            yield Finding("recommended attribute missing", where, name)
    allowed = {*shape["attributes"], *shape.get("refining_attributes", ())}
    for name in attributes:
        if name.startswith("gen_ai.") and name not in allowed:
            yield Finding("attribute of another span", where, name)
    names = [_filled(template, attributes) for template in shape["names"]]
    if where != next((name for name in names if name), None):
        yield Finding("wrong name", where, f"not {names}")


def _filled(template: str, attributes: Mapping[str, Any]) -> str | None:
    """Return the span name by a template; ``None`` where an attribute it needs is missing."""
    keys = re.findall(r"\{([^}]+)\}", template)
    if any(key not in attributes for key in keys):
        return None
    return re.sub(r"\{([^}]+)\}", lambda match: str(attributes[match[1]]), template)


def _usage_findings(attributes: Mapping[str, Any], where: str) -> Iterator[Finding]:
    for side, parts in (("input", ("cache_read.", "cache_write.")), ("output", ("reasoning.",))):
        names = [f"gen_ai.usage.{part}{side}_tokens" for part in ("", *parts)]
        total, *shares = (value if type(value := attributes.get(name)) is int else 0 for name in names)
        if sum(shares) > total:
            yield Finding("parts exceed the total", where, side)


def _tree_findings(spans: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    known: set[tuple[str, str]] = set()
    spans = list(spans)
    for span in spans:
        identity = span["traceId"], span["spanId"]
        if identity in known:
            yield Finding("span id twice in a trace", span["name"], span["spanId"])
        known.add(identity)
        if not int(span["traceId"], 16) or not int(span["spanId"], 16):
            yield Finding("zero id", span["name"])
    for span in spans:
        parent = span.get("parentSpanId")
        if parent and (span["traceId"], parent) not in known:
            yield Finding("parent not in the export", span["name"], parent)


def _attributes(carrier: Mapping[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _value(pair["value"]) for pair in carrier.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "intValue":
        return int(content)
    if kind == "doubleValue":
        return float(content)
    if kind == "arrayValue":
        return [_value(item) for item in content.get("values", ())]
    return content
