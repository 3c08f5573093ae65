"""Small helpers that put facts into a span's attributes (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from otel_bridge import semconv
from otel_bridge.convert.options import ConvertOptions
from otel_bridge.model import RecordContext
from otel_bridge.telemetry import AttributeValue

Attributes = dict[str, AttributeValue]

DETACHED = "HEAD"
"""What the client writes as branch where there is none."""


def add_facts(attributes: Attributes, facts: Mapping[str, AttributeValue | None]) -> None:
    """Add the facts that say something: not ``None``, not empty, not zero, not false."""
    attributes.update({name: value for name, value in facts.items() if value})


def add_context(attributes: Attributes, context: RecordContext, options: ConvertOptions) -> None:
    """Add where a record was written: branches and folders change inside a session, even inside a turn."""
    branch = context.branch
    if branch and branch != DETACHED:
        attributes[semconv.REF_HEAD_NAME] = branch
    if options.paths and context.cwd:
        attributes[semconv.WORKING_DIRECTORY] = context.cwd


def seconds(duration_ns: float) -> float:
    """Return nanoseconds as the seconds that duration attributes are in."""
    return duration_ns / 1e9
