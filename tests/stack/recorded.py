"""What a real client sent of itself in a recorded run, moved to the present, to be sent again."""

from __future__ import annotations

import base64
import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tests.captures import FOLDER
from tests.otlp_server import from_json

SIGNALS = ("traces", "metrics", "logs")
TIMES = ("startTimeUnixNano", "endTimeUnixNano", "timeUnixNano", "observedTimeUnixNano")
IDS = ("traceId", "spanId", "parentSpanId")


class Recording:
    """The requests of a run, ``VERSION/SCENARIO``: the last point of its metrics lies a second in the past.

    A service name keeps apart what several tests send to one store.
    """

    def __init__(self, run: str, service: str = "claude-code") -> None:
        self.run = run
        self._documents = {
            signal: [_of_service(document, service) for document in _documents(run, signal)] for signal in SIGNALS
        }
        last = max(int(each["timeUnixNano"]) for each in self.points())
        self.shift_ns = time.time_ns() - 1_000_000_000 - last

    def requests(self, signal: str) -> Iterator[Message]:
        """Yield the official messages of a signal, in the order they were sent; none before a version sent it."""
        for document in self._documents[signal]:
            yield from_json(signal, _shifted(document, self.shift_ns))

    def spans(self) -> list[dict[str, Any]]:
        """Return the spans as they were sent."""
        return [item for items in _items(self._documents["traces"], "Spans", "spans") for item in items]

    def records(self) -> list[dict[str, Any]]:
        """Return the log records as they were sent."""
        return [item for items in _items(self._documents["logs"], "Logs", "logRecords") for item in items]

    def points(self, metric: str | None = None) -> list[dict[str, Any]]:
        """Return the points of a metric, or of all, as they were sent."""
        metrics = [item for items in _items(self._documents["metrics"], "Metrics", "metrics") for item in items]
        return [point for each in metrics if metric in {None, each["name"]} for point in each["sum"]["dataPoints"]]


def _documents(run: str, signal: str) -> Iterator[dict[str, Any]]:
    with tarfile.open(FOLDER / run / "native.tar.xz") as archive:
        if f"{signal}.jsonl" in archive.getnames():
            lines = archive.extractfile(f"{signal}.jsonl")
            assert lines is not None
            yield from map(json.loads, lines)


def _of_service(document: dict[str, Any], service: str) -> dict[str, Any]:
    for pair in (pair for (resources,) in [document.values()] for each in resources for pair in _attributes(each)):
        if pair["key"] == "service.name":
            pair["value"] = {"stringValue": service}
    return document


def _attributes(resource: dict[str, Any]) -> list[dict[str, Any]]:
    attributes: list[dict[str, Any]] = resource["resource"]["attributes"]
    return attributes


def _items(documents: list[dict[str, Any]], signal: str, name: str) -> Iterator[list[dict[str, Any]]]:
    for document in documents:
        for resource in document[f"resource{signal}"]:
            yield from (scope[name] for scope in resource[f"scope{signal}"])


def _shifted(value: Any, by_ns: int) -> Any:
    if isinstance(value, list):
        return [_shifted(element, by_ns) for element in value]
    if not isinstance(value, dict):
        return value
    return {key: str(int(member) + by_ns) if key in TIMES else _shifted(member, by_ns) for key, member in value.items()}


def value_of(item: Mapping[str, Any], name: str) -> Any:
    """Return an attribute as it was sent, ``None`` where there is none."""
    for pair in item["attributes"]:
        if pair["key"] == name:
            ((kind, value),) = pair["value"].items()
            return int(value) if kind == "intValue" else value
    return None


def as_json(message: Message) -> dict[str, Any]:
    """Return a received request as OTLP/JSON: ids in hex, kinds and codes as numbers."""
    document: dict[str, Any] = _with_hex_ids(MessageToDict(message, use_integers_for_enums=True))
    return document


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {key: _hex(member) if key in IDS else _with_hex_ids(member) for key, member in value.items()}


def _hex(encoded: str) -> str:
    return base64.b64decode(encoded).hex()
