"""What is passed on arrives as it came, and the sender hears what the next hop said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from otel_bridge.receiving.intake import Export, Refused, Taken
from otel_bridge.receiving.relay import Relay, open_relay
from otel_bridge.receiving.signals import WIRES
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.telemetry import Signal
from tests.otlp_server import BAD, BUSY, DROP, HANG, TOO_LARGE, UNAVAILABLE, RecordingServer, Reply, partial
from tests.receiving.samples import request
from tests.sinks.samples import PROTOCOLS

ALL = pytest.mark.parametrize("protocol", PROTOCOLS)


def export(signal: Signal = Signal.TRACES) -> Export:
    body = request(signal).SerializeToString()
    return Export(signal, body, 3, WIRES[signal].decode)


@contextmanager
def relay_to(server: RecordingServer, *signals: Signal, **env: str) -> Iterator[Relay]:
    """Open a relay for some signals, by default all."""
    with ExitStack() as closing:
        relay = open_relay([otlp_config(server.env | env, signal) for signal in signals or Signal], 4)
        closing.callback(relay.close)
        yield relay


@ALL
@pytest.mark.parametrize("signal", list(Signal))
def test_what_comes_goes_on(protocol: str, signal: Signal) -> None:
    """In full; protobuf byte for byte, with the headers of the environment."""
    with RecordingServer(protocol) as server, relay_to(server, OTEL_EXPORTER_OTLP_HEADERS="tenant=a") as relay:
        assert relay(export(signal)) == Taken()
        (received,) = server.requests
        assert (received.signal, received.message) == (signal, request(signal))
        assert received.headers["tenant"] == "a"
        assert protocol == "http/json" or received.encoded_bytes == len(export(signal).body)


@ALL
@pytest.mark.parametrize(
    ("reply", "is_retryable", "after_s"),
    [
        (BUSY, True, 1),
        (UNAVAILABLE, True, None),
        (DROP, True, None),
        (BAD, False, None),
        (TOO_LARGE, False, None),
        (Reply(401, "UNAUTHENTICATED", "who are you"), True, None),
    ],
)
def test_the_sender_hears_what_the_next_hop_said(
    protocol: str, reply: Reply, is_retryable: bool, after_s: float | None
) -> None:
    """Come again, with the wait asked for, or never; who refuses the bridge itself is no fault of theirs."""
    with RecordingServer(protocol, [reply]) as server, relay_to(server) as relay:
        answer = relay(export())
        assert isinstance(answer, Refused)
        assert (answer.is_retryable, answer.retry_after_s) == (is_retryable, after_s)
        assert server.endpoint.partition("//")[2] in answer.reason
        assert relay(export()) == Taken()


@ALL
def test_partial_success_is_passed_on(protocol: str) -> None:
    """Count and words."""
    with RecordingServer(protocol, [partial(2, "too old")]) as server, relay_to(server) as relay:
        assert relay(export()) == Taken(2, "too old")


@ALL
def test_a_next_hop_that_is_away_or_silent_may_come_back(protocol: str) -> None:
    """The sender is asked to come again, within the timeout of the environment."""
    timeout = {"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
    with RecordingServer(protocol, [HANG], listening=False) as server, relay_to(server, **timeout) as relay:
        away = relay(export())
        server.listen()
        silent = relay(export())
        assert [getattr(answer, "is_retryable", None) for answer in (away, silent)] == [True, True]


def test_a_signal_without_next_hop_is_refused_for_good() -> None:
    """Asking again would not help."""
    with RecordingServer("http/protobuf") as server, relay_to(server, Signal.TRACES) as relay:
        assert relay(export(Signal.LOGS)) == Refused("there is no next hop for logs", is_retryable=False)
