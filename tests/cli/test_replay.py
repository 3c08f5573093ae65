"""`receive` is told by recorded clients of five versions, over each protocol: its numbers are the client's own."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from google.protobuf.message import Message

from otel_bridge import semconv
from otel_bridge.model import Session
from otel_bridge.semconv import SCOPE
from tests.captures import RUNS, native_account, read_sessions, unpack_transcripts
from tests.cli.receiving import Receiving, receive
from tests.conformance.judge import judge
from tests.native import documents, log_requests, metric_requests, trace_requests
from tests.stack.otlp import SIGNALS, send_grpc, send_http
from tests.stack.recorded import as_json
from tests.test_captures import STATE_TOKENS, cost_state
from tests.views import Key, key
from tests.waterfall import Row, as_client, entry_row, exact, joined, request_row, total
from tools.stack.stores import plain

pytestmark = pytest.mark.slow

PARTS = {
    semconv.COST.name: "usd",
    semconv.USAGE_UNCACHED.name: "input",
    semconv.USAGE_OUTPUT.name: "output",
    semconv.USAGE_CACHE_READ.name: "read",
    semconv.USAGE_CACHE_WRITE.name: "write",
}
"""Series → the part of a row that it tells."""


def by_grpc(running: Receiving, message: Message) -> bool:
    return send_grpc(running.grpc, message).status == "OK"


def by_protobuf(running: Receiving, message: Message) -> bool:
    return send_http(running.http, message).status == 200


def by_json(running: Receiving, message: Message) -> bool:
    address = f"{running.http}/v1/{SIGNALS[type(message)][0]}"
    call = Request(address, json.dumps(as_json(message)).encode(), {"content-type": "application/json"})
    with urlopen(call, timeout=30) as reply:
        return bool(reply.status == 200)


WAYS: dict[str, Callable[[Receiving, Message], bool]] = {
    "grpc": by_grpc,
    "http/protobuf": by_protobuf,
    "http/json": by_json,
}


@dataclass
class Told:
    """What one process wrote that was told of all runs."""

    documents: list[dict[str, Any]]

    @cached_property
    def series(self) -> dict[tuple[str, Key], Decimal]:
        """Return the last value of each series of cost and tokens by session, those that are 0 left out."""
        last: dict[tuple[str, Key], tuple[int, Decimal]] = {}
        for metric in self._items("Metrics", "metrics"):
            for point in metric["sum"]["dataPoints"] if metric["name"] in PARTS else ():
                labels = plain(point["attributes"])
                name = labels[semconv.SESSION_ID], key(semconv.METRICS[metric["name"]], labels)
                value = int(point["timeUnixNano"]), exact(Decimal(str(point.get("asDouble", point.get("asInt")))))
                last[name] = max(value, last.get(name, value), key=lambda value: value[0])
        return {name: value for name, (_, value) in last.items() if value}

    @cached_property
    def calls(self) -> dict[str, Counter[tuple[int, Row]]]:
        """Return when each call of a session ended and what its span says of cost and tokens."""
        found: dict[str, Counter[tuple[int, Row]]] = defaultdict(Counter)
        for span in self._items("Spans", "spans"):
            told = plain(span["attributes"])
            if told.get(semconv.OPERATION_NAME) == semconv.OP_CHAT:
                whole, *parts = (told.get(f"gen_ai.usage.{part}input_tokens", 0) for part in ("", *CACHE))
                usd = exact(Decimal(str(told[semconv.COST_AMOUNT])))
                row = Row(usd, whole - sum(parts), told["gen_ai.usage.output_tokens"], *parts)
                found[told[semconv.SESSION_ID]][int(span["endTimeUnixNano"]), row] += 1
        return found

    def by_model(self, session_id: str) -> dict[str, Row]:
        """Return what the series of a session add up to, by the model that was asked for."""
        sums: dict[str, Row] = defaultdict(Row)
        for (own, (metric, _, model, _)), value in self.series.items():
            if own == session_id:
                sums[model] += Row(**{PARTS[metric]: value if metric == semconv.COST.name else int(value)})  # type: ignore[arg-type]
        return {model: Row(exact(row.usd), *row.tokens) for model, row in sums.items()}

    def ours(self) -> list[dict[str, Any]]:
        """Return the requests without what was passed on as it came: log events that have no meaning to us."""
        return [
            document
            for document in self.documents
            for groups in document.values()
            if all(scope["scope"]["name"] == SCOPE.name for group in groups for scope in _scopes(group))
        ]

    def passed_on(self) -> Counter[str]:
        """Return the log records that are not ours, as they came."""
        return Counter(
            json.dumps(record, sort_keys=True)
            for document in self.documents
            for group in document.get("resourceLogs", ())
            for scope in group["scopeLogs"]
            for record in scope["logRecords"]
            if scope["scope"]["name"] != SCOPE.name
        )

    def _items(self, signal: str, name: str) -> Iterator[dict[str, Any]]:
        for document in self.documents:
            for group in document.get(f"resource{signal}", ()):
                for scope in group[f"scope{signal}"]:
                    yield from scope[name]


CACHE = ("cache_read.", "cache_write.")


def _scopes(group: dict[str, Any]) -> list[dict[str, Any]]:
    (scopes,) = (value for name, value in group.items() if name.startswith("scope"))
    return list(scopes)


@pytest.fixture(scope="module", params=WAYS)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Return what came out of one process that every run was told to, in the order it was recorded."""
    folder = tmp_path_factory.mktemp("replay")
    target = folder / "out.jsonl"
    with receive(folder, "--to-file", target) as running:
        for run in RUNS:
            for requests in (log_requests, trace_requests, metric_requests):
                assert all(WAYS[request.param](running, message) for message in requests(run))
        assert "! " not in running.end()
    return Told([json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()])


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("captures")
    return {run: unpack_transcripts(run, folder) for run in RUNS}


