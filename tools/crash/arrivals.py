"""How often each span came through the collector: trace stores keep one of several that are the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from otel_bridge import semconv
from tools.stack.servers import Server
from tools.stack.stores import plain

_ADDED_UP = (semconv.INPUT_TOKENS, semconv.OUTPUT_TOKENS, semconv.COST_AMOUNT)
_OVERLAY = """\
exporters:
  file/arrivals:
    path: {path}
    append: true
    flush_interval: 1ms
service:
  pipelines:
    traces/answered:
      exporters: [otlp_grpc/traces_answered, file/arrivals]
"""


def note_arrivals(collector: Server, folder: Path) -> Path:
    """Have a collector that is not running yet write all spans that it passes on to a file too; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    overlay, arrivals = folder / "arrivals.yaml", folder / "arrivals.jsonl"
    overlay.write_text(_OVERLAY.format(path=arrivals), encoding="utf-8")
    collector.command.append(f"--config={overlay}")
    return arrivals


def spans_in(path: Path) -> Counter[str]:
    """Return how often each span is in a file of OTLP/JSON lines; a line that a kill cut off is passed over."""
    found: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        with suppress(ValueError):
            found.update(_spans(json.loads(line).get("resourceSpans", ())))
    return found


def described(trace_id: str, span_id: str, name: str, attributes: Mapping[str, Any]) -> str:
    """Return a span by its ids (hex), its name, and what adds up: tokens and cost."""
    amounts = [f"{key}={attributes[key]}" for key in _ADDED_UP if key in attributes]
    return " ".join((trace_id, span_id, name, *amounts))


def _spans(resources: Iterable[Any]) -> Iterator[str]:
    for scope in (scope for resource in resources for scope in resource["scopeSpans"]):
        for span in scope["spans"]:
            yield described(span["traceId"], span["spanId"], span["name"], plain(span.get("attributes", [])))
