"""How many spans per second and per CPU second go from ``Span`` objects to acknowledged bytes.

    python bench/send_spans.py [--spans 50000] [--rounds 3]

The receiver is another process on loopback that acknowledges without decoding. The baseline fills the official
protobuf messages and sends them through the same transport.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_bridge.sinks.open import open_otlp_sink
from otel_bridge.sinks.otlp.answers import Accepted
from otel_bridge.sinks.otlp.config import OtlpConfig, otlp_config
from otel_bridge.sinks.otlp.transport import open_transport
from otel_bridge.telemetry import Batch, Resource, Scope, Signal, Span, SpanKind

T0_NS = 1_763_000_000_000_000_000
SCOPE = Scope("otel_bridge", "bench")
RESOURCE = Resource((("deployment.environment.name", "local"), ("host.name", "h"), ("service.name", "claude-code")))
BATCH = 500


def digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def make_span(number: int) -> Span:
    """Build a span like those of a model call: 20 attributes, two of them unique texts."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-4-5-20250929",
        "gen_ai.response.model": "claude-sonnet-4-5-20250929",
        "gen_ai.response.id": f"msg_01{digest(f'message {number}', 11).hex()}",
        "gen_ai.response.finish_reasons": ("tool_call",) if number % 3 else ("stop",),
        "gen_ai.conversation.id": digest(f"session {number // 200}", 16).hex(),
        "session.id": digest(f"session {number // 200}", 16).hex(),
        "gen_ai.usage.input_tokens": 100_000 + number,
        "gen_ai.usage.output_tokens": number % 3000,
        "gen_ai.usage.cache_read.input_tokens": 99_000 + number,
        "gen_ai.usage.cache_write.input_tokens": number % 5000,
        "coding_agent.cost.amount": 0.0123 + number * 1e-6,
        "coding_agent.cost.currency": "USD",
        "coding_agent.cost.source": "computed",
        "coding_agent.request.id": f"req_01{digest(f'request {number}', 11).hex()}",
        "coding_agent.turn.index": number // 20 % 40,
        "coding_agent.turn.key": digest(f"turn {number // 20}", 16).hex(),
        "coding_agent.usage.output_is_lower_bound": False,
        "vcs.ref.head.name": "feat/otlp-export",
    }
    start_ns = T0_NS + number * 2_345_678_901
    return Span(
        trace_id=digest(f"trace {number // 20}", 16),
        span_id=digest(f"span {number}", 8),
        parent_id=digest(f"span {number - number % 20}", 8) if number % 20 else b"",
        name="chat claude-sonnet-4-5-20250929",
        kind=SpanKind.CLIENT,
        start_ns=start_ns,
        end_ns=start_ns + 1_234_567_890,
        attributes=attributes,
    )


def send_ours(config: OtlpConfig, spans: list[Span]) -> None:
    sink = open_otlp_sink([config], scope=SCOPE)
    for start in range(0, len(spans), BATCH):
        sink.send(Batch(Signal.TRACES, RESOURCE, spans[start : start + BATCH]))
    delivery = sink.close()
    assert delivery.is_complete, delivery


def send_official(config: OtlpConfig, spans: list[Span]) -> None:
    def value(of: Any) -> AnyValue:
        if isinstance(of, tuple):
            official = AnyValue()
            official.array_value.values.extend(map(value, of))
            return official
        kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
        return AnyValue(**{kinds[type(of)]: of})

    transport = open_transport(config, "application/x-protobuf", 1)
    for start in range(0, len(spans), 2048):
        request = ExportTraceServiceRequest()
        entry = request.resource_spans.add()
        entry.resource.attributes.extend(KeyValue(key=key, value=value(of)) for key, of in RESOURCE.attributes)
        sent = entry.scope_spans.add().spans
        for span in spans[start : start + 2048]:
            sent.add(
                trace_id=span.trace_id,
                span_id=span.span_id,
                parent_span_id=span.parent_id,
                name=span.name,
                kind=span.kind,
                start_time_unix_nano=span.start_ns,
                end_time_unix_nano=span.end_ns,
                attributes=[KeyValue(key=key, value=value(of)) for key, of in span.attributes.items()],
            )
        assert transport.send(request.SerializeToString()) == Accepted()
    transport.close()


Send = Callable[[OtlpConfig, list[Span]], None]


class Speed(NamedTuple):
    per_second: float
    per_cpu_second: float


def measure(
    send: Callable[[OtlpConfig, list[Span]], None], config: OtlpConfig, spans: list[Span], rounds: int
) -> Speed:
    """Return the best round."""
    speeds = []
    for _ in range(rounds):
        cpu, wall = _cpu_s(), time.perf_counter()
        send(config, spans)
        cpu, wall = _cpu_s() - cpu, time.perf_counter() - wall
        speeds.append(Speed(len(spans) / wall, len(spans) / cpu))
    return max(speeds, key=lambda speed: speed.per_cpu_second)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def receiver(kind: str) -> Iterator[str]:
    """Run a receiver in another process; its endpoint."""
    process = subprocess.Popen([sys.executable, __file__, "--receive", kind], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.communicate()


class Acknowledging(asyncio.Protocol):
    """Just enough HTTP to answer 200 to each request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._head = b""
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if not self._left:
            head, found, body = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                self._head = head
                return
            self._head = b""
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._left = int(length or b"0")  # a GET has none
            data = body
        self._left -= len(data)
        if not self._left:
            self.answer()

    def answer(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def receive_http() -> None:
    server = await asyncio.get_running_loop().create_server(Acknowledging, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def receive_grpc() -> None:
    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _call: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--receive", choices=("http", "grpc"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        receive_grpc() if options.receive == "grpc" else asyncio.run(receive_http())
        return
    spans = [make_span(number) for number in range(options.spans)]
    ways = [("official messages", send_official, "http/protobuf", "gzip")]
    ways += [("ours", send_ours, *way) for way in product(("http/protobuf", "http/json", "grpc"), ("gzip", "none"))]
    print(f"{'path':<42}{'spans/s':>10}{'per CPU s':>12}{'ratio':>8}")
    baseline = 0.0
    with receiver("http") as http, receiver("grpc") as grpc_:
        use_one_core()
        for name, send, protocol, compression in ways:
            env = {"OTEL_EXPORTER_OTLP_COMPRESSION": compression}
            endpoint = grpc_ if protocol == "grpc" else http
            config = otlp_config(env, Signal.TRACES, endpoint=endpoint, protocol=protocol)
            speed = measure(send, config, spans, options.rounds)
            baseline = baseline or speed.per_cpu_second
            path, ratio = f"{name}, {protocol}, {compression}", speed.per_cpu_second / baseline
            print(f"{path:<42}{speed.per_second:>10,.0f}{speed.per_cpu_second:>12,.0f}{ratio:>7.1f}×", flush=True)


def use_one_core() -> None:
    """Keep to one core where that can be asked for: two busy neighbours slow each other down."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main()
