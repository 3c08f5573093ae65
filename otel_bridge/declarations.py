"""How telemetry names are declared: attributes, spans, events and metrics, each with what it means (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from otel_bridge.telemetry import Instrument, Metric, SpanKind

ValueType = Literal["string", "int", "double", "boolean", "string[]"]


class Attribute(Struct, frozen=True):
    """One attribute: its type on the wire and what its value means."""

    name: str
    type: ValueType
    brief: str
    unit: str = ""
    """UCUM; empty for what is not a quantity."""
    is_opt_in: bool = False
    """Emitted only where the user asked for content or paths."""


class SpanShape(Struct, frozen=True):
    """One kind of span: how it is recognised, what it is called and all it may carry."""

    operation: str
    kind: SpanKind
    names: tuple[str, ...]
    """Templates over attribute names, the most specific first."""
    brief: str
    attributes: tuple[str, ...]


class EventShape(Struct, frozen=True):
    """One kind of log record."""

    name: str
    severity_number: int
    """The severity when all is well: 9 is INFO, 13 is WARN."""
    brief: str
    attributes: tuple[str, ...]


class AttributeGroup(list[str]):
    """Names that occur together, among all that are ``declared``; calling it declares one more and returns the name."""

    def __init__(self, declared: dict[str, Attribute], names: Iterable[str] = ()) -> None:
        super().__init__(names)
        self._declared = declared

    def __call__(self, name: str, kind: ValueType, brief: str, unit: str = "", *, is_opt_in: bool = False) -> str:
        """Declare an attribute."""
        self._declared[name] = Attribute(name, kind, brief, unit, is_opt_in)
        self.append(name)
        return name


class MetricGroup(dict[str, Metric]):
    """Name → declaration, in the order of their declaration; calling it declares one more and returns it."""

    def __init__(self, *shared: str) -> None:
        super().__init__()
        self._shared = shared

    def __call__(self, name: str, kind: Instrument, unit: str, brief: str, attributes: tuple[str, ...] = ()) -> Metric:
        """Declare a metric."""
        self[name] = Metric(name, unit, kind, brief, (*self._shared, *attributes))
        return self[name]
