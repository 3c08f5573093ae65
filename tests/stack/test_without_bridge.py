"""A collector without a bridge gives Claude Code's own telemetry GenAI names and sums that Prometheus keeps exactly.

The recordings of real clients are sent again; what comes out is judged by the conventions and counted against what the
clients counted themselves.
"""

from __future__ import annotations

import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from tests.captures import native_account
from tests.conformance.judge import Finding, judge
from tests.otlp_server import RecordingServer
from tests.stack.exports import Reader, money
from tests.stack.otlp import counter, log_record, send_http, spans
from tests.stack.recorded import Recording, as_json, value_of
from tools.stack import configured
from tools.stack.configured import local
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

LAYERS = ("agent.yaml", "without-bridge.yaml", "without-bridge-logs.yaml")
TRACED = ["2.1.329/basic", "2.1.181/turns", "2.1.50/basic"]
COUNTED = ["2.1.329/basic", "2.1.50/turns", "2.0.30/turns", "1.0.60/basic"]
KINDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
USAGE = "gen_ai_client_inference_usage_"
OPERATIONS = {
    "claude_code.llm_request": "chat",
    "claude_code.tool": "execute_tool",
    "claude_code.interaction": "invoke_agent",
}


class Collector:
    """The shipped layers before a recording trace store and log store, and the Prometheus of a stack."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.traces = RecordingServer("grpc")
        self.logs = RecordingServer("http/protobuf")
        self.ports = configured.with_own_collector(stack.ports)
        stores = {"TRACES_ENDPOINT": self.traces.endpoint.removeprefix("http://"), "LOGS_ENDPOINT": self.logs.endpoint}
        self.server = configured.collector(folder, self.ports, LAYERS, stores)

    def __enter__(self) -> Collector:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.kill()
        self.traces.close()
        self.logs.close()

    def send(self, *requests: Message) -> None:
        for request in requests:
            assert send_http(f"http://{local(self.ports.collector_http)}", request).status == 200

    def documents(self, span_ids: set[str]) -> list[dict[str, Any]]:
        """Return the requests to the trace store with nothing in them but these spans, as soon as it has as many."""

        def ask() -> list[dict[str, Any]]:
            return [only(as_json(request.message), span_ids) for request in list(self.traces.requests)]

        return eventually(ask, lambda documents: len(spans_of(documents)) >= len(span_ids), 20)


@pytest.fixture(scope="module")
def collector(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Return a running collector that the tests of this module share."""
    with Collector(stack, tmp_path_factory.mktemp("without bridge")) as running:
        yield running


def only(document: dict[str, Any], span_ids: set[str]) -> dict[str, Any]:
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            scope["spans"] = [span for span in scope["spans"] if span["spanId"] in span_ids]
        resource["scopeSpans"] = [scope for scope in resource["scopeSpans"] if scope["spans"]]
    return document


