"""A recorded client, moved to the present, and a running `up` that it writes and sends to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

from google.protobuf.message import Message

from otel_bridge.sources.native.records import NativeRecord
from otel_bridge.sources.native.wire import read_logs, read_traces
from tests.cli.commands import environment_of
from tests.stack.otlp import SIGNALS, send_grpc, send_http
from tests.stack.recorded import Recording, as_json
from tools.history import START, TIME, recording
from tools.stack.servers import Server, free_port
from tools.stack.stack import Stack


@dataclass
class Client:
    """A recorded client, moved to the present: what it sends and what it writes."""

    run: str

    def __post_init__(self) -> None:
        self.recording = Recording(self.run)
        self.recording.shift_ns -= self.recording.shift_ns % 1_000_000  # transcripts have milliseconds

    def transcripts(self) -> dict[str, str]:
        """Return its transcripts by their path below ``projects``."""
        shift = timedelta(microseconds=self.recording.shift_ns // 1000)
        shift_ms = shift // timedelta(milliseconds=1)
        found = {}
        for name, text in recording(self.run).items():
            moved = TIME.sub(lambda at: written(datetime.fromisoformat(at[0]) + shift), text)
            found[name] = START.sub(lambda at: f'"startTime":{int(at[1]) + shift_ms}', moved)
        return found

    def write(self, projects: Path) -> None:
        """Write its transcripts."""
        for name, text in self.transcripts().items():
            path = projects / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def send(self, bridge: Bridge, way: str, signals: Iterable[str] = ("logs", "traces")) -> None:
        """Send its telemetry, spans after the events, as it did."""
        for signal in signals:
            for request in self.recording.requests(signal):
                assert SENDERS[way](bridge, request) in {200, "OK"}

    def records(self) -> list[NativeRecord]:
        readings = [*map(read_logs, self.recording.requests("logs"))]  # type: ignore[arg-type]
        readings += map(read_traces, self.recording.requests("traces"))  # type: ignore[arg-type]
        return [record for reading in readings for record in reading.records]


def by_grpc(bridge: Bridge, request: Message) -> int | str:
    return send_grpc(bridge.grpc, request).status


def by_http(bridge: Bridge, request: Message) -> int | str:
    return send_http(bridge.http, request).status


def by_json(bridge: Bridge, request: Message) -> int | str:
    signal, _ = SIGNALS[type(request)]
    call = Request(f"{bridge.http}/v1/{signal}", json.dumps(as_json(request)).encode(), {"content-type": JSON})
    with urlopen(call, timeout=30) as reply:
        return int(reply.status)


JSON = "application/json"
SENDERS = {"grpc": by_grpc, "protobuf": by_http, "json": by_json}


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


class Bridge:
    """A running `up`, under a service name of its own where one is given."""

    def __init__(self, stack: Stack, folder: Path, service: str | None = None) -> None:
        self.projects = folder / "client" / "projects"
        self.projects.mkdir(parents=True)
        grpc_port, http_port, own_port = free_port(), free_port(), free_port()
        self.grpc, self.http = f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}"
        options = ["--grpc", self.grpc, "--http", f"127.0.0.1:{http_port}", "--listen", f"127.0.0.1:{own_port}"]
        command = [sys.executable, "-m", "otel_bridge", "up", *options, "--endpoint", stack.collector_http]
        environment = environment_of(self.projects.parent, folder / "data")
        if service is not None:
            environment["OTEL_SERVICE_NAME"] = service
        self.server = Server("up", command, folder, f"http://127.0.0.1:{own_port}/healthz", environment)
