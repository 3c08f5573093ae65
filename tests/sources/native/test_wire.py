"""OTLP requests become records of the client's own telemetry; nothing of others is touched, nothing stops us."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otel_bridge.sources.native.events import READERS
from otel_bridge.sources.native.records import (
    ApiFailure,
    ApiRequest,
    NativeSpan,
    ToolDecision,
    ToolResult,
    UserPrompt,
    pack,
    record_key,
    unpack,
)
from otel_bridge.sources.native.wire import is_native_scope, read_logs, read_traces, rest
from tests.captures import RUNS
from tests.native import documents, log_requests, native_records, trace_requests
from tests.sources.native.otlp import AT_NS, SESSION, TRACING_SCOPE, add_logs, log_record, logs, span, traces

REQUEST = {"model": "claude-opus-4-6", "cost_usd": 0.031685000000000005, "duration_ms": 101, "input_tokens": 12}
AS_TEXT = {name: str(value) for name, value in REQUEST.items()}


def read_one(name: str, attributes: dict[str, Any]) -> Any:
    (record,) = read_logs(logs(log_record(name, attributes))).records
    return record


@pytest.mark.parametrize("attributes", [REQUEST, AS_TEXT])
def test_numbers_may_be_texts(attributes: dict[str, Any]) -> None:
    """A request reads the same whether its numbers are sent as numbers or as texts, as up to 2.1.121."""
    record = read_one("api_request", attributes)
    assert record == ApiRequest(
        SESSION,
        AT_NS,
        version="2.1.329",
        model="claude-opus-4-6",
        cost_usd=Decimal("0.031685"),
        duration_ms=101,
        input_tokens=12,
    )


def test_cost_in_micros_is_taken_where_there_is_no_other() -> None:
    """A client that sends only the integer cost is understood."""
    assert read_one("api_request", {"model": "m", "cost_usd_micros": 19_191}).cost_usd == Decimal("0.019191")


@pytest.mark.parametrize("value", ["twelve", "-1", -1, "1.5", 1e300, "9" * 400, "Infinity"])
def test_bad_count_is_a_problem(value: Any) -> None:
    """A count that is none is reported by name, without its value, and the rest of the event is kept."""
    reading = read_logs(logs(log_record("api_request", {**REQUEST, "input_tokens": value})))
    (record,) = reading.records
    assert isinstance(record, ApiRequest)
    assert (record.input_tokens, record.duration_ms) == (0, 101)
    (problem,) = reading.problems
    assert (problem.reason, problem.detail) == ("bad_value", "api_request: input_tokens")


def test_absent_number_is_no_problem() -> None:
    """``undefined``, which 1.0.60 writes where an error has no status, is the absence of a number."""
    reading = read_logs(logs(log_record("api_error", {"model": "m", "error": "Oh no", "status_code": "undefined"})))
    assert reading.records == [ApiFailure(SESSION, AT_NS, version="2.1.329", model="m")]
    assert reading.problems == []


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ('529 {"type":"error","error":{"type":"overloaded_error","message":"secret"}}', "overloaded_error"),
        ("429 too many", "http_429"),
        ("Connection error.", None),
    ],
)
def test_error_is_a_bounded_word(error: str, word: str | None) -> None:
    """Of a failed request's message only a word that names the error is kept."""
    assert read_one("api_error", {"model": "m", "error": error}).error_type == word


def test_tool_parameters_give_names() -> None:
    """Where details are sent, a tool's record has the names in them, and the program of a plain command."""
    mcp = read_one(
        "tool_result",
        {"tool_name": "mcp_tool", "tool_parameters": '{"mcp_server_name":"demo","mcp_tool_name":"lookup"}'},
    )
    assert (mcp.name, mcp.mcp_server, mcp.mcp_tool) == ("mcp__demo__lookup", "demo", "lookup")
    shell = read_one("tool_result", {"tool_name": "Bash", "tool_parameters": '{"full_command":"/usr/bin/make all"}'})
    assert shell.executable == "make"


