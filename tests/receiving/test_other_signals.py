"""Signals that are not known here go on unchanged, as long as their addresses are those of OTLP."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2

from otel_bridge.receiving.intake import Other, Refused, Taken
from otel_bridge.receiving.other_relay import OtherRelay, open_other_relay
from otel_bridge.receiving.other_signals import OtherWire, by_method, by_path
from otel_bridge.sinks.otlp import answers
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.telemetry import Signal
from tests.receiving.listening import Listening, listening
from tests.receiving.samples import JSON, body

PROFILES = profiles_service_pb2.DESCRIPTOR.services_by_name["ProfilesService"]
METHOD = f"/{PROFILES.full_name}/Export"
PATH = "/v1development/profiles"
RESPONSE = profiles_service_pb2.ExportProfilesServiceResponse


class Others:
    """Remembers what came; answers as it is told to."""

    def __init__(self) -> None:
        self.seen: list[Other] = []
        self.answer: Taken | Refused = Taken()

    def __call__(self, other: Other) -> Taken | Refused:
        self.seen.append(other)
        return self.answer


@contextmanager
def bridged(protocol: str, last: Listening) -> Iterator[Listening]:
    """Run a receiver that passes others on to another one."""
    target = f"http://{last.grpc_target}" if protocol == "grpc" else f"http://127.0.0.1:{last.http_port}"
    relay = open_other_relay(otlp_config({}, Signal.TRACES, endpoint=target, protocol=protocol), 4)
    assert isinstance(relay, OtherRelay)
    with closing(relay), listening(others=relay) as first:
        yield first


def test_addresses_follow_the_pattern_of_otlp() -> None:
    """Path and method of a signal say the same; the official descriptor of one in development agrees."""
    assert by_path(PATH) == by_method(METHOD) == OtherWire("v1development", "profiles")
    other = Other("v1development", "profiles", b"", is_json=False)
    assert (other.path, other.method) == (PATH, METHOD)


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "/v2/x/y", "/v1/../etc", "/v1/Traces", f"/v1/{'x' * 99}", "/v1/a?b", "/x/traces"]
)
def test_other_paths_are_none_of_otlp(path: str) -> None:
    """They are answered with 404 and go nowhere."""
    assert by_path(path) is None
    assert by_method(path) is None


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_they_go_on_byte_for_byte(protocol: str) -> None:
    """Whatever they came in by, packed or not; the answer comes back."""
    others = Others()
    with listening(others=others) as last, bridged(protocol, last) as first:
        content = b"\x0a\x03abc"
        assert first.post(gzip.compress(content), PATH, content_encoding="gzip").status == 200
        assert first.call(content, method=METHOD).ByteSize() == 0
        assert [(other.path, other.body) for other in others.seen] == [(PATH, content)] * 2
        others.answer = Taken(2, "too old")
        partial = RESPONSE.FromString(first.post(content, PATH).body).partial_success
        assert (partial.rejected_profiles, partial.error_message) == (2, "too old")
        assert first.receiver.counters.tally().requests == {"profiles": 3}


def test_json_goes_on_as_json() -> None:
    """But not to a next hop that is spoken to over gRPC, which says so."""
    others = Others()
    with listening(others=others) as last, bridged("http/protobuf", last) as first, bridged("grpc", last) as other:
        assert first.post(b'{"a": 1}', PATH, content_type=JSON).status == 200
        assert [(other.is_json, other.body) for other in others.seen] == [(True, b'{"a": 1}')]
        others.answer = Taken(1, "no")
        reply = first.post(b"{}", PATH, content_type=JSON)
        assert json.loads(reply.body) == {"partialSuccess": {"rejectedProfiles": "1", "errorMessage": "no"}}
        assert "no JSON for profiles" in json.loads(other.post(b"{}", PATH, content_type=JSON).body)["message"]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_next_hop_that_knows_nothing_of_them_refuses_them_for_good(protocol: str) -> None:
    """One that is away is to be tried again; known signals go their own way."""
    with listening() as last, bridged(protocol, last) as first:
        assert first.post(b"", PATH).status == 400
        assert isinstance(first.call(b"", method=METHOD), answers.BadItems)
        assert first.post(body()).status == 200
        last.receiver.stop(1)
        assert first.post(b"", PATH).status == 503
        assert first.receiver.counters.tally().requests == {"traces": 1}


def test_names_without_end_do_not_take_connections_without_end() -> None:
    """Whoever sends chooses the names: after a few, new ones are refused."""
    others = Others()
    with listening(others=others) as last, bridged("http/protobuf", last) as first:
        statuses = [first.post(b"", f"/v1/signal{'x' * number}").status for number in range(20)]
        assert statuses == [200] * 16 + [400] * 4


def test_an_endpoint_of_one_signal_says_nothing_about_others() -> None:
    """A URL that does not end as OTLP's do has no base that others could be sent to."""
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:9/custom"}
    assert open_other_relay(otlp_config(env, Signal.TRACES), 4) is None
