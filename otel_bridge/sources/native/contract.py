"""What each client version was seen to send, and how a version differs from what is known (pure).

``contract.tsv`` is the table, made from recordings by ``tools/native_contract.py``: a row per attribute of an event, a
metric or a span, a column per version, in it the types seen, with ``?`` where some records lack the attribute. A new
client version that adds, drops or renames something shows as a line to read, not as a wrong number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from msgspec import Struct
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_bridge.sources.native.match import version_number
from otel_bridge.sources.native.wire import is_native_scope

AnyRequest = ExportLogsServiceRequest | ExportTraceServiceRequest | ExportMetricsServiceRequest
EVENT, SPAN, SPAN_EVENT, METRIC = "event", "span", "span event", "metric"
SOMETIMES = "?"
"""Ends the types of an attribute that some records lack."""
_TYPES = {
    "string_value": "string",
    "bool_value": "boolean",
    "int_value": "int",
    "double_value": "double",
    "array_value": "array",
    "kvlist_value": "map",
    "bytes_value": "bytes",
}


class Place(Struct, frozen=True, order=True):
    """An attribute: of what kind of item, of which name."""

    kind: str
    name: str
    attribute: str


Shape = Mapping[Place, str]
"""Attribute → types, as a cell of the table has them."""
Table = Mapping[str, Shape]
"""Version → what was seen of it, oldest first."""


class Observer:
    """Watches what one client version sends."""

    def __init__(self) -> None:
        self._items: Counter[tuple[str, str]] = Counter()
        self._types: dict[Place, Counter[str]] = defaultdict(Counter)

    def watch(self, request: AnyRequest) -> None:
        """Take in a request; what is not Claude Code's is left out."""
        for kind, name, attributes in _items(request):
            self._items[kind, name] += 1
            for pair in {pair.key: pair for pair in attributes}.values():
                value = _TYPES.get(pair.value.WhichOneof("value") or "", "empty")
                self._types[Place(kind, name, pair.key)][value] += 1

    def shape(self) -> dict[Place, str]:
        """Return what was seen so far."""
        return {
            place: "|".join(sorted(types)) + (SOMETIMES if types.total() < self._items[place.kind, place.name] else "")
            for place, types in sorted(self._types.items())
        }


def parse_table(text: str) -> dict[str, dict[Place, str]]:
    """Return the table that ``render_table`` wrote."""
    head, *rows = (line.split("\t") for line in text.splitlines() if line)
    table: dict[str, dict[Place, str]] = {version: {} for version in head[3:]}
    for kind, name, attribute, *cells in rows:
        for version, cell in zip(table, cells, strict=True):
            if cell:
                table[version][Place(kind, name, attribute)] = cell
    return table


def render_table(table: Table) -> str:
    """Return the table as tab-separated text, versions and rows in order."""
    versions = sorted(table, key=version_number)
    places = sorted({place for shape in table.values() for place in shape})
    lines = ["\t".join(("kind", "name", "attribute", *versions))]
    for place in places:
        cells = (table[version].get(place, "") for version in versions)
        lines.append("\t".join((place.kind, place.name, place.attribute, *cells)))
    return "\n".join(lines) + "\n"


def known_shape(table: Table, version: str) -> tuple[str, Shape]:
    """Return the newest version in the table that is not newer than ``version``, else the oldest, and its shape."""
    versions = sorted(table, key=version_number)
    known = [name for name in versions if version_number(name) <= version_number(version)] or versions[:1]
    return known[-1], table[known[-1]]


def differences(known: Shape, seen: Shape) -> list[str]:
    """Return how what was seen differs from what is known, a sentence a line; nothing where it is the same.

    Kinds of records that were not seen at all say nothing, and neither does the absence of an attribute that was only
    sometimes there: not everything happens in every session.
    """
    here = {(place.kind, place.name) for place in seen}
    known_kinds = {(place.kind, place.name) for place in known}
    lines = [f"{kind} {name}: new" for kind, name in sorted(here - known_kinds)]
    for kind, name in sorted(here & known_kinds):
        before = {place.attribute: types for place, types in known.items() if (place.kind, place.name) == (kind, name)}
        now = {place.attribute: types for place, types in seen.items() if (place.kind, place.name) == (kind, name)}
        lines += [f"{kind} {name}: {line}" for line in _attribute_differences(before, now)]
    return lines


def _attribute_differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    added = [name for name in now if name not in before]
    gone = [name for name, types in before.items() if name not in now and not types.endswith(SOMETIMES)]
    for name in gone:
        similar = get_close_matches(name, added, n=1, cutoff=0.6)
        if similar:
            added.remove(similar[0])
            yield f"{name} is gone, {similar[0]} is new: renamed?"
        else:
            yield f"{name} is gone"
    for name in added:
        yield f"{name} ({now[name].rstrip(SOMETIMES)}) is new"
    for name in now:
        was, seen = before.get(name, now[name]).rstrip(SOMETIMES), now[name].rstrip(SOMETIMES)
        if not set(seen.split("|")) <= set(was.split("|")):
            yield f"{name} was {was}, is {seen}"


Item = tuple[str, str, Iterable[Any]]
"""Kind, name and attributes of something sent."""


def _items(request: AnyRequest) -> Iterator[Item]:
    if isinstance(request, ExportLogsServiceRequest):
        scopes: Iterator[Any] = (scope for group in request.resource_logs for scope in group.scope_logs)
        read: Callable[[Any], Iterator[Item]] = _of_logs
    elif isinstance(request, ExportTraceServiceRequest):
        scopes = (scope for group in request.resource_spans for scope in group.scope_spans)
        read = _of_spans
    else:
        scopes = (scope for group in request.resource_metrics for scope in group.scope_metrics)
        read = _of_metrics
    for scope in scopes:
        if is_native_scope(scope.scope.name):
            yield from read(scope)


def _of_logs(scope: Any) -> Iterator[Item]:
    for record in scope.log_records:
        yield EVENT, _event_name(record), record.attributes


def _of_spans(scope: Any) -> Iterator[Item]:
    for span in scope.spans:
        yield SPAN, span.name, span.attributes
        for event in span.events:
            yield SPAN_EVENT, f"{span.name} {event.name}", event.attributes


def _of_metrics(scope: Any) -> Iterator[Item]:
    for metric in scope.metrics:
        data = getattr(metric, metric.WhichOneof("data") or "sum")
        for point in data.data_points:
            yield METRIC, metric.name, point.attributes


def _event_name(record: Any) -> str:
    names = (pair.value.string_value for pair in record.attributes if pair.key == "event.name")
    return str(next(names, record.event_name))
