"""Every name is declared once, in ``semconv``, and used as declared."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

import otel_bridge
from otel_bridge import semconv
from otel_bridge.convert import session_events, session_spans
from otel_bridge.convert.metrics import session_metrics
from otel_bridge.telemetry import AttributeValue, DataPoint, LogRecord, Span
from tests.convert.samples import EVERYTHING, full_counters, full_session

PACKAGE = Path(otel_bridge.__file__).parent
DECLARING = PACKAGE / "semconv.py"
TYPES = {str: "string", int: "int", float: "double", bool: "boolean", tuple: "string[]"}


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module with their lines, docstrings and loose strings excepted."""
    tree = ast.parse(path.read_text())
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose:
            yield node.lineno, node.value


def converted() -> tuple[list[Span], list[LogRecord], list[tuple[str, AttributeValue]]]:
    """Everything the fullest session becomes: spans, events, and all their attributes."""
    batches = [*session_spans(full_session(), EVERYTHING), *session_events(full_session(), EVERYTHING)]
    spans = [item for batch in batches for item in batch.items if isinstance(item, Span)]
    records = [item for batch in batches for item in batch.items if isinstance(item, LogRecord)]
    pairs = [pair for batch in batches for pair in batch.resource.attributes if not pair[0].startswith("k8s.")]
    carriers = [span.attributes for span in spans] + [record.attributes for record in records]
    carriers += [link.attributes for span in spans for link in span.links]
    pairs += [pair for attributes in carriers for pair in attributes.items()]
    return spans, records, pairs


def converted_points() -> list[DataPoint]:
    """Everything the fullest session counts."""
    counted = structs.replace(full_session(), client_counters=full_counters())
    batches = session_metrics(counted, EVERYTHING)
    return [item for batch in batches for item in batch.items if isinstance(item, DataPoint)]


def test_only_semconv_spells_telemetry_names() -> None:
    """Names are changed in one place: no other module has a string with one of our two namespaces."""
    spelled = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != DECLARING
        for line, text in literals(path)
        if "gen_ai." in text or "coding_agent." in text
    ]
    assert spelled == []


def test_the_converter_spells_no_declared_name() -> None:
    """Standard names without those prefixes are not spelled twice either."""
    names = {*semconv.ATTRIBUTES, *(event.name for event in semconv.EVENTS)}
    spelled = [text for path in (PACKAGE / "convert").glob("*.py") for _, text in literals(path) if text in names]
    assert spelled == []


def test_every_declared_attribute_is_emitted_with_its_type() -> None:
    """The fullest session has every attribute we declare, each of the declared type, and no other."""
    _, _, pairs = converted()
    pairs = [*pairs, *((name, value) for point in converted_points() for name, value in point.attributes.items())]
    assert {name for name, _ in pairs} == semconv.ATTRIBUTES.keys()
    for name, value in pairs:
        assert TYPES[type(value)] == semconv.ATTRIBUTES[name].type, name


def test_spans_keep_to_their_shape() -> None:
    """Every span is of a declared operation and kind, and all it carries is declared for it."""
    shapes = {shape.operation: shape for shape in semconv.SPANS}
    spans, _, _ = converted()
    assert {span.name.split()[0] for span in spans} == shapes.keys()
    for span in spans:
        shape = shapes[span.name.split()[0]]
        assert span.kind == shape.kind
        assert set(span.attributes) <= set(shape.attributes), span.name


def test_events_keep_to_their_shape() -> None:
    """Every event is a declared one, and all it carries is declared for it."""
    shapes = {shape.name: shape for shape in semconv.EVENTS}
    _, records, _ = converted()
    assert {record.event_name for record in records} == shapes.keys()
    for record in records:
        assert set(record.attributes) <= set(shapes[record.event_name].attributes), record.event_name


def test_text_is_opt_in() -> None:
    """Whatever may hold words or paths of the user is marked as opt-in."""
    opt_in = {attribute.name for attribute in semconv.ATTRIBUTES.values() if attribute.is_opt_in}
    assert opt_in == {
        semconv.INPUT_MESSAGES,
        semconv.OUTPUT_MESSAGES,
        semconv.TOOL_ARGUMENTS,
        semconv.TOOL_RESULT,
        semconv.AGENT_DESCRIPTION,
        semconv.WORKING_DIRECTORY,
        semconv.FILE_PATH,
    }


def test_every_declared_metric_is_counted_and_carries_what_is_declared_for_it() -> None:
    points = converted_points()
    assert {point.metric.name for point in points} == semconv.METRICS.keys()
    for name, metric in semconv.METRICS.items():
        carried = {key for point in points if point.metric is metric for key in point.attributes}
        assert carried <= set(metric.attributes), name
        assert semconv.SESSION_ID in carried, name