def spans_of(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    resources = (resource for document in documents for resource in document["resourceSpans"])
    return [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]


def is_known(finding: Finding) -> bool:
    """Say whether a violation is what one record cannot heal: the list in the head of without-bridge.yaml."""
    if finding.rule == "unknown attribute":
        return not finding.seen.startswith(("gen_ai.", "coding_agent."))
    if finding.rule == "unknown operation":
        return finding.where in {"claude_code.tool.blocked_on_user", "claude_code.tool.execution"}
    return finding.rule == "recommended attribute missing" and (
        finding.seen in {"gen_ai.response.model", "gen_ai.response.id"}
        or (finding.where == "invoke_agent claude-code" and finding.seen.startswith("gen_ai.usage."))
    )


@dataclass(frozen=True)
class Traced:
    """The spans of a recording: as the client sent them, and as the trace store has them."""

    sent: list[dict[str, Any]]
    documents: list[dict[str, Any]]

    @property
    def came(self) -> list[dict[str, Any]]:
        return spans_of(self.documents)


@pytest.fixture(scope="module", params=TRACED)
def traced(request: pytest.FixtureRequest, collector: Collector) -> Traced:
    """Return what became of the spans of a recording."""
    recording = Recording(request.param)
    collector.send(*recording.requests("traces"))
    return Traced(recording.spans(), collector.documents({span["spanId"] for span in recording.spans()}))


def test_every_span_arrives_once(traced: Traced) -> None:
    """With the ids and the parent that the client gave it."""
    sent, came = (
        sorted((span["traceId"], span["spanId"], span.get("parentSpanId", "")) for span in spans)
        for spans in (traced.sent, traced.came)
    )
    assert came == sent


def test_spans_keep_the_conventions(traced: Traced) -> None:
    """Names, kinds, attributes and status; what one record does not say is all that is missing."""
    assert [finding for finding in judge(traced.documents) if not is_known(finding)] == []


def test_spans_have_their_operation(traced: Traced) -> None:
    """Requests, tool calls and prompts; the client's spans below a tool call keep its names."""
    operations = Counter(value_of(span, "gen_ai.operation.name") or span["name"] for span in traced.came)
    assert operations == Counter(OPERATIONS.get(span["name"], span["name"]) for span in traced.sent)
    sessions = {span["spanId"]: value_of(span, "session.id") for span in traced.sent}
    assert {span["spanId"]: value_of(span, "gen_ai.conversation.id") for span in traced.came} == sessions


def test_tokens_on_spans_are_those_of_the_recording(traced: Traced) -> None:
    """By model; input is the whole prompt, cache included."""
    expected: Counter[tuple[str, str]] = Counter()
    for span in traced.sent:
        if span["name"] == "claude_code.llm_request":
            model = value_of(span, "model")
            fresh, output, read, written = (int(value_of(span, kind)) for kind in KINDS)
            expected[model, "input_tokens"] += fresh + read + written
            expected[model, "output_tokens"] += output
            expected[model, "cache_read.input_tokens"] += read
            expected[model, "cache_write.input_tokens"] += written
    found: Counter[tuple[str, str]] = Counter()
    for span in traced.came:
        if value_of(span, "gen_ai.operation.name") == "chat":
            for kind in {kind for _, kind in expected}:
                found[value_of(span, "gen_ai.request.model"), kind] += value_of(span, f"gen_ai.usage.{kind}")
    assert found == expected


def test_failed_tools_have_an_error_type(traced: Traced) -> None:
    """On the span where the client says so, also before it had a status there."""
    failed = {span["spanId"] for span in traced.sent if value_of(span, "error") is not None}
    assert {span["spanId"] for span in traced.came if value_of(span, "error.type")} == failed
    assert {span["spanId"] for span in traced.came if span.get("status", {}).get("code") == 2} == failed


def test_numbers_that_come_as_strings_are_numbers(collector: Collector) -> None:
    """And a request that failed is an error, with the client's word for it."""
    words = {
        "session.id": "strings", "model": "claude-x", "success": "false", "status_code": "529", "input_tokens": "12",
        "output_tokens": "3", "cache_read_tokens": "40", "cache_creation_tokens": "5", "ttft_ms": "250",
    }  # fmt: skip
    request = spans("strings", time.time(), 1, words, key="strings")
    scope = request.resource_spans[0].scope_spans[0]
    scope.scope.name = "com.anthropic.claude_code.tracing"
    scope.spans[0].name = "claude_code.llm_request"
    scope.spans[0].span_id = b"strings!"
    collector.send(request)
    (span,) = spans_of(collector.documents({scope.spans[0].span_id.hex()}))
    assert (span["name"], span["kind"], span["status"]) == ("chat claude-x", 3, {"code": 2})
    assert {pair["key"]: value_of(span, pair["key"]) for pair in span["attributes"]} == {
        "session.id": "strings",
        "gen_ai.conversation.id": "strings",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-x",
        "gen_ai.usage.input_tokens": 57,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 5,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "status_code": "529",
        "error.type": "529",
    }


@pytest.mark.parametrize("run", COUNTED)
def test_prometheus_has_the_sums_of_the_client(collector: Collector, run: str) -> None:
    """Money to the last digit, every kind of token, by session and model."""
    service = f"without bridge {run}"
    collector.send(*Recording(run, service).requests("metrics"))
    account, reader = native_account(run), Reader(collector.stack, service, time.time() + 60)
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for cost in account.cost_usage:
        costs[f"{cost.session_id} {cost.model}"] += cost.usd
    tokens = {
        f"{USAGE}input_tokens_total": ("input", "cacheRead", "cacheCreation"),
        f"{USAGE}output_tokens_total": ("output",),
        f"{USAGE}cache_read_input_tokens_total": ("cacheRead",),
        f"{USAGE}cache_write_input_tokens_total": ("cacheCreation",),
        "coding_agent_usage_uncached_input_tokens_total": ("input",),
    }
    expected: dict[str, dict[str, Decimal]] = {
        "coding_agent_cost_USD_total": {key: money(str(usd)) for key, usd in costs.items()},
        **{metric: _tokens(run, kinds) for metric, kinds in tokens.items()},
    }
    for metric, sums in expected.items():
        assert eventually(partial(_by_model, reader, metric), partial(eq, sums), 20) == sums, metric


def _by_model(reader: Reader, metric: str) -> dict[str, Decimal]:
    sums = reader.sum(reader.last(metric), "session_id", "gen_ai_request_model")
    return {key: money(value) for key, value in sums.items()}


def _tokens(run: str, kinds: tuple[str, ...]) -> dict[str, Decimal]:
    sums: Counter[str] = Counter()
    for row in native_account(run).token_usage:
        sums[f"{row.session_id} {row.model}"] += sum(getattr(row, kind) for kind in kinds)
    return {key: money(str(value)) for key, value in sums.items()}


def test_a_series_is_a_session_and_nothing_of_its_machine(collector: Collector) -> None:
    """No version, no host, no terminal, no installation: those are on the info series or nowhere."""
    service = "without bridge labels"
    collector.send(*Recording("2.1.329/basic", service).requests("metrics"))
    ask = f'last_over_time({{job="{service}"}}[1h])'
    found = eventually(lambda: collector.stack.metrics.query(ask, time.time()), lambda series: len(series) > 15, 20)
    own = {name for labels, _ in found for name in labels} - {"__name__", "job"}
    assert own == {
        "session_id", "series_start", "gen_ai_request_model", "gen_ai_response_model", "gen_ai_operation_name",
        "gen_ai_provider_name", "gen_ai_token_modality", "coding_agent_call_source", "vcs_line_change_type",
        "gen_ai_agent_name", "user_name", "start_type", "type", "decision", "source", "tool_name", "language",
    }  # fmt: skip
    assert not collector.stack.metrics.query(f'target_info{{job="{service}"}}', time.time())
    (info,) = (labels for labels, _ in found if labels["__name__"] == "coding_agent_session_info")
    assert set(info) == {"__name__", "job", "session_id", "gen_ai_agent_name", "user_name"}


def test_a_restart_loses_nothing_that_was_counted(stack: Stack, tmp_path: Path) -> None:
    """What the memory of a killed collector held is a series that ended; a request that comes twice counts once."""
    recording = Recording("2.1.329/basic", "without bridge restarted")
    first, second = recording.requests("metrics")
    reader = Reader(stack, "without bridge restarted", time.time() + 60)
    last = reader.last("coding_agent_cost_USD_total")
    with Collector(stack, tmp_path) as collector:
        collector.send(first, first)
        assert eventually(lambda: reader.total(last), bool, 20)
        collector.server.kill()
        collector.server.start()
        collector.send(second, second)
        expected = money(str(sum(cost.usd for cost in native_account(recording.run).cost_usage)))
        assert eventually(lambda: money(reader.total(last)), lambda value: value == expected, 20) == expected


def native_cost(session: str, start_s: float, at_s: float, usd: float, *, is_delta: bool = True) -> Message:
    """Return a request as a client sends it: one point of its cost."""
    request = counter(session, [(at_s, usd)], "without bridge parallel")
    scope = request.resource_metrics[0].scope_metrics[0]
    scope.scope.name = "com.anthropic.claude_code"
    metric = scope.metrics[0]
    metric.name = "claude_code.cost.usage"
    if is_delta:
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    metric.sum.data_points[0].start_time_unix_nano = round(start_s * 1e9)
    return request


def test_parallel_processes_of_a_session_add_up_in_order_of_time(collector: Collector) -> None:
    """Of two that write one session everything counts but a point that comes late; the collector counts those."""
    now, name = round(time.time()) - 60, "parallel deltas"
    points = [(0, 10, 1.0), (5, 15, 2.0), (10, 20, 4.0), (15, 25, 8.0), (12, 22, 16.0)]
    collector.send(*(native_cost(name, now + start, now + end, usd) for start, end, usd in points))
    assert total(collector, name, "15") == "15"
    ask = "otelcol_deltatocumulative_datapoints"
    with urllib.request.urlopen(f"http://{local(collector.ports.collector_metrics)}/metrics", timeout=10) as page:
        lines = [line.decode() for line in page if line.decode().startswith(ask)]
    assert [line.rsplit(" ", 1)[1].strip() for line in lines if 'error="' in line] == ["1"], lines


def test_clients_that_count_for_themselves_are_series_of_their_own(collector: Collector) -> None:
    """With cumulative temporality each process starts at 0; the sum is that of both, in any order."""
    now, name = round(time.time()) - 60, "parallel sums"
    points = [(0, 10, 1.0), (5, 15, 2.0), (5, 25, 6.0), (0, 20, 3.0)]
    collector.send(*(native_cost(name, now + start, now + end, usd, is_delta=False) for start, end, usd in points))
    assert total(collector, name, "9") == "9"


def total(collector: Collector, session: str, expected: str) -> str | None:
    """Return what a session cost by Prometheus, as soon as it is what is expected."""
    ask = f'sum(last_over_time(coding_agent_cost_USD_total{{session_id="{session}"}}[1h]))'
    return eventually(lambda: collector.stack.metrics.value(ask, time.time()), partial(eq, expected), 10)


def test_what_other_programs_send_passes_unchanged(collector: Collector) -> None:
    """Spans, points and logs, even with Claude Code's service name."""
    now = round(time.time())
    request = spans("claude-code", now, 2, {"model": "mine", "session.id": "s"}, key="of another program")
    names = [b"another1", b"another2"]
    for span, span_id in zip(request.resource_spans[0].scope_spans[0].spans, names, strict=True):
        span.span_id = span_id
    collector.send(request, counter("of another program", [(now, 3)]), log_record("of another program", model="mine"))
    found = spans_of(collector.documents({name.hex() for name in names}))
    assert [(span["name"], value_of(span, "model")) for span in found] == [("span 0", "mine"), ("span 1", "mine")]
    ask = 'last_over_time(coding_agent_cost_USD_total{session_id="of another program"}[1h])'
    series = eventually(lambda: collector.stack.metrics.query(ask, time.time()), bool, 20)
    assert [(sorted(labels), value) for labels, value in series] == [(["__name__", "job", "session_id"], "3")]
    records = eventually(lambda: by_body(collector, "of another program"), bool, 20)
    assert [plain(record.attributes) for record in records] == [{"model": "mine"}]


def by_body(collector: Collector, body: str) -> list[Any]:
    return [record for record in collector.logs.log_records() if record.body.string_value == body]


def plain(attributes: list[KeyValue]) -> dict[str, Any]:
    """Return the attributes of a record as Python values."""
    found = {}
    for pair in attributes:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else None
    return found


@pytest.mark.parametrize("run", ["2.1.329/turns", "1.0.60/basic"])
def test_events_have_request_and_cost_together(collector: Collector, run: str) -> None:
    """Whether the client wrote numbers or strings: every request with its tokens and its price."""
    recording = Recording(run)
    collector.send(*recording.requests("logs"))
    sessions = {value_of(record, "session.id") for record in recording.records()}

    def events() -> list[tuple[str, dict[str, Any]]]:
        records = [(record.event_name, plain(record.attributes)) for record in collector.logs.log_records()]
        return [(name, attributes) for name, attributes in records if attributes.get("session.id") in sessions]

    found = eventually(events, lambda records: len(records) >= len(recording.records()), 20)
    assert len(found) == len(recording.records())
    assert {attributes["gen_ai.conversation.id"] for _, attributes in found} == sessions
    requests = [attributes for name, attributes in found if name == "gen_ai.client.inference.operation.details"]
    assert sorted(
        (
            each["gen_ai.request.model"],
            each["gen_ai.usage.input_tokens"],
            each["gen_ai.usage.cache_read.input_tokens"],
            each["gen_ai.usage.cache_write.input_tokens"],
            each["gen_ai.usage.output_tokens"],
            str(money(str(each["coding_agent.cost.amount"]))),
        )
        for each in requests
    ) == sorted(
        (
            call.model,
            call.input_tokens + call.cache_read_tokens + call.cache_creation_tokens,
            call.cache_read_tokens,
            call.cache_creation_tokens,
            call.output_tokens,
            str(money(str(call.cost_usd))),
        )
        for call in native_account(run).api_requests
    )
    tools = [attributes for name, attributes in found if name == "claude_code.tool_result"]
    assert {type(each["duration_ms"]) for each in tools} == {int}
    assert all(each["gen_ai.tool.name"] for each in tools)


def test_it_starts_without_a_warning(collector: Collector) -> None:
    """No deprecated name, and no statement that fails on what real clients send."""
    lines = collector.server.log.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "\twarn\t" in line or "\terror\t" in line] == []