def test_cut_parameters_are_a_problem() -> None:
    """Parameters cut in mid-JSON are reported, and the tool call is kept."""
    reading = read_logs(logs(log_record("tool_result", {"tool_name": "Bash", "tool_parameters": '{"full_comm'})))
    assert [problem.detail for problem in reading.problems] == ["tool_result: tool_parameters"]
    assert reading.records == [ToolResult(SESSION, AT_NS, version="2.1.329", name="Bash")]


def test_texts_are_never_kept() -> None:
    """Neither a prompt nor a command nor the input of a tool is in a record."""
    secret = "correct horse battery staple"
    prompt = log_record("user_prompt", {"prompt": secret, "prompt_text": secret, "prompt_length": 28})
    gated = {"tool_parameters": f'{{"full_command":"echo {secret}; ls"}}', "tool_input": secret, "error": secret}
    tool = log_record("tool_result", {"tool_name": "Bash", **gated})
    error = log_record("api_error", {"model": "m", "error": secret})
    seen = [*read_logs(logs(prompt, tool, error)).records]
    seen += read_traces(traces(span("interaction", {"user_prompt": secret, "full_command": secret}))).records
    assert len(seen) == 4
    assert "horse" not in repr(seen)


def test_record_without_session_or_time_is_a_problem() -> None:
    """What belongs to no session or no time is left out and reported."""
    homeless, timeless = log_record("user_prompt", {"session.id": ""}), log_record("user_prompt", {}, at_ns=0)
    late = log_record("user_prompt", {}, at_ns=2**63)
    reading = read_logs(logs(homeless, timeless, late))
    assert reading.records == []
    assert [problem.reason for problem in reading.problems] == ["missing_id", "bad_timestamp", "bad_timestamp"]


def test_span_without_ids_or_in_reverse_is_a_problem() -> None:
    """A span needs its ids and must not end before it starts."""
    bad = [span("tool", {}, span_id=b""), span("tool", {}, end_time_unix_nano=AT_NS - 1), span("tool", {})]
    reading = read_traces(traces(*bad))
    assert [problem.reason for problem in reading.problems] == ["missing_id", "bad_timestamp"]
    assert [record.span_type for record in reading.records if isinstance(record, NativeSpan)] == ["tool"]


def test_others_are_told_by_their_scope() -> None:
    """What another scope sent is named by its place, and comes out as it went in."""
    request = logs(log_record("user_prompt", {}))
    add_logs(request, log_record("user_prompt", {}), scope="otel_bridge")
    reading = read_logs(request)
    assert [type(record) for record in reading.records] == [UserPrompt]
    assert reading.foreign == [(1, 0)]
    others = ExportLogsServiceRequest()
    others.resource_logs.append(request.resource_logs[1])
    assert rest(request, reading) == others


def test_what_no_record_is_made_of_is_left_as_it_came() -> None:
    """An event of the client that we do not know may be what the next hop is there for."""
    request = logs(
        log_record("user_prompt", {}), log_record("plugin_loaded", {"x": "y"}), log_record("tool_result", {})
    )
    unknown = logs(log_record("plugin_loaded", {"x": "y"}))
    assert rest(request, read_logs(request)) == unknown
    spans = traces(span("tool", {}), span("tool", {}, span_id=b""))
    assert rest(spans, read_traces(spans)) == traces(span("tool", {}, span_id=b""))


@pytest.mark.parametrize(
    ("name", "is_native"),
    [
        ("com.anthropic.claude_code", True),
        (TRACING_SCOPE, True),
        ("com.anthropic.claude_codex", False),
        ("otel_bridge", False),
        ("", False),
    ],
)
def test_scope_of_the_client(name: str, is_native: bool) -> None:
    """The client's scopes are its name and what is below it."""
    assert is_native_scope(name) is is_native


def test_equal_events_of_a_request_are_two() -> None:
    """Two side calls of one millisecond with the same figures are two, although nothing tells them apart."""
    twice = read_logs(logs(log_record("api_request", REQUEST), log_record("api_request", REQUEST))).records
    assert [record.repeat for record in twice if isinstance(record, ApiRequest)] == [0, 1]


def test_unused_events_are_counted() -> None:
    """Events of the client that say nothing about its work are counted by name."""
    assert read_logs(logs(log_record("plugin_loaded", {}))).unused == {"plugin_loaded": 1}