@pytest.fixture
def sessions(run: str, captures: dict[str, Path]) -> list[Session]:
    return list(read_sessions(captures[run]).values())


@pytest.mark.parametrize("run", RUNS)
def test_cost_and_tokens_of_each_model_are_the_clients_counters(run: str, told: Told, sessions: list[Session]) -> None:
    """To the last digit, under the model asked for; 2.0.30, which sends no spans, tells the one that answered."""
    has_spans = any(documents(run, "traces"))
    counters = client_counters(run)
    for session in sessions:
        expected = counters[session.id]
        for entry in joined(run, session)[0] if not has_spans else ():
            assert entry.request is not None
            label, row = as_client(run, entry).label, request_row(entry.request)
            expected[label] -= row
            expected[entry.request.model] += row
        assert told.by_model(session.id) == {model: row for model, row in expected.items() if row != Row()}


@pytest.mark.parametrize("run", [run for run in RUNS if run.startswith("2.1.329/")])
def test_totals_are_those_the_client_left_in_the_transcript(
    run: str, told: Told, sessions: list[Session], captures: dict[str, Path]
) -> None:
    """Cost and all tokens are those of ``cost-state``, of a fork without what it inherited."""
    for session in sessions:
        assert session.client_cost_usd is not None
        state, before = (cost_state(captures[run], each) for each in (session.id, session.forked_from))
        counts = (state[name] - before[name] for name in STATE_TOKENS)
        sums = total(told.by_model(session.id).values())
        assert Row(exact(sums.usd), *sums.tokens) == Row(exact(session.client_cost_usd), *counts)


@pytest.mark.parametrize("run", RUNS)
def test_every_call_is_the_transcripts(run: str, told: Told, sessions: list[Session]) -> None:
    """Each call of the transcript is one span, as that client counts it; the other spans no transcript records."""
    for session in sessions:
        entries, unseen = joined(run, session)
        expected = [(entry.request, entry_row(as_client(run, entry))) for entry in entries]
        expected += [(request, request_row(request)) for request in unseen]
        rows = Counter((request.at, Row(exact(row.usd), *row.tokens)) for request, row in expected if request)
        assert told.calls[session.id] == rows


def test_spans_events_and_metrics_keep_the_conventions(told: Told) -> None:
    """Without a single violation: calls of clients that name no requests go by the event that told of them."""
    assert judge(told.ours()) == []


def test_events_that_have_no_meaning_to_us_are_passed_on_as_they_came(told: Told) -> None:
    """Each once, and every other one is in a session."""
    sent = Counter(
        json.dumps(record, sort_keys=True)
        for run in RUNS
        for request in log_requests(run)
        for group in as_json(request)["resourceLogs"]
        for scope in group["scopeLogs"]
        for record in scope["logRecords"]
    )
    assert told.passed_on() <= sent
    assert max(told.passed_on().values()) == 1


def client_counters(run: str) -> dict[str, dict[str, Row]]:
    """Return the client's own counters by session and model."""
    found: dict[str, dict[str, Row]] = defaultdict(lambda: defaultdict(Row))
    account = native_account(run)
    for cost in account.cost_usage:
        found[cost.session_id][cost.model] += Row(exact(cost.usd))
    for t in account.token_usage:
        found[t.session_id][t.model] += Row(Decimal(0), t.input, t.output, t.cacheRead, t.cacheCreation)
    return found
