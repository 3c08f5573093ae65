"""What the collector thanked for is not lost: when it is killed, when its disk is full, when a store is away."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping

import pytest

from tests.stack.conftest import NewStack
from tests.stack.otlp import SYNC, Answer, send_grpc, send_http, spans
from tools.stack.servers import Server
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

SPANS = 100
MIB = 1024 * 1024


def send(stack: Stack, key: int, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one trace, every other over gRPC."""
    request = spans("crash", time.time() - 86_400, SPANS, {"text": "x" * 200}, key=str(key))
    if key % 2:
        return send_grpc(stack.collector_grpc, request, headers)
    return send_http(stack.collector_http, request, headers)


def missing(stack: Stack, keys: set[int]) -> set[int]:
    """Return the traces of which the store lacks spans."""
    ids = {key: spans("crash", 0, 1, key=str(key)).resource_spans[0].scope_spans[0].spans[0].trace_id for key in keys}
    return {key for key, trace_id in ids.items() if len(stack.trace_store.trace(trace_id.hex())) != SPANS}


def limit_files(server: Server, most_bytes: int) -> None:
    """Let a server write no file larger than that: it meets the end of its disk."""
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most_bytes, hard))


def test_a_killed_collector_delivers_what_it_thanked_for(new_stack: NewStack) -> None:
    """While the store was away, between two kills, and after."""
    stack = new_stack()
    stack.servers["trace_store"].stop()
    taken = set()
    for key in range(60):
        if key in {20, 40}:
            stack.servers["collector"].kill()
            stack.servers["collector"].start()
        if send(stack, key).status in {200, "OK"}:
            taken.add(key)
    stack.servers["collector"].kill()
    stack.servers["trace_store"].start()
    stack.servers["collector"].start()
    assert taken == set(range(60))
    assert eventually(lambda: missing(stack, taken), lambda keys: not keys) == set()


def test_a_full_disk_refuses_and_goes_on(new_stack: NewStack) -> None:
    """Senders are asked to come back, nothing crashes, and with room again all is as before."""
    stack = new_stack()
    collector = stack.servers["collector"]
    stack.servers["trace_store"].stop()
    limit_files(collector, 2 * MIB)
    answers = [send(stack, key).status for key in range(150)]
    assert set(answers) == {200, "OK", 503, "UNAVAILABLE"}
    limit_files(collector, 1024 * MIB)
    after = set(range(200, 210))
    assert {send(stack, key).status for key in after} == {200, "OK"}
    stack.servers["trace_store"].start()
    assert eventually(lambda: missing(stack, after), lambda keys: not keys) == set()


def test_a_full_disk_does_not_concern_who_waits_for_the_answer(new_stack: NewStack) -> None:
    """Requests with the bridge's header touch no disk: what is thanked for is in the store at that moment."""
    stack = new_stack()
    stack.servers["trace_store"].stop()
    limit_files(stack.servers["collector"], 2 * MIB)
    assert {send(stack, key).status for key in range(150)} > {503}
    assert [send(stack, key, SYNC).status for key in (200, 201)] == [503, "UNAVAILABLE"]
    stack.servers["trace_store"].start()
    assert eventually(lambda: send(stack, 200, SYNC).status, lambda status: status == 200) == 200
    assert send(stack, 201, SYNC).status == "OK"
    assert missing(stack, {200, 201}) == set()


def test_a_store_that_comes_back_gets_what_waited(new_stack: NewStack) -> None:
    """Without anybody restarting the collector."""
    stack = new_stack()
    stack.servers["trace_store"].stop()
    assert {send(stack, key).status for key in range(10)} == {200, "OK"}
    stack.servers["trace_store"].start()
    assert eventually(lambda: missing(stack, set(range(10))), lambda keys: not keys) == set()
