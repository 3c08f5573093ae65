"""Where and how OTLP goes, from the variables that every OpenTelemetry SDK reads (pure).

A per-signal variable (``OTEL_EXPORTER_OTLP_TRACES_…``) wins over the generic one, an explicit argument over
both; an empty variable counts as unset. The timeout is in milliseconds, as the specification says (the Python
SDK took seconds). One default is ours: gzip, because spans shrink to a tenth; ``none`` switches it off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct

from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.endpoint import Target, grpc_target, http_target
from otel_bridge.sinks.otlp.headers import checked_headers, decoded_headers
from otel_bridge.sinks.otlp.proxy import proxy_for
from otel_bridge.sinks.otlp.variables import Setting, Variables
from otel_bridge.telemetry import Signal


class OtlpProtocol(StrEnum):
    """How requests are encoded and carried."""

    GRPC = "grpc"
    HTTP_PROTOBUF = "http/protobuf"
    HTTP_JSON = "http/json"


class Compression(StrEnum):
    """What is done to a request's body."""

    GZIP = "gzip"
    NONE = "none"


class OtlpConfig(Struct, frozen=True):
    """All a transport needs to know about the way of one signal."""

    signal: Signal
    protocol: OtlpProtocol
    target: Target
    headers: Mapping[str, str] = {}
    """Sent with each request; names in lower case."""
    compression: Compression = Compression.GZIP
    timeout_s: float = 10.0
    """For one request; retries have their own limit."""
    certificate: str = ""
    """Path of the certificates (PEM) to trust instead of the system's."""
    client_certificate: str = ""
    client_key: str = ""
    proxy: str = ""
    """URL of the proxy to go through; empty = directly."""


def names_endpoint(env: Mapping[str, str], signal: Signal) -> bool:
    """Say whether the environment names an endpoint for this signal, in its own variable or the generic one."""
    return Variables(env, signal).read("ENDPOINT") is not None


def otlp_config(
    env: Mapping[str, str],
    signal: Signal,
    *,
    endpoint: str | None = None,
    protocol: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> OtlpConfig:
    """Build the configuration of one signal.

    ``endpoint`` is a base URL like the generic variable: over HTTP it gets ``/v1/<signal>`` appended.
    ``headers`` are added to those of the environment. UsageError names what is wrong and what is allowed.
    """
    variables = Variables(env, signal)
    where = Setting("--endpoint", endpoint) if endpoint else variables.read("ENDPOINT")
    how = Setting("--protocol", protocol) if protocol else variables.read("PROTOCOL")
    used_protocol = _choice(OtlpProtocol, how, OtlpProtocol.HTTP_PROTOBUF)
    if used_protocol is OtlpProtocol.GRPC:
        target = grpc_target(where, is_insecure=_is_true(variables.read("INSECURE")))
    else:
        target = http_target(where, signal)
    certificate = variables.read("CERTIFICATE")
    client_certificate, client_key = _client_identity(variables)
    return OtlpConfig(
        signal=signal,
        protocol=used_protocol,
        target=target,
        headers=decoded_headers(variables.read("HEADERS")) | checked_headers(headers or {}, "headers"),
        compression=_choice(Compression, variables.read("COMPRESSION"), Compression.GZIP),
        timeout_s=_timeout_s(variables.read("TIMEOUT")),
        certificate=certificate.value if certificate else "",
        client_certificate=client_certificate,
        client_key=client_key,
        proxy=proxy_for(env, target.host, is_tls=target.is_tls),
    )


_Choice = TypeVar("_Choice", bound=StrEnum)


def _choice(allowed: type[_Choice], setting: Setting | None, default: _Choice) -> _Choice:
    if setting is None:
        return default
    try:
        return allowed(setting.value)
    except ValueError:
        raise _not_allowed(setting, ", ".join(allowed)) from None


def _is_true(setting: Setting | None) -> bool:
    if setting is None:
        return False
    if setting.value.lower() not in {"true", "false"}:
        raise _not_allowed(setting, "true, false")
    return setting.value.lower() == "true"


def _timeout_s(setting: Setting | None) -> float:
    if setting is None:
        return 10.0
    if re.fullmatch(r"0*[1-9][0-9]{0,8}", setting.value) is None:
        raise _not_allowed(setting, "milliseconds, 1 to 999999999")
    return int(setting.value) / 1000


def _client_identity(variables: Variables) -> tuple[str, str]:
    certificate, key = variables.read("CLIENT_CERTIFICATE"), variables.read("CLIENT_KEY")
    if certificate and not key:
        raise UsageError(f"{certificate.name} is set, but no CLIENT_KEY; set both or none")
    if key and not certificate:
        raise UsageError(f"{key.name} is set, but no CLIENT_CERTIFICATE; set both or none")
    return (certificate.value, key.value) if certificate and key else ("", "")


def _not_allowed(setting: Setting, allowed: str) -> UsageError:
    return UsageError(f"{setting.name} is {setting.value!r}; allowed: {allowed}")
