"""Who sends metrics with the bridge's header hears whether Prometheus took them; others are thanked and queued.

The collector passes the status of a refusal on, not its words: Prometheus writes text where OTLP asks for protobuf.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest
from google.protobuf.message import Message

from tests.stack.conftest import NewStack
from tests.stack.otlp import SYNC, Answer, counter, send_grpc, send_http
from tools.stack.stack import Stack
from tools.stack.stores import eventually

DAY_S = 86_400
Send = Callable[[Stack, Message, Mapping[str, str]], Answer]


def over_http(stack: Stack, request: Message, headers: Mapping[str, str]) -> Answer:
    return send_http(stack.collector_http, request, headers)


def over_grpc(stack: Stack, request: Message, headers: Mapping[str, str]) -> Answer:
    return send_grpc(stack.collector_grpc, request, headers)


BOTH = pytest.mark.parametrize(
    ("send", "accepted", "refused", "unavailable"),
    [(over_http, 200, 400, 503), (over_grpc, "OK", "INVALID_ARGUMENT", "UNAVAILABLE")],
    ids=["http", "grpc"],
)


def stored(stack: Stack, session: str) -> str | None:
    return stack.metrics.value(
        f'last_over_time(coding_agent_cost_USD_total{{session_id="{session}"}}[4000d])', time.time()
    )


@BOTH
def test_a_point_that_prometheus_refuses_comes_back_as_refused(
    stack: Stack, send: Send, accepted: object, refused: object, unavailable: object
) -> None:
    """Older than the window; the same request is refused again, and nothing of it is stored."""
    now, name = time.time(), f"too old by {send.__name__}"
    assert send(stack, counter(name, [(now, 1.0)]), SYNC).status == accepted
    bad = counter(name, [(now - 401 * DAY_S, 0.5), (now + 1, 2.0)])
    assert [send(stack, bad, SYNC).status for _ in range(2)] == [refused, refused]
    assert stored(stack, name) == "1"


@BOTH
def test_a_second_value_at_the_newest_time_comes_back_as_refused(
    stack: Stack, send: Send, accepted: object, refused: object, unavailable: object
) -> None:
    """And the first value stays."""
    now, name = time.time(), f"duplicate by {send.__name__}"
    assert send(stack, counter(name, [(now, 1.0)]), SYNC).status == accepted
    assert send(stack, counter(name, [(now, 2.0)]), SYNC).status == refused
    assert send(stack, counter(name, [(now, 1.0)]), SYNC).status == accepted
    assert stored(stack, name) == "1"


@BOTH
def test_without_the_header_the_same_point_is_thanked_for_and_lost(
    stack: Stack, send: Send, accepted: object, refused: object, unavailable: object
) -> None:
    """Why the header exists: the refusal reaches only the collector's log."""
    now, name = time.time(), f"queued by {send.__name__}"
    log = stack.servers["collector"].log
    before = log.stat().st_size
    assert send(stack, counter(name, [(now, 1.0)]), SYNC).status == accepted
    assert send(stack, counter(name, [(now - 401 * DAY_S, 0.5)]), {}).status == accepted
    dropped = b"Exporting failed. Dropping data."
    said = eventually(lambda: log.read_bytes()[before:], lambda lines: dropped in lines, 20)
    assert dropped in said
    assert b"responded with HTTP Status Code 400" in said


@pytest.mark.slow
@BOTH
def test_without_prometheus_the_sender_hears_that_it_is_away(
    new_stack: NewStack, send: Send, accepted: object, refused: object, unavailable: object
) -> None:
    """With the header; what came without it waits in the queue, even over a crash of the collector."""
    stack, now = new_stack(), time.time()
    stack.servers["prometheus"].stop()
    assert send(stack, counter("answered", [(now, 1.0)]), SYNC).status == unavailable
    assert send(stack, counter("queued", [(now, 2.0)]), {}).status == accepted
    stack.servers["collector"].kill()
    stack.servers["prometheus"].start()
    stack.servers["collector"].start()
    assert eventually(lambda: stored(stack, "queued"), lambda value: value is not None, 40) == "2"
    assert stored(stack, "answered") is None
    assert send(stack, counter("answered", [(now, 1.0)]), SYNC).status == accepted
    assert stored(stack, "answered") == "1"


def test_logs_are_refused(stack: Stack) -> None:
    """Nothing stores them: the sender hears it instead of thanks."""
    answer = send_http(f"{stack.collector_http}/v1/logs?", counter("logs", []), {})
    assert answer.status == 404
