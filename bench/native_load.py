"""How much of Claude Code's own telemetry one `otel-bridge receive` process converts, and how long clients wait.

    python -m bench.native_load [--seconds 60] [--sessions 1000] [--spans-per-second 12000] [--with-events]

Recorded turns, each under new ids and at new times, from so many clients at a time, each over a connection of its own.
A request is acknowledged when it is on the disk; the next hop is another process that acknowledges without decoding.
The process has a core of its own where there are two. Printed every ten seconds: what was acknowledged, what clients
waited, how many spans and events left it, how many sessions wait for their rows, its memory and its processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.receiver_load import CORES, Process, Result, leave_a_core, next_hop, timed
from otel_bridge.store.database import FILE_NAME
from tests.native import log_requests, trace_requests

RUN = "2.1.329/turns"
PROTOBUF = "application/x-protobuf"
PART_S = 10.0
_FIXED = struct.Struct("<Q")
_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:req|toolu|msg)_[0-9A-Za-z_]{12,}|a[0-9a-f]{16}")


class Template:
    """A serialized request, and where its times and ids stand: making another one of it must cost next to nothing."""

    def __init__(self, message: Any, ended_ns: int, ids: re.Pattern[bytes]) -> None:
        self._body = message.SerializeToString()
        self._ids = [(found.start(), found[0]) for found in ids.finditer(self._body)]
        times = b"|".join(re.escape(_FIXED.pack(at_ns)) for at_ns in times_of(message))
        found_times = re.finditer(times, self._body, re.DOTALL)
        self._times = [(found.start(), _FIXED.unpack(found[0])[0] - ended_ns) for found in found_times]

    def filled(self, ended_ns: int, renamed: Callable[[bytes], bytes]) -> bytes:
        """Return the request of a turn that ended then, with its ids renamed."""
        body, names = bytearray(self._body), dict[bytes, bytes]()
        for at, before_ns in self._times:
            _FIXED.pack_into(body, at, ended_ns + before_ns)
        for at, name in self._ids:
            new = names.get(name) or names.setdefault(name, renamed(name))
            body[at : at + len(name)] = new
        return bytes(body)


class Turn:
    """A recorded turn that can be had again and again, as another one."""

    def __init__(self, *, with_events: bool) -> None:
        (spans, *_) = trace_requests(RUN)
        requests: list[tuple[str, Any]] = [("traces", spans)]
        (root,) = [span for span in spans_of(spans) if not span.parent_span_id]
        if with_events:
            requests.insert(0, ("logs", events_between(root.start_time_unix_nano, root.end_time_unix_nano)))
        self.spans = sum(1 for _ in spans_of(spans))
        self._raw_ids = {root.trace_id} | {span.span_id for span in spans_of(spans)}
        texts = (pair.value.string_value for _, message in requests for pair in attributes_of(message))
        found = {text.encode() for text in texts if _ID.fullmatch(text)}
        (self._session,) = {pair.value.string_value.encode() for pair in root.attributes if pair.key == "session.id"}
        ids = self._raw_ids | found | {raw.hex().encode() for raw in self._raw_ids}
        pattern = re.compile(b"|".join(map(re.escape, sorted(ids, key=len, reverse=True))))
        ended_ns = root.end_time_unix_nano
        self._templates = [(name, Template(message, ended_ns, pattern)) for name, message in requests]

    def requests(self, session: int) -> Iterator[tuple[str, bytes]]:
        """Yield the requests of a new turn of a session that ends now, by signal."""
        now_ns, salt = time.time_ns(), random.randbytes(16)
        for name, template in self._templates:
            yield name, template.filled(now_ns, partial(self._renamed, session, salt))

    def _renamed(self, session: int, salt: bytes, old: bytes) -> bytes:
        if old == self._session:
            return f"{session:08x}".encode() + old[8:]
        if old in self._raw_ids:
            return bytes(one ^ other for one, other in zip(old, salt, strict=False))
        digest = blake2b(old, key=salt).hexdigest()
        return "".join(
            digest[at] if letter in "0123456789abcdef" else letter for at, letter in enumerate(old.decode())
        ).encode()


def spans_of(message: Any) -> Iterator[Any]:
    return (span for group in message.resource_spans for scope in group.scope_spans for span in scope.spans)


def records_of(message: Any) -> Iterator[Any]:
    return (record for group in message.resource_logs for scope in group.scope_logs for record in scope.log_records)


def attributes_of(message: Any) -> Iterator[Any]:
    items = spans_of(message) if hasattr(message, "resource_spans") else records_of(message)
    return (pair for item in items for pair in item.attributes)


def events_between(start_ns: int, end_ns: int) -> Any:
    """Return the recorded events of so long as one request."""
    requests = list(log_requests(RUN))
    whole = requests[0]
    for request in requests[1:]:
        whole.MergeFrom(request)
    for group in whole.resource_logs:
        for scope in group.scope_logs:
            kept = [record for record in scope.log_records if start_ns <= record.time_unix_nano <= end_ns]
            del scope.log_records[:]
            scope.log_records.extend(kept)
    return whole


def times_of(message: Any) -> set[int]:
    """Return all times of a request."""
    if hasattr(message, "resource_logs"):
        return {at for record in records_of(message) for at in (record.time_unix_nano, record.observed_time_unix_nano)}
    spans = list(spans_of(message))
    ends = {at for span in spans for at in (span.start_time_unix_nano, span.end_time_unix_nano)}
    return ends | {event.time_unix_nano for span in spans for event in span.events}


class Connection:
    """A connection over which requests are posted; opened anew where the other end closed it for being idle."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, name: str, body: bytes) -> int:
        """Return the status of the answer."""
        head = f"POST /v1/{name} HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {len(body)}\r\n\r\n"
        while True:
            reader, writer = self._streams = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(head.encode() + body)
            try:
                answer = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                self._streams = None
                continue
            length = re.search(rb"content-length: (\d+)", answer)
            assert length
            await reader.readexactly(int(length[1]))
            return int(answer[9:12])


