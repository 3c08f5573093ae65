"""The OpenTelemetry variables, as the specification has them."""

from __future__ import annotations

from typing import Any

import pytest

from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.config import Compression, OtlpConfig, OtlpProtocol, names_endpoint, otlp_config
from otel_bridge.telemetry import Signal

E = "OTEL_EXPORTER_OTLP_"


def traces(env: dict[str, str] | None = None, **arguments: Any) -> OtlpConfig:
    variables = {E + name: value for name, value in (env or {}).items()}
    return otlp_config(variables, Signal.TRACES, **arguments)


def test_defaults() -> None:
    """Without any variable: HTTP with protobuf and gzip to the local collector, 10 seconds, no TLS, no proxy."""
    config = traces()
    assert (config.protocol, config.compression) == (OtlpProtocol.HTTP_PROTOBUF, Compression.GZIP)
    assert config.target.address == "http://localhost:4318/v1/traces"
    assert (config.timeout_s, config.headers, config.proxy, config.certificate) == (10, {}, "", "")
    assert not config.target.is_tls
    grpc = traces({"PROTOCOL": "grpc"}).target
    assert (grpc.address, grpc.is_tls) == ("localhost:4317", False)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://c:4318", "http://c:4318/v1/traces"),
        ("https://c/", "https://c/v1/traces"),
        ("http://c/otlp/", "http://c/otlp/v1/traces"),
        ("http://c/otlp?tenant=1", "http://c/otlp/v1/traces?tenant=1"),
        ("HTTP://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_the_generic_http_endpoint_gets_the_path_of_the_signal(endpoint: str, address: str) -> None:
    """``/v1/<signal>`` is appended to the path of a base URL, from the variable and from the option alike."""
    assert traces({"ENDPOINT": endpoint}).target.address == address
    assert traces(endpoint=endpoint).target.address == address


@pytest.mark.parametrize("endpoint", ["http://c:4318/custom", "http://c/v1/traces/", "http://c?x=1"])
def test_the_endpoint_of_one_signal_is_used_as_it_is(endpoint: str) -> None:
    """A per-signal URL is complete, but for the root path where it has none."""
    address = endpoint.replace("c?", "c/?")
    env = {"TRACES_ENDPOINT": endpoint, "ENDPOINT": "http://other"}
    assert traces(env).target.address == address
    logs = otlp_config({E + name: value for name, value in env.items()}, Signal.LOGS)
    assert logs.target.address == "http://other/v1/logs"


@pytest.mark.parametrize(
    ("endpoint", "insecure", "address", "is_tls"),
    [
        ("http://c:4317", "", "c:4317", False),
        ("http://c:4317/path", "false", "c:4317", False),
        ("https://c:4317", "true", "c:4317", True),
        ("c:4317", "", "c:4317", True),
        ("c:4317", "true", "c:4317", False),
        ("c:4317", "TRUE", "c:4317", False),
        ("dns:///c:4317", "false", "dns:///c:4317", True),
        ("unix:/run/otlp.sock", "true", "unix:/run/otlp.sock", False),
        ("[::1]:4317", "true", "[::1]:4317", False),
    ],
)
def test_the_scheme_of_a_grpc_endpoint_decides_about_tls(
    endpoint: str, insecure: str, address: str, is_tls: bool
) -> None:
    """Http is plain, https is TLS; without a scheme it is TLS unless INSECURE says true."""
    target = traces({"PROTOCOL": "grpc", "ENDPOINT": endpoint, "INSECURE": insecure}).target
    assert (target.address, target.is_tls) == (address, is_tls)


def test_variables_of_the_signal_win_over_generic_ones() -> None:
    """Every per-signal variable replaces the generic one, headers as a whole too; empty ones count as unset."""
    config = traces(
        {
            "PROTOCOL": "grpc", "TRACES_PROTOCOL": "http/json",
            "COMPRESSION": "gzip", "TRACES_COMPRESSION": "none",
            "TIMEOUT": "1", "TRACES_TIMEOUT": "2500",
            "HEADERS": "a=1,b=2", "TRACES_HEADERS": "a=3",
            "CERTIFICATE": "ca.pem", "TRACES_CERTIFICATE": "own-ca.pem",
            "CLIENT_KEY": "key.pem", "TRACES_CLIENT_KEY": "own-key.pem",
            "CLIENT_CERTIFICATE": "cert.pem", "TRACES_CLIENT_CERTIFICATE": "",
        }
    )  # fmt: skip
    assert (config.protocol, config.compression) == (OtlpProtocol.HTTP_JSON, Compression.NONE)
    assert config.timeout_s == 2.5
    assert config.headers == {"a": "3"}
    assert (config.certificate, config.client_key) == ("own-ca.pem", "own-key.pem")
    assert config.client_certificate == "cert.pem"


def test_explicit_arguments_win_over_variables() -> None:
    """An option on the command line beats the environment; headers are added, by name."""
    env = {"PROTOCOL": "grpc", "TRACES_ENDPOINT": "http://env/path", "HEADERS": "A=1,b=2"}
    config = traces(env, endpoint="http://option", protocol="http/json", headers={"B": "3", "c": "4"})
    assert config.target.address == "http://option/v1/traces"
    assert config.protocol is OtlpProtocol.HTTP_JSON
    assert config.headers == {"a": "1", "b": "3", "c": "4"}


def test_header_values_are_percent_decoded() -> None:
    """Headers are a comma list in the form of W3C baggage: spaces around are not theirs, encoded ones are."""
    config = traces({"HEADERS": " api-key = a%20b%2Cc%3D , ,X-Scope-OrgID=tenant=1"})
    assert config.headers == {"api-key": "a b,c=", "x-scope-orgid": "tenant=1"}


def test_an_endpoint_counts_as_named_by_either_variable() -> None:
    """The caller can tell whether a signal was given an endpoint at all."""
    assert not names_endpoint({}, Signal.LOGS)
    assert not names_endpoint({f"{E}TRACES_ENDPOINT": "http://c", f"{E}ENDPOINT": " "}, Signal.LOGS)
    assert names_endpoint({f"{E}LOGS_ENDPOINT": "http://c"}, Signal.LOGS)
    assert names_endpoint({f"{E}ENDPOINT": "http://c"}, Signal.LOGS)


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"PROTOCOL": "http"}, "PROTOCOL is 'http'; allowed: grpc, http/protobuf, http/json"),
        ({"TRACES_PROTOCOL": "GRPC"}, "TRACES_PROTOCOL is 'GRPC'; allowed"),
        ({"COMPRESSION": "zstd"}, "COMPRESSION is 'zstd'; allowed: gzip, none"),
        ({"TIMEOUT": "10s"}, "TIMEOUT is '10s'; allowed: milliseconds, 1 to 999999999"),
        ({"TIMEOUT": "99999999999999999999"}, "TIMEOUT is '99999999999999999999'; allowed: milliseconds, 1 to"),
        ({"TIMEOUT": "0"}, "TIMEOUT is '0'; allowed"),
        ({"TIMEOUT": "-1"}, "TIMEOUT is '-1'; allowed"),
        ({"TIMEOUT": "²"}, "TIMEOUT is '²'; allowed"),
        ({"PROTOCOL": "grpc", "INSECURE": "yes"}, "INSECURE is 'yes'; allowed: true, false"),
        ({"ENDPOINT": "localhost:4318"}, "ENDPOINT is 'localhost:4318': OTLP over HTTP needs a URL"),
        ({"ENDPOINT": "http://"}, "ENDPOINT is 'http://': OTLP over HTTP needs a URL"),
        ({"ENDPOINT": "ftp://c"}, "ENDPOINT is 'ftp://c': OTLP over HTTP needs a URL"),
        ({"ENDPOINT": "http://c:port"}, "ENDPOINT is 'http://c:port': "),
        ({"ENDPOINT": "http://c:99999"}, "ENDPOINT is 'http://c:99999': "),
        ({"ENDPOINT": "http://c:0"}, "ENDPOINT is 'http://c:0': "),
        ({"ENDPOINT": "http://c d"}, "ENDPOINT is 'http://c d': "),
        ({"PROTOCOL": "grpc", "ENDPOINT": "ftp://c"}, "ENDPOINT is 'ftp://c': OTLP over gRPC needs host:port"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "a b"}, "ENDPOINT is 'a b': OTLP over gRPC needs host:port"),
        ({"HEADERS": "a=1,secret"}, "HEADERS: entry 2 has no '='"),
        ({"HEADERS": "a b=secret"}, "HEADERS: 'a b' is no header name"),
        ({"HEADERS": "a=%0Asecret"}, "HEADERS: the value of 'a' cannot be sent"),
        ({"HEADERS": "a=%C3%A9secret"}, "HEADERS: the value of 'a' cannot be sent"),
        ({"CLIENT_KEY": "k"}, "CLIENT_KEY is set, but no CLIENT_CERTIFICATE"),
        ({"CLIENT_CERTIFICATE": "c"}, "CLIENT_CERTIFICATE is set, but no CLIENT_KEY"),
    ],
)
def test_wrong_values_are_named_with_what_is_allowed(env: dict[str, str], sentence: str) -> None:
    """A sentence names the variable, the value seen and what is allowed; values of headers are never shown."""
    with pytest.raises(UsageError) as caught:
        traces(env)
    assert str(caught.value).startswith(E + sentence)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("endpoint", "nowhere"), ("protocol", "udp"), ("headers", {"é": "1"})])
def test_wrong_arguments_are_named_as_such(name: str, value: Any) -> None:
    """A wrong option is not blamed on a variable."""
    with pytest.raises(UsageError, match=f"^(--)?{name}"):
        traces({}, **{name: value})


@pytest.mark.parametrize("endpoint", ["http://user:secret@c:4318/x?token=secret", "http://user:secret@c:bad"])
def test_credentials_in_a_url_are_not_shown(endpoint: str) -> None:
    """Sentences show the endpoint without user, password and query."""
    try:
        shown = traces({"ENDPOINT": endpoint}).target.place
    except UsageError as error:
        shown = str(error)
    assert "secret" not in shown
    assert "//c:" in shown
