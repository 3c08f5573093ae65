"""Ask the stores what they hold: Prometheus, and one small question set for every trace store (Jaeger, Tempo)."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
MOST_TRACES = 100_000


class QueryError(Exception):
    """A store refused a question; the sentence is the store's own."""


@dataclass(frozen=True)
class StoredSpan:
    """A span as a trace store gives it back."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_ns: int
    """Jaeger keeps microseconds."""
    attributes: dict[str, Any]
    resource: dict[str, Any]


class TraceStore(Protocol):
    """What can be asked of the spans that are stored. Ids are lower-case hex; times are seconds since 1970."""

    name: str

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """Return the spans of a trace, none where the store has no such trace."""

    def search(self, service: str, start_s: float, end_s: float) -> set[str]:
        """Return the ids of the traces with a span of a service in a range of time."""

    def spans(self, service: str, start_s: float, end_s: float) -> list[StoredSpan]:
        """Return all spans of the traces that a search finds."""


class Prometheus:
    """PromQL over HTTP. Values come as Prometheus writes them: the shortest text that is the same number."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str, at_s: float) -> list[tuple[dict[str, str], str]]:
        """Return labels and value of each series at a time; raise ``QueryError`` for a bad expression."""
        found = self.ask("query", query=expression, time=at_s)
        if found["resultType"] == "scalar":
            return [({}, found["result"][1])]
        return [(each["metric"], each["value"][1]) for each in found["result"]]

    def value(self, expression: str, at_s: float) -> str | None:
        """Return the only value of an expression, ``None`` where there is no series."""
        found = self.query(expression, at_s)
        if len(found) > 1:
            raise QueryError(f"{expression} has {len(found)} series")
        return found[0][1] if found else None

    def query_range(
        self, expression: str, start_s: float, end_s: float, step_s: float
    ) -> list[tuple[dict[str, str], list[tuple[float, str]]]]:
        """Return labels and points (time in seconds, value) of each series."""
        found = self.ask("query_range", query=expression, start=start_s, end=end_s, step=step_s)
        return [(each["metric"], [(at, value) for at, value in each["values"]]) for each in found["result"]]

    def ask(self, path: str, **parameters: object) -> Any:
        """Return the data of any page below /api/v1/; raise ``QueryError`` where it refuses."""
        return get_json(f"{self.url}/api/v1/{path}", parameters)["data"]


class JaegerTraces:
    """Jaeger's JSON API."""

    name = "jaeger"

    def __init__(self, url: str) -> None:
        self.url = url

    def trace(self, trace_id: str) -> list[StoredSpan]:
        try:
            return list(self._spans(get_json(f"{self.url}/api/traces/{trace_id}", {})["data"]))
        except QueryError as error:
            if "trace not found" in str(error):
                return []
            raise

    def search(self, service: str, start_s: float, end_s: float) -> set[str]:
        return {span.trace_id for span in self.spans(service, start_s, end_s)}

    def spans(self, service: str, start_s: float, end_s: float) -> list[StoredSpan]:
        parameters = {
            "service": service,
            "start": round(start_s * 1e6),
            "end": round(end_s * 1e6),
            "limit": MOST_TRACES,
        }
        return list(self._spans(get_json(f"{self.url}/api/traces", parameters)["data"]))

    @staticmethod
    def _spans(traces: list[Any]) -> Iterable[StoredSpan]:
        for trace in traces:
            for span in trace["spans"]:
                parents = [link["spanID"] for link in span["references"] if link["refType"] == "CHILD_OF"]
                yield StoredSpan(
                    trace_id=span["traceID"].rjust(32, "0"),
                    span_id=span["spanID"].rjust(16, "0"),
                    parent_id=parents[0] if parents else None,
                    name=span["operationName"],
                    start_ns=span["startTime"] * 1000,
                    attributes={tag["key"]: tag["value"] for tag in span["tags"]},
                    resource={
                        "service.name": trace["processes"][span["processID"]]["serviceName"],
                        **{tag["key"]: tag["value"] for tag in trace["processes"][span["processID"]]["tags"]},
                    },
                )


class TempoTraces:
    """Tempo's API. Old spans are found by search only after their block is flushed: about a minute."""

    name = "tempo"

    def __init__(self, url: str) -> None:
        self.url = url

    def trace(self, trace_id: str) -> list[StoredSpan]:
        try:
            found = get_json(f"{self.url}/api/v2/traces/{trace_id}", {})
        except QueryError as error:
            if "404" in str(error):
                return []
            raise
        return list(self._spans(found.get("trace", {}).get("resourceSpans", [])))

    def search(self, service: str, start_s: float, end_s: float) -> set[str]:
        parameters = {
            "q": f'{{ resource.service.name = "{service}" }}',
            "start": int(start_s),
            "end": int(end_s) + 1,
            "limit": MOST_TRACES,
        }
        found = get_json(f"{self.url}/api/search", parameters)
        return {each["traceID"].rjust(32, "0") for each in found.get("traces", [])}

    def spans(self, service: str, start_s: float, end_s: float) -> list[StoredSpan]:
        return [span for trace_id in self.search(service, start_s, end_s) for span in self.trace(trace_id)]

    @staticmethod
    def _spans(resources: list[Any]) -> Iterable[StoredSpan]:
        for resource in resources:
            of_resource = plain(resource["resource"].get("attributes", []))
            for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
                yield StoredSpan(
                    trace_id=_hex(span["traceId"]),
                    span_id=_hex(span["spanId"]),
                    parent_id=_hex(span["parentSpanId"]) if span.get("parentSpanId") else None,
                    name=span["name"],
                    start_ns=int(span["startTimeUnixNano"]),
                    attributes=plain(span.get("attributes", [])),
                    resource=of_resource,
                )


def plain(attributes: list[Any]) -> dict[str, Any]:
    """Return OTLP/JSON attributes as Python values."""
    return {each["key"]: _plain_value(each["value"]) for each in attributes}


def _plain_value(value: dict[str, Any]) -> Any:
    kind, content = next(iter(value.items()))
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [_plain_value(each) for each in content.get("values", [])]
    return content


def _hex(encoded: str) -> str:
    """Return an id of protobuf's own JSON, where bytes are base64."""
    return base64.b64decode(encoded).hex()


def get_json(url: str, parameters: dict[str, Any]) -> Any:
    """Return the JSON that a store answers; raise ``QueryError`` with its words where it refuses."""
    full = f"{url}?{urllib.parse.urlencode(parameters)}" if parameters else url
    request = urllib.request.Request(full, headers={"Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise QueryError(f"{url} answers {error.code}: {error.read().decode(errors='replace')}") from None


def eventually(ask: Callable[[], T], holds: Callable[[T], bool], within_s: float = 120) -> T:
    """Ask again until the answer holds, and return the last answer either way: the caller asserts on it."""
    deadline = time.monotonic() + within_s
    while not holds(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer
