"""How many spans per second go through one `otel-bridge receive` process, how long each takes, and in how much memory.

    python -m bench.receiver_load [--seconds 10] [--sessions 1000] [--spans-per-second 12000]

The next hop is another process that acknowledges without decoding; both and the senders are on loopback. First each way
in as fast as it goes, then so many sessions that each send what they did every five seconds, then a next hop that is
too slow for that. Latency is what a sender waits for its answer. The process has a core of its own where there are two.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import grpc
from grpc import aio

from bench.send_spans import RESOURCE, SCOPE, Acknowledging, make_span
from otel_bridge.receiving.json_lines import JsonWriter
from otel_bridge.receiving.signals import WIRES
from otel_bridge.sinks.otlp.packing import DEFAULT_LIMITS, Packer
from otel_bridge.sinks.otlp.protobuf import ProtobufEncoder
from otel_bridge.telemetry import Batch, Signal

WIRE = WIRES[Signal.TRACES]
PROTOBUF = "application/x-protobuf"
EVERY_S = 5.0
FAST_SENDERS, FAST_SPANS = 16, 512
SLOW_ANSWERS_PER_S = 20
FIRST = 8
"""Requests that are not measured."""
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()


@cache
def request(spans: int) -> bytes:
    """Return a request of so many spans like those of model calls, a kilobyte each."""
    encoder = ProtobufEncoder(Signal.TRACES, SCOPE)
    packer = Packer(encoder, DEFAULT_LIMITS)
    packed = list(packer.add(Batch(Signal.TRACES, RESOURCE, [make_span(number) for number in range(spans)])))
    (last,) = [*packed, *packer.flush()]
    return encoder.request(last.groups)


class Process:
    """A running program: what it took of CPU and memory."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._proc = Path("/proc") / str(process.pid)

    def cpu_s(self) -> float:
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+)", (self._proc / "status").read_text())
        assert found
        return int(found[1]) / 1024


class Result(NamedTuple):
    """What senders saw."""

    latencies_s: list[float]
    answers: Counter[int]


Send = Callable[[], Coroutine[Any, Any, int]]
"""Sends one request and returns the status."""


