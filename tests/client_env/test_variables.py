from __future__ import annotations

import pytest

from otel_bridge.client_env.places import Place, Protocol, destination, port_fault
from otel_bridge.client_env.variables import client_variables, left_out
from otel_bridge.errors import UsageError

BRIDGE = destination(None, None)


def values(place: Place, *, has_traces: bool = True) -> dict[str, str]:
    """Return the variables of a place by name."""
    return {variable.name: variable.value for variable in client_variables(place, BRIDGE, has_traces=has_traces)}


@pytest.mark.parametrize("place", Place)
def test_what_fails_in_silence_is_always_said(place: Place) -> None:
    """The switch, an exporter for each signal, the beta flag, a protocol and a temporality that Prometheus takes."""
    found = values(place)
    assert found["CLAUDE_CODE_ENABLE_TELEMETRY"] == found["CLAUDE_CODE_ENHANCED_TELEMETRY_BETA"] == "1"
    assert {found[f"OTEL_{signal}_EXPORTER"] for signal in ("METRICS", "LOGS", "TRACES")} == {"otlp"}
    assert found["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert found["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] == "cumulative"


@pytest.mark.parametrize("place", Place)
def test_no_texts_leave_the_machine(place: Place) -> None:
    """Content is never switched on, and why is said of each such variable."""
    assert [name for name in values(place) if name.startswith("OTEL_LOG_")] == []
    assert {"OTEL_LOG_USER_PROMPTS", "OTEL_LOG_TOOL_DETAILS"} <= {each.name for each in left_out(place)}


@pytest.mark.parametrize("place", Place)
def test_every_variable_has_a_reason_and_one_place(place: Place) -> None:
    """On one line; and none is both set and left out."""
    variables = client_variables(place, BRIDGE)
    names = [each.name for each in [*variables, *left_out(place)]]
    assert len(names) == len(set(names))
    assert all(each.why and "\n" not in each.why for each in [*variables, *left_out(place)])


@pytest.mark.parametrize("place", [Place.CI, Place.POD])
def test_what_is_soon_over_sends_at_once_and_is_given_time_at_the_end(place: Place) -> None:
    """Shorter intervals and longer ends than by default, within what Kubernetes leaves a pod."""
    found = values(place)
    assert int(found["OTEL_METRIC_EXPORT_INTERVAL"]) < 60_000
    assert 5_000 < int(found["CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS"]) < 30_000
    assert 2_000 < int(found["CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS"]) < 30_000
    assert found["OTEL_RESOURCE_ATTRIBUTES"].startswith("coding_agent.host.type=")
    assert found["CLAUDE_CODE_OTEL_DIAG_STDERR"] == "1"


def test_nobody_waits_for_a_laptop_or_sees_its_errors_across_the_screen() -> None:
    """There the client leaves as fast as ever, and says nothing on the terminal it draws on."""
    assert not [name for name in values(Place.LAPTOP) if "TIMEOUT" in name or "STDERR" in name]


def test_without_traces() -> None:
    """Spans are switched off in so many words."""
    found = values(Place.LAPTOP, has_traces=False)
    assert found["OTEL_TRACES_EXPORTER"] == "none"
    assert "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA" not in found


@pytest.mark.parametrize(
    ("endpoint", "protocol", "expected"),
    [
        (None, None, ("http://127.0.0.1:4318", Protocol.HTTP_PROTOBUF)),
        (None, "grpc", ("http://127.0.0.1:4317", Protocol.GRPC)),
        (None, "http/json", ("http://127.0.0.1:4318", Protocol.HTTP_JSON)),
        ("https://c.example:4317/", None, ("https://c.example:4317", Protocol.GRPC)),
        ("https://c.example/otlp", None, ("https://c.example/otlp", Protocol.HTTP_PROTOBUF)),
        ("https://c.example:4317", "http/json", ("https://c.example:4317", Protocol.HTTP_JSON)),
    ],
)
def test_what_is_left_open_is_chosen(
    endpoint: str | None, protocol: str | None, expected: tuple[str, Protocol]
) -> None:
    """The bridge on this machine, and the protocol whose port it is."""
    chosen = destination(endpoint, protocol)
    assert (chosen.endpoint, chosen.protocol) == expected


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("localhost:4318", "no scheme"),
        ("http://", "names no host"),
        ("http://a b:4318", "white space"),
        ("http://h:99999", "Port out of range"),
        ("http://h:4318/v1/metrics", "without /v1/"),
    ],
)
def test_an_endpoint_the_client_cannot_use_is_refused(endpoint: str, words: str) -> None:
    """The sentence names the option, the value and what would do."""
    with pytest.raises(UsageError, match=f"--endpoint is .*{words}"):
        destination(endpoint, None)


def test_a_port_of_the_other_protocol_is_doubted() -> None:
    """4317 speaks gRPC and 4318 HTTP; other ports may speak anything."""
    assert "grpc is spoken on 4317" in port_fault("http://h:4318", "grpc")
    assert "http/json is spoken on 4318" in port_fault("http://h:4317", "http/json")
    assert port_fault("http://h:4317", "grpc") == port_fault("http://h:9999", "grpc") == ""
