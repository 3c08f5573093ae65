"""`up`: one command that indexes, watches and answers."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otel_bridge.receiving.signals import WIRES
from otel_bridge.sources.native.wire import read_logs
from otel_bridge.telemetry import Signal
from tests.cli.commands import environment_of, run
from tests.native import log_requests, trace_requests
from tests.otlp_server import ACCEPT, Received, RecordingServer, Reply
from tests.stack.otlp import Answer, send_http
from tests.transcripts import OTHER, SID, at_ns, dump, prompt, response, session_file
from tools.stack.servers import free_port

pytestmark = pytest.mark.slow

DEADLINE_S = 30
RUN = "2.1.329/basic"
ANSWERED_WITHIN_S = 8
"""As long as a client waits for one answer."""


class Running:
    """A running `up`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.said = ""
        while not (found := re.search(r"health at (http://\S+),", self.said)):
            line = process.stderr.readline()
            assert line, self.said
            self.said += line
        self.url = found[1]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            text: str = answer.read().decode()
            return text


@contextmanager
def up(home: Path, data_dir: Path, *options: str) -> Iterator[Running]:
    """Start `up` on any free port; it must end by SIGTERM with code 0."""
    command = [sys.executable, "-m", "otel_bridge", "up", "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, env=environment_of(home, data_dir), stderr=subprocess.PIPE, text=True)
    try:
        yield Running(process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    """Write a session of this moment: older ones have nothing to be scraped."""
    now = time.time() - at_ns(0) / 1e9
    return session_file(tmp_path / "projects", SID, prompt(at=now - 60), response("msg_1", at=now - 50))


def test_without_an_endpoint_sessions_are_scraped(tmp_path: Path, transcript: Path) -> None:
    """Cost is at /metrics under Prometheus's names, and grows with the transcript."""
    cost = re.compile(rf'^coding_agent_cost_USD_total\{{.*session_id="{SID}".*\}} (\S+)$', re.MULTILINE)
    with up(tmp_path, tmp_path / "data") as running:
        assert running.get("/healthz").strip() == "ok"
        (before,) = cost.findall(running.get("/metrics"))
        now = time.time() - at_ns(0) / 1e9
        with transcript.open("ab") as file:
            file.write(dump(response("msg_2", at=now)))
        until(lambda: float(cost.findall(running.get("/metrics"))[0]) == pytest.approx(2 * float(before)))
        assert "otel_bridge_sessions 1.0" in running.get("/metrics")
        assert SID not in running.get("/")


def test_with_an_endpoint_sessions_are_sent_and_not_scraped(tmp_path: Path, transcript: Path) -> None:
    """What goes out over OTLP is not shown a second time; the bridge tells how much went out."""
    nothing = 'otel_bridge_export_items_total{outcome="accepted",signal="metrics"} 0.0'
    with (
        RecordingServer("http/protobuf") as server,
        up(tmp_path, tmp_path / "data", "--endpoint", server.endpoint) as running,
    ):
        until(lambda: nothing not in running.get("/metrics"))
        assert "coding_agent_" not in running.get("/metrics")


def test_what_was_received_is_accounted_for(tmp_path: Path, transcript: Path) -> None:
    """To the item: in the index, there already, or wanted by nobody; and why a request was not taken."""
    logs = [*log_requests(RUN)]
    kept = sum(len(read_logs(request).records) for request in logs)
    left = sum(1 for request in logs for _ in WIRES[Signal.LOGS].attributed(request)) - kept
    with up(tmp_path, tmp_path / "data", "--grpc", "none", "--http", "127.0.0.1:0") as running:
        (receiver,) = re.findall(r"receiving over HTTP at (http://\S+)", running.said)
        for request in [*logs, *logs]:
            assert send_http(receiver, request).status == 200
        with pytest.raises(urllib.error.HTTPError, match="415"):
            urllib.request.urlopen(f"{receiver}/v1/logs", b"what is this?", timeout=10)
        shown = running.get("/metrics")
        words = " ".join(running.get("/").split())
    for fate, count in (
        ("stored", kept),
        ("duplicate", kept),
        ("outdated", 0),
        ("passed_on", 0),
        ("rejected", 2 * left),
    ):
        assert f'\notel_bridge_receive_items_total{{fate="{fate}",signal="logs"}} {float(count)}\n' in shown
    assert kept > left > 0
    assert f'\notel_bridge_receive_requests_total{{signal="logs"}} {float(2 * len(logs))}\n' in shown
    assert '\notel_bridge_receive_refused_total{reason="unsupported"} 1.0\n' in shown
    assert '\notel_bridge_receive_put_off_total{reason="busy"} 0.0\n' in shown
    assert f"logs: {kept:,} stored" in words


def test_what_is_wrong_is_on_the_health_page(tmp_path: Path, transcript: Path) -> None:
    """An endpoint that is away makes the bridge unhealthy, in a sentence that names it."""
    with up(tmp_path, tmp_path / "data", "--endpoint", "http://127.0.0.1:9", "--protocol", "http/protobuf") as running:

        def is_unhealthy() -> bool:
            try:
                running.get("/healthz")
            except urllib.error.HTTPError as error:
                return error.code == 503 and "127.0.0.1:9" in error.read().decode()
            return False

        until(is_unhealthy)
        assert "otel_bridge_pending_sessions 1.0" in running.get("/metrics")


def test_a_receiver_that_comes_late_gets_what_it_knows(tmp_path: Path, transcript: Path) -> None:
    """A signal that a receiver turns out not to know, once it is there, is left out: everything else is delivered."""

    def decide(received: Received) -> Reply:
        return Reply(404, "UNIMPLEMENTED") if received.signal == "logs" else ACCEPT

    with RecordingServer("http/protobuf", decide, listening=False) as server:
        with up(tmp_path, tmp_path / "data", "--endpoint", server.endpoint) as running:
            until(lambda: "otel_bridge_pending_sessions 1.0" in running.get("/metrics"))
            server.listen()
            until(lambda: "otel_bridge_pending_sessions 0.0" in running.get("/metrics"))
            assert running.get("/healthz").strip() == "ok"
        assert len(server.span_ids()) == len(set(server.span_ids())) == 2


def test_a_client_that_is_set_up_to_send_spans_is_waited_for(tmp_path: Path, transcript: Path) -> None:
    """Even before the first one has come, a turn that is just over waits for them."""
    assert run("env", "--write", "user", home=tmp_path).returncode == 0
    with (
        RecordingServer("http/protobuf") as server,
        up(tmp_path, tmp_path / "data", "--grpc", "none", "--http", "127.0.0.1:0", "--endpoint", server.endpoint),
    ):
        until(lambda: len(server.span_ids()) == 2)
        now = time.time() - at_ns(0) / 1e9
        session_file(tmp_path / "projects", OTHER, prompt(at=now - 1), response("msg_2", at=now))
        time.sleep(3)
        assert len(server.span_ids()) == 2
        until(lambda: len(server.span_ids()) == 4)


def test_a_port_in_use_is_named(tmp_path: Path, transcript: Path) -> None:
    """Somebody else's port is a sentence with the option, and the exit code is 2."""
    with up(tmp_path, tmp_path / "data") as running:
        address = running.url.removeprefix("http://")
        done = run("up", "--listen", address, home=tmp_path)
    assert done.returncode == 2
    assert f"--listen {address}: port" in done.stderr


def test_only_one_process_keeps_an_index(tmp_path: Path, transcript: Path) -> None:
    """A second one says who has it and ends with 5; reading goes on."""
    with up(tmp_path, tmp_path / "data") as running:
        done = run("watch", home=tmp_path, data_dir=tmp_path / "data")
        assert done.returncode == 5
        assert f"is being written by `otel-bridge up` (process {running.process.pid})" in done.stderr
        assert run("stats", home=tmp_path, data_dir=tmp_path / "data").returncode == 0


def test_what_clients_send_is_taken_where_no_transcript_is(tmp_path: Path) -> None:
    """Nobody has to wait for a folder that may never come."""
    http = f"127.0.0.1:{free_port()}"
    with up(tmp_path / "home", tmp_path / "data", "--grpc", "none", "--http", http):
        started_s = time.monotonic()
        for message in log_requests("2.1.329/basic"):
            assert send_http(f"http://{http}", message) == Answer(200)
        assert time.monotonic() - started_s < ANSWERED_WITHIN_S
        listed = run("sessions", "--json", "--no-sync", home=tmp_path / "home", data_dir=tmp_path / "data")
        assert len(json.loads(listed.stdout)) == 1


@pytest.mark.parametrize("switch", [(), ("--keep-original-attributes",)])
def test_what_the_client_said_on_its_spans_is_kept_on_demand(tmp_path: Path, switch: tuple[str, ...]) -> None:
    """On the spans that became of its own, under its own names; never a text."""
    http = f"127.0.0.1:{free_port()}"
    home, options = tmp_path / "home", ("--grpc", "none", "--http", http, *switch)
    with (
        RecordingServer("http/protobuf") as server,
        up(home, tmp_path / "data", "--endpoint", server.endpoint, *options),
    ):
        for message in (*log_requests(RUN), *trace_requests(RUN)):
            assert send_http(f"http://{http}", message) == Answer(200)
        told = {
            span.span_id for request in trace_requests(RUN) for span in Received("traces", request, 0, {}, "").items
        }
        until(lambda: told <= {span.span_id for span in server.spans()})
        sent = {span.span_id: {pair.key for pair in span.attributes} for span in server.spans()}
    originals = {"terminal.type", "user.id", "span.type"}
    assert all((sent[span_id] & originals) == (originals if switch else set()) for span_id in told)
    assert not {"user_prompt", "full_command", "file_path", "error"} & set().union(*sent.values())
