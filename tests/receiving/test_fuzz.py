"""Whatever comes in is taken or refused, and nothing of it stays: no crash, no growth.

The cases are requests of all kinds, broken at random; a seed makes each run the same.
"""

from __future__ import annotations

import gc
import gzip
import random
import re
import socket
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import zstandard

from otel_bridge.receiving.answers import Fault, Refusal
from otel_bridge.receiving.budget import Budget
from otel_bridge.receiving.counters import Counters
from otel_bridge.receiving.desk import Arrived, Desk
from otel_bridge.receiving.intake import Taken
from otel_bridge.receiving.json_lines import JsonWriter
from otel_bridge.receiving.limits import Limits
from otel_bridge.receiving.signals import WIRES, Wire
from otel_bridge.telemetry import Signal
from tests.receiving.listening import listening
from tests.receiving.samples import JSON, PROTOBUF, body, nested, request

CASES = 200_000
SOCKET_CASES = 3_000
MOST_GROWTH_MIB = 24
LIMITS = Limits(message_bytes=200_000, parts=500, attributes=20)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": lambda content: gzip.compress(content, 1),
    "deflate": lambda content: zlib.compress(content, 1),
    "zstd": lambda content: zstandard.compress(content, 1),
    "br": bytes,
}
EXPECTED = {Fault.BAD_DATA, Fault.TOO_LARGE, Fault.UNSUPPORTED}


class Cases:
    """Makes broken requests: content, encoding, and whether it is JSON."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        protobuf = [body(signal, count) for signal in Signal for count in (0, 1, 3)]
        as_json = [JsonWriter().line(request(signal, count)) for signal in Signal for count in (0, 1, 3)]
        odd = [nested(46), nested(49), b"\x0a\x00" * 600, b"[" * 2000, b'{"resourceSpans":[' + b"{}," * 600 + b"{}]}"]
        self._seeds = [
            *((content, False) for content in (*protobuf, *odd)),
            *((text, True) for text in (*as_json, *odd)),
        ]
        self._bombs = {name: pack(bytes(1 << 20)) for name, pack in PACKERS.items() if name not in ("", "br")}

    def next(self) -> tuple[bytes, str, bool]:
        """Return one: most are broken in a few places, some are packed, some of these broken again."""
        chance = self._random.random
        if chance() < 0.002:
            encoding = self._random.choice(list(self._bombs))
            return self._bombs[encoding], encoding, chance() < 0.5
        content, is_json = self._random.choice(self._seeds)
        if chance() < 0.05:
            is_json = not is_json
        for _ in range(self._random.randrange(4)):
            content = self._broken(content)
        encoding = self._random.choice(list(PACKERS)) if chance() < 0.25 else ""
        packed = PACKERS[encoding](content)
        return (self._broken(packed) if encoding and chance() < 0.3 else packed), encoding, is_json

    def _broken(self, content: bytes) -> bytes:
        at = self._random.randrange(len(content) + 1)
        to = min(at + self._random.randrange(1, 40), len(content))
        match self._random.randrange(6):
            case 0:
                return content[:at]
            case 1:
                return content[:at] + content[to:]
            case 2:
                return content[:at] + self._random.randbytes(to - at) + content[to:]
            case 3:
                return content[:to] + content[at:]
            case 4 if content:
                at = self._random.randrange(len(content))
                return content[:at] + bytes((content[at] ^ 1 << self._random.randrange(8),)) + content[at + 1 :]
            case _:
                return content[:at] + self._random.choice((b"\xff" * 9, b"\x00", b'"', b"{", b"[", b"-", b"\xed\xa0"))


def rss_mib() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("memory is read where Linux shows it")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text(encoding="utf-8"))
    assert found
    return int(found[1]) / 1024


def work_off(cases: Cases, count: int, seen: Counter[str]) -> None:
    """Have a desk take so many cases; count what became of them."""
    counters = Counters()
    desk = Desk(lambda export: Taken() if export.message else Taken(1), LIMITS, counters, time.monotonic)
    budget = Budget(LIMITS.held_bytes, 1)
    wires: list[Wire] = list(WIRES.values())
    for number in range(count):
        content, encoding, is_json = cases.next()
        hold = budget.hold()
        assert hold
        answer = desk.answer(Arrived(wires[number % 3], content, hold, time.monotonic(), encoding, is_json))
        hold.release()
        if isinstance(answer, Refusal):
            assert answer.fault in EXPECTED, (content, encoding, answer)
            assert len(answer.reason) < 400
        seen[answer.fault.word if isinstance(answer, Refusal) else "taken"] += 1
    tally = counters.tally()
    assert sum(tally.requests.values()) + sum(tally.refused.values()) == count
    assert budget.left_bytes == LIMITS.held_bytes


def test_broken_requests_are_taken_or_refused() -> None:
    """A thousand of them, of all kinds."""
    seen: Counter[str] = Counter()
    work_off(Cases(1), 1_000, seen)
    assert set(seen) == {"taken", "bad_data", "too_large", "unsupported"}


@pytest.mark.slow
def test_broken_requests_leave_nothing_behind() -> None:
    """Two hundred thousand: every one has an answer, and memory is what it was after the first tenth."""
    cases, seen = Cases(2), Counter[str]()
    work_off(cases, CASES // 10, seen)
    gc.collect()
    before = rss_mib()
    work_off(cases, CASES - CASES // 10, seen)
    gc.collect()
    assert sum(seen.values()) == CASES
    assert min(seen["taken"], seen["bad_data"], seen["too_large"], seen["unsupported"]) > 100
    assert rss_mib() - before < MOST_GROWTH_MIB


@pytest.mark.slow
def test_broken_requests_over_sockets_leave_nothing_behind() -> None:
    """Whole HTTP requests, broken too, and gRPC messages: the receiver answers those that come after them."""
    cases, chance = Cases(3), random.Random(3)
    with listening(message_bytes=200_000, body_within_s=0.5, head_within_s=0.5) as running:
        channel = grpc.insecure_channel(running.grpc_target)
        before = 0.0
        for number in range(SOCKET_CASES):
            if number == SOCKET_CASES // 10:
                gc.collect()
                before = rss_mib()
            content, encoding, is_json = cases.next()
            if number % 3 == 0:
                wire = WIRES[chance.choice(list(Signal))]
                outcome = channel.unary_unary(wire.method).future(content, timeout=10)
                assert outcome.exception() is None or outcome.code() in _GRPC_CODES, outcome
            else:
                _send_raw(running.http_port, _http(content, encoding, is_json=is_json, chance=chance))
            running.intake.exports.clear()
        channel.close()
        gc.collect()
        assert rss_mib() - before < MOST_GROWTH_MIB
        assert running.post(body()).status == 200


_GRPC_CODES = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


def _http(content: bytes, encoding: str, *, is_json: bool, chance: random.Random) -> bytes:
    """Return an HTTP request, its head broken now and then."""
    media_type = JSON if is_json else PROTOBUF
    head = f"POST /v1/{chance.choice(list(Signal))} HTTP/1.1\r\nhost: x\r\ncontent-type: {media_type}\r\n".encode()
    if encoding:
        head += f"content-encoding: {encoding}\r\n".encode()
    if chance.random() < 0.3:
        head += b"transfer-encoding: chunked\r\n\r\n"
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    else:
        head += b"content-length: %d\r\n\r\n" % len(content)
        framed = content
    if chance.random() < 0.2:
        at = chance.randrange(len(head))
        head = head[:at] + chance.randbytes(chance.randrange(4)) + head[at + chance.randrange(3) :]
    return head + framed


def _send_raw(port: int, data: bytes) -> None:
    """Send it and leave when there is an answer, or after a moment: what matters is what comes after."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as client:
        try:
            client.sendall(data)
            client.recv(4096)
        except OSError:
            pass
