"""Between two real collectors, `receive` is not to be noticed: what goes in at one end comes out at the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from otel_bridge.telemetry import Signal
from tests.cli.receiving import receive
from tests.otlp_server import REQUESTS, from_json
from tests.receiving.samples import request
from tests.stack.built import built
from tests.stack.otlp import send_http
from tools.stack.configured import local
from tools.stack.servers import Server, free_port
from tools.stack.stores import eventually

ROOTS = {"resourceSpans": Signal.TRACES, "resourceLogs": Signal.LOGS, "resourceMetrics": Signal.METRICS}
TRY_AGAIN = {"retry_on_failure": {"initial_interval": "200ms", "max_interval": "500ms"}}
WITHIN_S = 30


def without_empty(message: Any) -> Any:
    """Return a message without empty messages in it that say nothing: collectors write some."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for each in value if field.is_repeated else [value]:
            without_empty(each)
        if not (field.is_repeated or field.containing_oneof or value.ListFields()):
            message.ClearField(field.name)
    return message


SENT = {signal: without_empty(request(signal, 5)) for signal in Signal}


class Collector:
    """A collector that listens on loopback and has one exporter for all signals."""

    def __init__(self, name: str, folder: Path, exporter: dict[str, Any]) -> None:
        health, http, self.grpc = (local(free_port()) for _ in range(3))
        self.http = f"http://{http}"
        pipeline = {"receivers": ["otlp"], "exporters": list(exporter)}
        config = {
            "extensions": {"health_check": {"endpoint": health}},
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": http}, "grpc": {"endpoint": self.grpc}}}},
            "exporters": exporter,
            "service": {
                "extensions": ["health_check"],
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": dict.fromkeys(map(str, Signal), pipeline),
            },
        }
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        command = [str(built("otelcol")), f"--config={folder / 'config.yaml'}"]
        self.server = Server(name, command, folder, f"http://{health}/")


class Written:
    """A collector that writes what it gets to a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "out.jsonl"
        self.collector = Collector("last", folder, {"file": {"path": str(self._file), "flush_interval": "100ms"}})

    def found(self) -> dict[Signal, Any]:
        """Return what it has by signal, requests of a signal merged."""
        merged = {signal: REQUESTS[signal]() for signal in Signal}
        written = self._file.read_text(encoding="utf-8") if self._file.exists() else ""
        for line in written.splitlines()[: written.count("\n")]:
            document = json.loads(line)
            signal = ROOTS[next(iter(document))]
            merged[signal].MergeFrom(from_json(signal, document))
        return {signal: without_empty(message) for signal, message in merged.items()}


@contextmanager
def running(*collectors: Collector) -> Iterator[None]:
    try:
        for collector in collectors:
            collector.server.start()
        yield
    finally:
        for collector in collectors:
            collector.server.stop()


def exporter_to(protocol: str, grpc: str, http: str, **more: Any) -> dict[str, Any]:
    """Return the collector's exporter for a protocol of ours, written as its users write it."""
    if protocol == "grpc":
        return {"otlp_grpc": {"endpoint": grpc, "tls": {"insecure": True}, **more}}
    return {"otlp_http": {"endpoint": http, "encoding": "json" if protocol == "http/json" else "proto", **more}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way_in", "compression", "way_out"),
    [
        ("grpc", "gzip", "grpc"),
        ("grpc", "none", "http/json"),
        ("http/protobuf", "gzip", "http/protobuf"),
        ("http/protobuf", "zstd", "grpc"),
        ("http/protobuf", "deflate", "http/protobuf"),
        ("http/json", "gzip", "http/json"),
        ("http/json", "none", "http/protobuf"),
    ],
)
def test_what_goes_in_comes_out(tmp_path: Path, way_in: str, compression: str, way_out: str) -> None:
    """All signals, in every encoding and packing that the collector has and we take: equal to the last field."""
    last = Written(tmp_path / "last")
    with running(last.collector):
        endpoint = last.collector.grpc if way_out == "grpc" else last.collector.http
        insecure = {"OTEL_EXPORTER_OTLP_INSECURE": "true"}
        with receive(tmp_path, "--endpoint", endpoint, "--protocol", way_out, **insecure) as bridge:
            exporter = exporter_to(way_in, bridge.grpc, bridge.http, compression=compression, **TRY_AGAIN)
            first = Collector("first", tmp_path / "first", exporter)
            with running(first):
                for message in SENT.values():
                    send(first, message)
                assert eventually(last.found, lambda found: found == SENT, WITHIN_S) == SENT
            assert bridge.end() == "took 5 items of traces, 5 items of logs, 5 items of metrics\n"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["grpc", "http/protobuf"])
def test_a_collector_sends_again_what_nobody_took(tmp_path: Path, way: str) -> None:
    """While the last one is away the first one hears so, and nothing is lost or there twice when it is back."""
    last = Written(tmp_path / "last")
    endpoint = last.collector.grpc if way == "grpc" else last.collector.http
    insecure = {"OTEL_EXPORTER_OTLP_INSECURE": "true"}
    with receive(tmp_path, "--endpoint", endpoint, "--protocol", way, **insecure) as bridge:
        first = Collector("first", tmp_path / "first", exporter_to(way, bridge.grpc, bridge.http, **TRY_AGAIN))
        with running(first):
            for message in SENT.values():
                send(first, message)
            log = first.server.log
            waits = "Will retry the request after interval"
            assert waits in eventually(lambda: log.read_text(encoding="utf-8"), lambda text: waits in text, WITHIN_S)
            with running(last.collector):
                assert eventually(last.found, lambda found: found == SENT, WITHIN_S) == SENT
        assert re_sent(bridge.end())


def test_what_is_written_to_a_file_is_the_collectors_format(tmp_path: Path) -> None:
    """The same requests through a collector's file exporter give the same JSON, key by key."""
    last = Written(tmp_path / "last")
    ours = tmp_path / "ours.jsonl"
    with running(last.collector), receive(tmp_path, "--to-file", ours) as bridge:
        for message in SENT.values():
            send(last.collector, message)
            assert send_signal(bridge.http, message) == 200
        assert eventually(last.found, lambda found: found == SENT, WITHIN_S) == SENT
    theirs = (tmp_path / "last" / "out.jsonl").read_text(encoding="utf-8").splitlines()
    for line in ours.read_text(encoding="utf-8").splitlines():
        document = json.loads(line)
        signal = ROOTS[next(iter(document))]
        (other,) = (json.loads(each) for each in theirs if next(iter(json.loads(each))) == next(iter(document)))
        assert without_empty(from_json(signal, document)) == SENT[signal]
        assert without_empty(from_json(signal, other)) == SENT[signal]


def send(collector: Collector, message: Any) -> None:
    assert send_signal(collector.http, message) == 200


def send_signal(base: str, message: Any) -> int | str:
    return send_http(base, message).status


def re_sent(last_words: str) -> bool:
    return last_words.startswith("took 5 items of") and "! requests to be sent again: " in last_words
