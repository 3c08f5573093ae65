"""Pages, and values out of documents of which only a few keys are of interest (pure)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from otel_bridge.backends.durations import parse_duration


class Page(Struct, frozen=True):
    """What came back: the text of a page, or why there is none."""

    text: str = ""
    problem: str = ""
    """Empty = the page is good."""
    is_answer: bool = True
    """False where nobody answered at all: other pages of that server need not be asked for."""


def read_yaml(text: str) -> dict[str, Any] | None:
    """Return the mapping a YAML document is, ``None`` if it is none."""
    return _mapping(text, msgspec.yaml)


def read_json(text: str) -> dict[str, Any] | None:
    """Return the object a JSON document is, ``None`` if it is none."""
    return _mapping(text, msgspec.json)


def value_at(document: object, path: str) -> Any:
    """Return what lies at a path of keys (``a.b.c``), ``None`` where there is nothing."""
    for key in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def duration_at(document: object, path: str) -> int | None:
    """Return the nanoseconds of the duration at a path, ``None`` where there is none."""
    return parse_duration(value_at(document, path))


def number_at(document: object, path: str) -> int | None:
    """Return the whole number at a path, ``None`` where there is none."""
    value = value_at(document, path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(text: str, syntax: Any) -> dict[str, Any] | None:
    try:
        document = syntax.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