async def http_sender(port: int, body: bytes, content_type: str, encoding: str) -> Send:
    """Open a connection of its own, as each session has one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Encoding: {encoding}\r\n\r\n" if encoding else "\r\n"

    async def send() -> int:
        writer.write(head.encode() + body)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        assert length
        await reader.readexactly(int(length[1]))
        return int(answer[9:12])

    return send


async def grpc_sender(port: int, body: bytes) -> Send:
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    call = aio.insecure_channel(f"127.0.0.1:{port}", own_connection).unary_unary(WIRE.method)

    async def send() -> int:
        try:
            await call(body, timeout=30)
        except aio.AioRpcError as error:
            return int(error.code().value[0])
        return 200

    return send


async def as_fast_as_it_goes(send: Send, until_s: float, result: Result) -> None:
    while time.perf_counter() < until_s:
        await timed(send, result)


async def every(send: Send, number: int, of: int, until_s: float, result: Result) -> None:
    """Send every few seconds, each sender at a time of its own."""
    at_s = time.perf_counter() + EVERY_S * number / of
    while at_s < until_s:
        await asyncio.sleep(max(0.0, at_s - time.perf_counter()))
        await timed(send, result)
        at_s += EVERY_S


async def timed(send: Send, result: Result) -> int:
    """Return the status of the answer."""
    started_s = time.perf_counter()
    status = await send()
    result.answers[status] += 1
    result.latencies_s.append(time.perf_counter() - started_s)
    return status


def report(name: str, result: Result, spans: int, took: tuple[float, float], rss: tuple[float, float]) -> None:
    wall_s, cpu_s = took
    latencies = sorted(result.latencies_s)
    taken = result.answers[200] * spans
    p50, p99 = latencies[len(latencies) // 2] * 1000, latencies[len(latencies) * 99 // 100] * 1000
    print(
        f"{name:<36}{taken / wall_s:>9,.0f}{taken / cpu_s if cpu_s else 0:>11,.0f}{p50:>9,.0f}{p99:>9,.0f}"
        f"{rss[0]:>8,.0f}{rss[1]:>7,.0f}  {dict(result.answers)}",
        flush=True,
    )


async def measure(
    name: str, process: Process, senders: list[Send], spans: int, seconds: float, *, is_paced: bool
) -> Result:
    result = Result([], Counter())
    for send in senders[:FIRST]:
        await send()  # what is made once is made
    cpu_s, started_s, rss = process.cpu_s(), time.perf_counter(), process.rss_mib()
    until_s = started_s + seconds
    if is_paced:
        work = [every(send, number, len(senders), until_s, result) for number, send in enumerate(senders)]
    else:
        work = [as_fast_as_it_goes(send, until_s, result) for send in senders]
    await asyncio.gather(*work)
    wall_s = time.perf_counter() - started_s
    report(name, result, spans, (wall_s, process.cpu_s() - cpu_s), (rss, process.rss_mib()))
    return result


@contextmanager
def next_hop(answers_per_s: float = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "bench.receiver_load", "--next-hop", str(answers_per_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}", process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def receiver(endpoint: str) -> Iterator[tuple[Process, int, int]]:
    """Run the command; yield it with its ports of gRPC and HTTP."""
    ports = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    command = [sys.executable, "-m", "otel_bridge", "receive", *ports, "--endpoint", endpoint]
    with TemporaryDirectory() as folder:
        env = os.environ | {"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_BRIDGE_DATA_DIR": folder}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        try:
            assert process.stderr
            found = re.search(r"gRPC at [\d.]+:(\d+) .*http://[\d.]+:(\d+)", process.stderr.readline())
            assert found
            if CORES:
                os.sched_setaffinity(process.pid, {max(CORES)})
            yield Process(process), int(found[1]), int(found[2])
        finally:
            process.terminate()
            process.communicate()


class _NextHop(Acknowledging):
    """Counts what it answers, and does that at a limited rate where there is one."""

    answers_per_s = 0.0
    free_at_s = 0.0
    taken = 0

    def answer(self) -> None:
        loop, kind = asyncio.get_running_loop(), type(self)
        if not kind.answers_per_s:
            self._answer()
            return
        kind.free_at_s = max(kind.free_at_s, loop.time()) + 1 / kind.answers_per_s
        loop.call_at(kind.free_at_s, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            type(self).taken += 1
            super().answer()


async def serve_next_hop(answers_per_s: float) -> None:
    _NextHop.answers_per_s = answers_per_s
    server = await asyncio.get_running_loop().create_server(_NextHop, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(_NextHop.taken, flush=True)


async def fast(options: argparse.Namespace) -> None:
    body = request(FAST_SPANS)
    as_json = JsonWriter().line(WIRE.decode(body))
    with next_hop() as (endpoint, _), receiver(endpoint) as (process, grpc_port, http_port):
        ways: list[tuple[str, Callable[[], Coroutine[Any, Any, Send]]]] = [
            ("http/protobuf", lambda: http_sender(http_port, body, PROTOBUF, "")),
            ("http/protobuf, gzip", lambda: http_sender(http_port, gzip.compress(body, 1), PROTOBUF, "gzip")),
            ("grpc", lambda: grpc_sender(grpc_port, body)),
            ("http/json", lambda: http_sender(http_port, as_json, "application/json", "")),
        ]
        for name, open_sender in ways:
            senders = [await open_sender() for _ in range(FAST_SENDERS)]
            await measure(name, process, senders, FAST_SPANS, options.seconds, is_paced=False)


async def sessions(options: argparse.Namespace) -> None:
    spans = max(1, round(options.spans_per_second * EVERY_S / options.sessions))
    for way in ("http/protobuf", "grpc"):
        with next_hop() as (endpoint, _), receiver(endpoint) as (process, grpc_port, http_port):
            if way == "grpc":
                opening = [grpc_sender(grpc_port, request(spans)) for _ in range(options.sessions)]
            else:
                opening = [http_sender(http_port, request(spans), PROTOBUF, "") for _ in range(options.sessions)]
            senders = [await each for each in opening]
            for part in (1, 2):
                name = f"{options.sessions:,} sessions, {way}, part {part}"
                await measure(name, process, senders, spans, options.seconds, is_paced=True)


async def overload(options: argparse.Namespace) -> None:
    spans = max(1, round(options.spans_per_second * EVERY_S / options.sessions))
    with next_hop(SLOW_ANSWERS_PER_S) as (endpoint, hop), receiver(endpoint) as (process, _, port):
        senders = [await http_sender(port, request(spans), PROTOBUF, "") for _ in range(options.sessions)]
        before = taken_by(hop)
        name = f"next hop takes {SLOW_ANSWERS_PER_S} requests/s"
        result = await measure(name, process, senders, spans, options.seconds, is_paced=True)
        taken = taken_by(hop) - before
    print(f"acknowledged {result.answers[200] + FIRST:,} requests; the next hop took {taken:,}")


def taken_by(hop: subprocess.Popen[str]) -> int:
    """Ask a next hop how many requests it has answered."""
    assert hop.stdin
    assert hop.stdout
    hop.stdin.write("\n")
    hop.stdin.flush()
    return int(hop.stdout.readline())


def leave_a_core() -> None:
    """Keep off the core of the receiver, where there is another."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, CORES - {max(CORES)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--spans-per-second", type=int, default=12_000)
    parser.add_argument("--next-hop", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.next_hop is not None:
        asyncio.run(serve_next_hop(options.next_hop))
        return
    leave_a_core()
    grpc.aio.init_grpc_aio()
    print(f"{'way in':<36}{'spans/s':>9}{'per CPU s':>11}{'p50 ms':>9}{'p99 ms':>9}{'MiB at':>8}{'end':>7}  answers")
    for part in (fast, sessions, overload):
        asyncio.run(part(options))


if __name__ == "__main__":
    main()
