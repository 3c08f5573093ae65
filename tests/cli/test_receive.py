"""`receive`: OTLP comes in, goes on or into a file, and ends in order."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import pytest

from otel_bridge.cli.receiving import account
from otel_bridge.convert import ConvertOptions, session_spans
from otel_bridge.pipeline.index.natives import take_records
from otel_bridge.receiving.counters import Tally
from otel_bridge.telemetry import Signal
from tests.cli.commands import environment_of, run
from tests.cli.receiving import DEADLINE_S, Receiving, receive
from tests.native import log_requests, metric_requests, native_records, trace_requests
from tests.otlp_server import ACCEPT, Received, RecordingServer, Reply
from tests.pipeline.index.world import World
from tests.receiving.samples import request
from tests.stack.otlp import Answer, send_grpc, send_http, spans

pytestmark = pytest.mark.slow

RUN = "2.1.329/basic"
RECORDED = (log_requests, trace_requests, metric_requests)


def test_what_comes_goes_on_and_into_the_file(tmp_path: Path) -> None:
    """Over both ways in; in the end it says what it took, and exits with 0."""
    target = tmp_path / "out.jsonl"
    with (
        RecordingServer("grpc") as server,
        receive(tmp_path, "--endpoint", server.endpoint, "--protocol", "grpc", "--to-file", target) as running,
    ):
        assert send_http(running.http, request("traces")) == Answer(200)
        assert send_grpc(running.grpc, request("metrics")) == Answer("OK")
        passed_on = [
            received.message for received in server.requests if received.encoded_bytes
        ]  # asked at the start, too
        assert passed_on == [request("traces"), request("metrics")]
        keys = [list(json.loads(line)) for line in target.read_text(encoding="utf-8").splitlines()]
        assert keys == [["resourceSpans"], ["resourceMetrics"]]
        assert running.end() == "took 3 items of traces, 3 items of metrics\n"
        assert f"passing on to {server.endpoint.partition('//')[2]} (grpc), {target}" in running.said


def test_the_environment_says_where_to(tmp_path: Path) -> None:
    """As it does for every exporter."""
    with RecordingServer("http/protobuf") as server, receive(tmp_path, **server.env) as running:
        assert send_http(running.http, request("traces")) == Answer(200)
        assert len([received for received in server.requests if received.encoded_bytes]) == 1


def test_senders_hear_that_the_next_hop_is_away(tmp_path: Path) -> None:
    """And are taken as soon as it is back."""
    with (
        RecordingServer("http/protobuf", listening=False) as server,
        receive(tmp_path, "--endpoint", server.endpoint) as running,
    ):
        assert send_http(running.http, request("traces")).status == 503
        assert send_grpc(running.grpc, request("traces")).status == "UNAVAILABLE"
        server.listen()
        assert send_http(running.http, request("traces")) == Answer(200)
        assert running.end() == "took 3 items of traces\n! requests to be sent again: 2 unavailable\n"


def test_a_signal_the_next_hop_does_not_know_is_refused_for_good(tmp_path: Path) -> None:
    """It says so at the start, when it is asked; the others go on."""

    def decide(received: Received) -> Reply:
        return Reply(404, "UNIMPLEMENTED") if received.signal == "logs" else ACCEPT

    with (
        RecordingServer("http/protobuf", decide) as server,
        receive(tmp_path, "--endpoint", server.endpoint) as running,
    ):
        assert "! no endpoint takes logs: what would be passed on of them is refused" in running.said
        assert send_http(running.http, request("logs")).status == 400
        assert send_grpc(running.grpc, request("logs")).status == "INVALID_ARGUMENT"
        assert send_http(running.http, request("traces")) == Answer(200)
        assert running.end() == "took 3 items of traces\n! requests refused for good: 2 not_wanted\n"


def test_a_token_of_the_environment_is_asked_for(tmp_path: Path) -> None:
    """On loopback too; it is shown nowhere."""
    env = {"OTEL_BRIDGE_RECEIVE_TOKEN": "very secret"}
    with receive(tmp_path, "--to-file", tmp_path / "out", **env) as running:
        assert send_http(running.http, request("traces")).status == 401
        assert send_grpc(running.grpc, request("traces")).status == "UNAUTHENTICATED"
        authorization = {"authorization": "Bearer very secret"}
        assert send_http(running.http, request("traces"), authorization) == Answer(200)
        assert send_grpc(running.grpc, request("traces"), authorization) == Answer("OK")
        assert "secret" not in running.said + running.end()


def test_what_claude_code_says_is_converted(tmp_path: Path) -> None:
    """Its events and spans come out as spans of sessions, each once, and its metrics as ours; the rest as it came."""
    with RecordingServer("http/protobuf") as server, receive(tmp_path, "--endpoint", server.endpoint) as running:
        send_recorded(running)
        assert send_http(running.http, request("traces")) == Answer(200)
        said = running.end()
        others = [span.name for scope in request("traces").resource_spans[0].scope_spans for span in scope.spans]
        names = Counter(span.name.partition(" ")[0] for span in server.spans())
        assert operations(names) == expected_spans(tmp_path)
        assert {span.name for span in server.spans()} >= set(others)
        metrics = {metric.name for one in server.requests if one.signal == "metrics" for metric in one.metrics}
        assert {"coding_agent.cost", "coding_agent.native.active_time"} <= metrics
        assert not any(name.startswith("claude_code.") for name in metrics)
    assert "of these put into sessions: " in said


@pytest.mark.parametrize("options", [(), ("--unchanged",)])
def test_what_became_of_all_is_at_metrics(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Where an address is given for it, with the health page beside it."""
    shown = ["--listen", "127.0.0.1:0", *options]
    with (
        RecordingServer("http/protobuf") as server,
        receive(tmp_path, "--endpoint", server.endpoint, *shown) as running,
    ):
        (url,) = re.findall(r"health at (\S+),", running.said)
        assert send_http(running.http, request("traces")) == Answer(200)
        with urlopen(f"{url}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        with urlopen(f"{url}/healthz", timeout=10) as answer:
            assert answer.read().strip() == b"ok"
    assert 'otel_bridge_receive_items_total{fate="passed_on",signal="traces"} 3.0' in metrics


def test_who_starts_again_sends_nothing_twice(tmp_path: Path) -> None:
    """The index knows what was taken, of an endpoint as of a file."""
    target = tmp_path / "out.jsonl"
    for _ in range(2):
        with receive(tmp_path, "--to-file", target) as running:
            send_recorded(running)
            running.end()
    sent = [
        (span["spanId"], span["name"].partition(" ")[0])
        for line in target.read_text(encoding="utf-8").splitlines()
        for group in json.loads(line).get("resourceSpans", [])
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]
    assert len(sent) == len(set(sent))
    assert operations(Counter(name for _, name in sent)) == expected_spans(tmp_path)


def test_a_file_beside_an_endpoint_is_a_copy(tmp_path: Path) -> None:
    """Of what the endpoint has taken: while it is away the file does not grow, in the end each span is in it once."""
    target = tmp_path / "out.jsonl"
    with RecordingServer("http/protobuf", listening=False) as server:
        with receive(tmp_path, "--endpoint", server.endpoint, "--to-file", target) as running:
            for message in trace_requests(RUN):
                assert send_http(running.http, message) == Answer(200)
            time.sleep(4)
            assert target.read_bytes() == b""
            server.listen()
            running.end()
        sent = [span.span_id.hex() for span in server.spans()]
    written = [
        span["spanId"]
        for line in target.read_text(encoding="utf-8").splitlines()
        for group in json.loads(line).get("resourceSpans", [])
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]
    assert sorted(written) == sorted(sent)
    assert len(set(sent)) == len(sent) > 0


def test_unchanged_is_what_came(tmp_path: Path) -> None:
    """Without any index, for who only wants to pass on."""
    with (
        RecordingServer("http/protobuf") as server,
        receive(tmp_path, "--endpoint", server.endpoint, "--unchanged") as running,
    ):
        send_recorded(running)
        running.end()
        passed_on = [received.message for received in server.requests if received.encoded_bytes]
    assert passed_on == [message for signal in RECORDED for message in signal(RUN)]
    assert not list(tmp_path.glob("*.sqlite3"))


def send_recorded(running: Receiving) -> None:
    for requests in RECORDED:
        for message in requests(RUN):
            assert send_http(running.http, message) == Answer(200)


def expected_spans(folder: Path) -> Counter[str]:
    """Return how many spans of each operation the recorded client's telemetry is, by the converter alone."""
    world = World(folder / "expected")
    take_records(world.place, [record for own in native_records(RUN).values() for record in own])
    world.update()
    options = ConvertOptions(include_open=True)
    batches = (batch for session in world.library() for batch in session_spans(session, options))
    return operations(Counter(item.name.partition(" ")[0] for batch in batches for item in batch.items))


def operations(names: Counter[str]) -> Counter[str]:
    return Counter({name: names[name] for name in ("invoke_agent", "chat", "execute_tool")})


def test_ending_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Every request that was answered with yes arrived, and exactly once."""
    acknowledged: list[str] = []
    stop = threading.Event()

    def slow(_: Received) -> Reply:
        time.sleep(0.002)
        return ACCEPT

    with (
        RecordingServer("http/protobuf", slow) as server,
        receive(tmp_path, "--endpoint", server.endpoint) as running,
    ):

        def send(number: int) -> None:
            for count in range(10_000):
                if stop.is_set():
                    return
                key = f"{number} {count}"
                message = spans("load", 1_763_000_000, 1, key=key)
                try:
                    if number % 2:
                        taken = send_http(running.http, message).status == 200
                    else:
                        taken = send_grpc(running.grpc, message).status == "OK"
                except OSError:
                    taken = False
                if taken:
                    acknowledged.append(message.resource_spans[0].scope_spans[0].spans[0].trace_id.hex())

        senders = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for sender in senders:
            sender.start()
        time.sleep(3)
        running.end()
        stop.set()
        for sender in senders:
            sender.join()
        arrived = [span.trace_id.hex() for span in server.spans()]
    assert len(acknowledged) > 50
    assert set(acknowledged) <= set(arrived)
    assert len(arrived) == len(set(arrived))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "nowhere to pass telemetry on to. Give --endpoint"),
        (["--to-file", "/no/such/folder/x"], "--to-file /no/such/folder/x cannot be written"),
        (["--to-file", "x", "--http", "0.0.0.0:4318"], "--http 0.0.0.0:4318: anybody who reaches this machine"),
        (["--to-file", "x", "--grpc", "nonsense"], "--grpc nonsense: no address to listen on"),
        (["--to-file", "x", "--grpc", "none", "--http", "none"], "are both none"),
        (["--endpoint", "http://localhost:4318"], "--http 127.0.0.1:4318 is where traces would be passed on to"),
        (["--endpoint", "127.0.0.1:4317", "--protocol", "grpc"], "a loop. Give --endpoint another address"),
        (["--endpoint", "ftp://x"], "ftp"),
        (["--to-file", "x", "--tls-cert", "x"], "--tls-cert was given, but not both"),
        (["--to-file", "x", "--unchanged", "--data-dir", "y"], "--data-dir has no effect with --unchanged"),
        (["--to-file", "x", "--unchanged", "--paths"], "--paths has no effect with --unchanged"),
    ],
)
def test_what_cannot_work_is_said_at_once(options: list[str], words: str) -> None:
    """The option, the value seen, and what to do; the exit code is 2."""
    done = run("receive", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_port_in_use_is_said_at_once(tmp_path: Path) -> None:
    """With the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("receive", "--grpc", "none", "--http", address, "--to-file", tmp_path / "x")
    assert done.returncode == 2
    assert f"--http {address}: port" in done.stderr


def test_an_index_in_use_is_said_at_once(tmp_path: Path) -> None:
    """With what can be done about it; the exit code is 5."""
    with receive(tmp_path, "--to-file", tmp_path / "x"):
        done = run("receive", "--to-file", tmp_path / "y", "--http", "127.0.0.1:0", "--grpc", "none", data_dir=tmp_path)
    assert done.returncode == 5
    assert "--unchanged needs none" in done.stderr


def test_an_open_listener_with_a_token_and_without_tls_is_warned_about(tmp_path: Path) -> None:
    """It starts; what crosses the network is said."""
    options = ["--http", "0.0.0.0:0", "--token", "x", "--to-file", str(tmp_path / "x")]
    command = [sys.executable, "-m", "otel_bridge", "receive", "--grpc", "none", *options]
    process = subprocess.Popen(command, env=environment_of(None, tmp_path), stderr=subprocess.PIPE, encoding="utf-8")
    assert process.stderr
    lines = [process.stderr.readline() for _ in range(2)]
    process.terminate()
    process.communicate(timeout=DEADLINE_S)
    assert lines[0].startswith("! the token and all telemetry cross the network unencrypted")
    assert lines[1].startswith("receiving over HTTP at http://0.0.0.0:")


def test_the_account_names_all_that_was_not_taken() -> None:
    """By reason; nothing else is said where there was nothing."""
    assert account(Tally()) == ["took nothing"]
    tally = Tally(
        {Signal.LOGS: 1}, {Signal.LOGS: 2_000}, {Signal.LOGS: 3}, {"busy": 4}, {"too_large": 5, "bad_data": 6}
    )
    assert account(tally) == [
        "took 2,000 items of logs",
        "! of these rejected: 3 logs",
        "! requests to be sent again: 4 busy",
        "! requests refused for good: 6 bad_data, 5 too_large",
    ]
