"""What is small to send and large to keep does not make the process large, nor deaf to others."""

from __future__ import annotations

import gzip
import http.client
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from otel_bridge.sinks.otlp.wire import delimited
from tests.cli.receiving import receive
from tests.receiving.samples import JSON, PROTOBUF, body

MIB = 1 << 20
MOST_MIB = 600
LEFT_MIB = 250
ANSWERED_WITHIN_S = 10
AT_ONCE = 4


def spans(count: int) -> bytes:
    """Return a request of empty spans: two bytes each."""
    return delimited(b"\x0a", delimited(b"\x12", b"\x12\x00" * count))


BODIES = [
    (b"\x0a\x00" * (9 * MIB), PROTOBUF, ""),
    (spans(9 * MIB), PROTOBUF, ""),
    (spans(490_000), PROTOBUF, ""),
    (gzip.compress(spans(15 * MIB)), PROTOBUF, "gzip"),
    (gzip.compress(bytes(512 * MIB), 1), PROTOBUF, "gzip"),
    (zstandard.compress(bytes(1024 * MIB)), PROTOBUF, "zstd"),
    (delimited(b"\x0a", delimited(b"\x12", delimited(b"\x12", b"\x1a\x01a" * (6 * MIB)))), PROTOBUF, ""),
    (b'{"resourceSpans":[' + b"{}," * (6 * MIB) + b"{}]}", JSON, ""),
    (b'{"resourceSpans":[' + b'{"a":1},' * 490_000 + b"{}]}", JSON, ""),
    (gzip.compress(b'{"x":[' + b"1.5," * (7 * MIB) + b"1]}"), JSON, "gzip"),
    (b'{"x":' + b"[" * (10 * MIB), JSON, ""),
    (bytes(30 * MIB), PROTOBUF, ""),
]


def post(address: str, content: bytes, media_type: str, encoding: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=120)
    headers = {"content-type": media_type} | ({"content-encoding": encoding} if encoding else {})
    try:
        connection.request("POST", "/v1/traces", content, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
def test_bombs_are_answered_and_forgotten(tmp_path: Path) -> None:
    """Several at a time, of every kind; in between, whoever sends ordinary things is taken."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read where Linux shows it")
    with receive(tmp_path, "--to-file", "/dev/null") as running, ThreadPoolExecutor(AT_ONCE) as senders:
        address = running.http.removeprefix("http://")
        status = Path("/proc") / str(running.process.pid) / "status"
        for content, media_type, encoding in BODIES:
            posts = [senders.submit(post, address, content, media_type, encoding) for _ in range(AT_ONCE)]
            started = time.monotonic()
            assert post(address, body(), PROTOBUF, "") in (200, 429)
            assert time.monotonic() - started < ANSWERED_WITHIN_S
            assert {each.result() for each in posts} <= {200, 400, 413, 429}
        assert post(address, body(), PROTOBUF, "") == 200
        peak, left = (int(found) // 1024 for found in re.findall(r"Vm(?:HWM|RSS):\s+(\d+)", status.read_text()))
        assert peak < MOST_MIB
        assert left < LEFT_MIB
        running.end()
