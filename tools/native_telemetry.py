"""What a recorded run of the client counted itself: the sums of its native metrics and its ``api_request`` events.

Reads OTLP/JSON as the collector's file exporter writes it; figures keep the digits of the recording.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

Attributes = dict[str, Any]
Group = tuple[str, str, str]
"""Session id, model and, where the client says so, query source."""
Point = tuple[Attributes, str]

COST, TOKENS = "claude_code.cost.usage", "claude_code.token.usage"
EVENT_KEYS = ("model", "request_id", "query_source")
COUNT_KEYS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
DELTA = 1


def native_account(otlp: Path) -> dict[str, list[dict[str, Any]]]:
    """Return cost and tokens by session and model, and every request, of the run recorded in a folder."""
    metrics = otlp / "metrics.jsonl"
    requests = sorted(_requests(otlp / "logs.jsonl"), key=lambda request: (request["at"], request["session_id"]))
    return {
        "cost_usage": _costs(_points(metrics, COST)),
        "token_usage": _tokens(_points(metrics, TOKENS)),
        "api_requests": requests,
    }


def render(account: dict[str, list[dict[str, Any]]]) -> str:
    """JSON with one line per row, so that people and diffs can read it."""
    parts = [
        f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in rows) + "\n  ]"
        for name, rows in account.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _costs(points: Iterable[Point]) -> list[dict[str, str]]:
    sums: dict[Group, Decimal] = defaultdict(Decimal)
    for labels, value in points:
        sums[_group(labels)] += Decimal(value)
    return [_named(group) | {"usd": f"{sums[group]:f}"} for group in sorted(sums)]


def _tokens(points: Iterable[Point]) -> list[dict[str, Any]]:
    sums: dict[Group, Counter[str]] = defaultdict(Counter)
    for labels, value in points:
        sums[_group(labels)][labels["type"]] += int(Decimal(value))
    return [_named(group) | dict(sorted(sums[group].items())) for group in sorted(sums)]


def _group(labels: Attributes) -> Group:
    return labels["session.id"], labels["model"], labels.get("query_source", "")


def _named(group: Group) -> dict[str, str]:
    return {name: value for name, value in zip(("session_id", "model", "query_source"), group, strict=True) if value}


def _points(path: Path, name: str) -> Iterator[Point]:
    """Labels and value of every point of a metric, which must be delta: only then do points add up."""
    for metric in _metrics(path):
        if metric["name"] != name:
            continue
        if metric["sum"]["aggregationTemporality"] != DELTA:
            raise ValueError(f"{name} is not delta: its points cannot be added")
        for point in metric["sum"]["dataPoints"]:
            yield _attributes(point), str(point["asInt"] if "asInt" in point else point["asDouble"])


def _requests(path: Path) -> Iterator[dict[str, Any]]:
    for document in _documents(path):
        for resource in document["resourceLogs"]:
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    attributes = _attributes(record)
                    if attributes["event.name"] == "api_request":
                        yield _request(attributes, record["timeUnixNano"])


def _request(attributes: Attributes, at: str) -> dict[str, Any]:
    known = {key: attributes[key] for key in EVENT_KEYS if key in attributes}
    counts = {key: int(attributes[key]) for key in COUNT_KEYS}
    return (
        {"at": int(at), "session_id": attributes["session.id"]}
        | known
        | counts
        | {"cost_usd": str(attributes["cost_usd"])}
    )


def _metrics(path: Path) -> Iterator[dict[str, Any]]:
    for document in _documents(path):
        for resource in document["resourceMetrics"]:
            for scope in resource["scopeMetrics"]:
                yield from scope["metrics"]


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line, parse_float=str)


def _attributes(item: dict[str, Any]) -> Attributes:
    found = {}
    for attribute in item["attributes"]:
        (found[attribute["key"]],) = attribute["value"].values()
    return found