@settings(deadline=None)
@given(value=st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans()))
def test_no_value_stops_us(value: Any) -> None:
    """Whatever an attribute holds, reading goes on."""
    names = ("prompt_length", "cost_usd", "success", "tool_parameters", "event.sequence", "error", "agent_id")
    for event in ("user_prompt", "api_request", "api_error", "tool_result", "subagent_completed"):
        read_logs(logs(log_record(event, dict.fromkeys(names, value))))
    read_traces(traces(span("tool", dict.fromkeys(names, value))))


@pytest.mark.parametrize("run", RUNS)
def test_batches_leave_no_trace(run: str) -> None:
    """Records are the same whether they come in one request or each in its own, as a collector may cut them."""
    for request in log_requests(run):
        cut = []
        for group in request.resource_logs:
            for scope in group.scope_logs:
                for record in scope.log_records:
                    single = ExportLogsServiceRequest()
                    place = single.resource_logs.add(resource=group.resource).scope_logs.add(scope=scope.scope)
                    place.log_records.append(record)
                    cut += read_logs(single).records
        assert cut == read_logs(request).records


@pytest.mark.parametrize("run", RUNS)
def test_every_recorded_event_is_read(run: str) -> None:
    """Each event that says something about the work of a session, and each span, is one record."""
    found = [record for records in native_records(run).values() for record in records]
    groups = [group for document in documents(run, "logs") for group in document["resourceLogs"]]
    sent = [record for group in groups for scope in group["scopeLogs"] for record in scope["logRecords"]]
    pairs = [pair for record in sent for pair in record["attributes"]]
    names = [pair["value"]["stringValue"] for pair in pairs if pair["key"] == "event.name"]
    groups = [group for document in documents(run, "traces") for group in document["resourceSpans"]]
    spans = sum(len(scope["spans"]) for group in groups for scope in group["scopeSpans"])
    assert len(names) == len(sent)
    assert Counter(type(record).__struct_config__.tag for record in found) == Counter(
        [name for name in names if name in READERS] + ["span"] * spans
    )
    decisions = [record for record in found if isinstance(record, ToolDecision)]
    assert all(decision.decision in {"accept", "reject"} for decision in decisions)


SAID = {
    "terminal.type": "xterm",
    "client_request_id": "c-1",
    "queued_sends": 3,
    "bash_command_class": "github_cli",
    "anthropic.custom_base_url": True,
    "model": "claude-opus-4-6[1m]",
}
TEXTS = {
    "user_prompt": "hello",
    "new_context": "x",
    "tool_input": "ls",
    "full_command": "ls",
    "file_path": "/home/dev/a.py",
    "error": "failed",
    "response.model_output": "yes",
    "system_prompt_preview": "You",
    "hook_definitions": "x",
    "user.email": "dev@example.com",
    "anything": "two words",
}


def test_all_that_is_no_text_is_kept_on_demand() -> None:
    """Words, numbers, and yes or no; one word of a prompt is a text too, and so is an address."""
    request = traces(span("tool", SAID | TEXTS))
    (plain,) = read_traces(request).records
    (whole,) = read_traces(request, keeps_original=True).records
    assert isinstance(plain, NativeSpan)
    assert isinstance(whole, NativeSpan)
    assert plain.attributes == {"model": "claude-opus-4-6[1m]"}
    assert whole.attributes == SAID | {"session.id": SESSION, "span.type": "tool"}
    assert unpack(pack(whole)) == whole
    assert record_key(whole) == record_key(plain)


@pytest.mark.parametrize("run", RUNS)
def test_texts_of_recordings_are_kept_by_nobody(run: str) -> None:
    """Of everything that real clients say on spans, what a person or a tool wrote stays out, and the rest is kept."""
    texts = {"user_prompt", "full_command", "file_path", "error"}
    for request in trace_requests(run):
        told = [one for group in request.resource_spans for scope in group.scope_spans for one in scope.spans]
        for record, one in zip(read_traces(request, keeps_original=True).records, told, strict=True):
            assert isinstance(record, NativeSpan)
            single = {pair.key for pair in one.attributes if pair.value.WhichOneof("value") != "array_value"}
            assert record.attributes.keys() == single - texts