class Pace(NamedTuple):
    first_s: float
    every_s: float
    until_s: float


async def client(number: int, to: Connection, turn: Turn, pace: Pace, result: Result) -> None:
    """Send a turn every so often; what is to be sent again is, a second later."""
    at_s = pace.first_s
    while at_s < pace.until_s:
        await asyncio.sleep(max(0.0, at_s - time.perf_counter()))
        for name, body in turn.requests(number):
            while await timed(partial(to.post, name, body), result) != 200 and time.perf_counter() < pace.until_s:
                await asyncio.sleep(1)
        at_s += pace.every_s


async def load(options: argparse.Namespace, process: Process, port: int, index: Path) -> None:
    turn = Turn(with_events=options.with_events)
    every_s = turn.spans * options.sessions / options.spans_per_second
    connections = [Connection(port) for _ in range(options.sessions)]
    started_s = time.perf_counter()
    until_s = started_s + options.seconds
    result = Result([], Counter())
    clients = [
        asyncio.create_task(
            client(number, to, turn, Pace(started_s + every_s * number / options.sessions, every_s, until_s), result)
        )
        for number, to in enumerate(connections)
    ]
    per_turn = 1 + options.with_events
    print(
        f"{'s':>4}{'spans/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'spans sent':>12}{'wait':>7}{'MiB':>6}{'CPU':>6}  answers"
    )
    seen, cpu_s, looked_s = Counter[int](), process.cpu_s(), started_s
    while not all(task.done() for task in clients):
        await asyncio.wait(clients, timeout=PART_S)
        part_s, looked_s = time.perf_counter() - looked_s, time.perf_counter()
        waits = sorted(result.latencies_s) or [0.0]
        result.latencies_s.clear()
        taken = (result.answers[200] - seen[200]) * turn.spans / per_turn / part_s
        seen, before = Counter(result.answers), cpu_s
        cpu_s = process.cpu_s()
        sent, pending = state(index)
        print(
            f"{looked_s - started_s:>4.0f}{taken:>10,.0f}{waits[len(waits) // 2] * 1000:>9,.0f}"
            f"{waits[len(waits) * 99 // 100] * 1000:>9,.0f}{sent:>12,}{pending:>7,}{process.rss_mib():>6,.0f}"
            f"{(cpu_s - before) / part_s:>6.0%}  {dict(result.answers)}",
            flush=True,
        )
    await asyncio.gather(*clients)


def state(index: Path) -> tuple[int, int]:
    """Return how many spans and events were sent, and how many sessions wait to be settled."""
    with closing(sqlite3.connect(index, timeout=30)) as connection:
        sent = connection.execute("SELECT count(*) FROM sent").fetchone()[0]
        return sent, connection.execute("SELECT count(*) FROM unsettled").fetchone()[0]


@contextmanager
def receiver(endpoint: str, folder: str) -> Iterator[tuple[Process, int]]:
    """Run the command; yield it with its port of HTTP."""
    command = ["otel_bridge", "receive", "--grpc", "none", "--http", "127.0.0.1:0", "--endpoint", endpoint]
    env = os.environ | {"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_BRIDGE_DATA_DIR": folder}
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stderr
        found = re.search(r"http://[\d.]+:(\d+)", process.stderr.readline())
        assert found
        if CORES:
            os.sched_setaffinity(process.pid, {max(CORES)})
        yield Process(process), int(found[1])
        started_s = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        process.wait()
        print(f"ended {time.perf_counter() - started_s:.1f} s after it was asked to", said.splitlines()[-2:])
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--spans-per-second", type=int, default=12_000)
    parser.add_argument("--with-events", action="store_true", help="the events of each turn too, before its spans")
    options = parser.parse_args()
    leave_a_core()
    with (
        TemporaryDirectory() as folder,
        next_hop() as (endpoint, _),
        receiver(endpoint, folder) as (process, port),
    ):
        asyncio.run(load(options, process, port, Path(folder) / FILE_NAME))


if __name__ == "__main__":
    main()
