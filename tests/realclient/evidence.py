"""What a watched session leaves behind, read from where it lies: the client's files, the export, the trace store."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from otel_bridge import semconv
from tools.stack.stores import TraceStore, plain

_PAUSE_S = 0.05
_MARGIN_S = 60

SpanId = tuple[str, str]
"""Trace and span id, in hex."""


class Transcript(NamedTuple):
    """What the client's own lines say, without any rule of the bridge."""

    written_s: dict[str, float]
    """When the last line about a message or the result of a tool call was written, by its id."""
    turn_ends: set[str]
    """The messages that ended a turn of a main conversation."""
    messages: dict[str, set[str]]
    """The messages of each session's main conversation, those that a fork copied among them."""
    totals_usd: dict[str, list[Decimal]]
    """The totals that the client wrote of each session, the latest last."""

    def total_usd(self, session_id: str) -> Decimal:
        """Return the client's total of what a session did itself: a fork's begins with that of its origin."""
        origins = [other for other, messages in self.messages.items() if messages < self.messages[session_id]]
        inherited = sum((self.totals_usd[origin][-1] for origin in origins), Decimal(0))
        return self.totals_usd[session_id][-1] - inherited


def read_transcript(projects: Path) -> Transcript:
    """Return what the lines of all files say. Copies in a fork have the ids and times of the original."""
    found = Transcript({}, set(), defaultdict(set), defaultdict(list))
    for path in projects.rglob("*.jsonl"):
        is_main = "subagents" not in path.parts
        for line in path.read_text(encoding="utf-8").splitlines():
            _take(found, path.stem, json.loads(line, parse_float=Decimal), is_main=is_main)
    return found


def _take(found: Transcript, session_id: str, record: dict[str, Any], *, is_main: bool) -> None:
    for name in _things(record):
        at_s = datetime.fromisoformat(record["timestamp"]).timestamp()
        found.written_s[name] = max(found.written_s.get(name, 0), at_s)
    if record["type"] == "cost-state":
        found.totals_usd[session_id].append(record["totalCostUSD"])
    if record["type"] == "assistant" and is_main:
        found.messages[session_id].add(record["message"]["id"])
        if record["message"]["stop_reason"] == "end_turn":
            found.turn_ends.add(record["message"]["id"])


def _things(record: dict[str, Any]) -> list[str]:
    """Return the ids of the message or the tool calls that a line is about."""
    if record["type"] == "assistant":
        return [record["message"]["id"]]
    content = record["message"]["content"] if record["type"] == "user" else ""
    blocks = [] if isinstance(content, str) else content
    return [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]


def exported_spans(file: Path) -> dict[SpanId, str | None]:
    """Return the spans of an export to a file, each with the id of the message or tool call it is about, if any."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        for resource in json.loads(line).get("resourceSpans", []):
            for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
                attributes = plain(span["attributes"])
                about = attributes.get(semconv.RESPONSE_ID) or attributes.get(semconv.TOOL_CALL_ID)
                found[span["traceId"], span["spanId"]] = about
    return found


class Sightings:
    """Looks into a trace store again and again and notes when each span is there for the first time."""

    def __init__(self, store: TraceStore, service: str) -> None:
        self._store = store
        self._service = service
        self._since_s = time.time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on)
        self.first_seen_s: dict[SpanId, float] = {}
        """Time of the end of the first look that found a span: it was there no later."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> Counter[SpanId]:
        """Return how often each span is stored now."""
        spans = self._store.spans(self._service, self._since_s - _MARGIN_S, time.time() + _MARGIN_S)
        return Counter((span.trace_id, span.span_id) for span in spans)

    def _look_on(self) -> None:
        while not self._stop.wait(_PAUSE_S):
            found = self.look()
            now_s = time.time()
            for span_id in found:
                self.first_seen_s.setdefault(span_id, now_s)
