"""`receive`: OTLP comes in, goes on or into a file, and ends in order."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from otel_bridge.cli.receive import account
from otel_bridge.receiving.counters import Tally
from otel_bridge.telemetry import Signal
from tests.cli.commands import environment_of, run
from tests.cli.receiving import DEADLINE_S, receive
from tests.otlp_server import ACCEPT, Received, RecordingServer, Reply
from tests.receiving.samples import request
from tests.stack.otlp import Answer, send_grpc, send_http, spans


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
        assert "! no endpoint takes logs: senders are told to drop them" in running.said
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


@pytest.mark.slow
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
