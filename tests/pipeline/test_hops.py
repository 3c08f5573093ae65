from __future__ import annotations

import socket

import pytest

from otel_bridge.pipeline.hops import Door, door_of, walk
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.telemetry import Signal


@pytest.mark.parametrize(
    ("endpoint", "protocol", "door"),
    [
        ("http://h", "http/json", "h:80"),
        ("https://h/otlp", "http/protobuf", "h:443"),
        ("http://[::1]:4318", "http/protobuf", "[::1]:4318"),
        ("http://h:4317", "grpc", "h:4317"),
        ("h:4317", "grpc", "h:4317"),
        ("dns:///h:4317", "grpc", "h:4317"),
        ("unix:/run/otlp.sock", "grpc", "None"),
    ],
)
def test_where_a_connection_goes(endpoint: str, protocol: str, door: str) -> None:
    """To the port that is named or usual; what has no name is left to the sender."""
    assert str(door_of(otlp_config({}, Signal.TRACES, endpoint=endpoint, protocol=protocol))) == door


def test_a_proxy_is_what_is_connected_to() -> None:
    """What lies behind it only the proxy can tell."""
    env = {"https_proxy": "http://me:secret@proxy:3128"}
    door = door_of(otlp_config(env, Signal.TRACES, endpoint="https://h"))
    assert (str(door), door is not None and door.is_tls) == ("the proxy proxy:3128", False)


def test_how_far_it_comes_is_told() -> None:
    """A port that is open, and the same one when it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        door = Door("127.0.0.1", server.getsockname()[1], is_tls=False)
        way = walk(door)
        assert (way.stopped_at, way.passed[-1].startswith("TCP answers in ")) == ("", True)
    assert walk(door).stopped_at.startswith("TCP: ")
