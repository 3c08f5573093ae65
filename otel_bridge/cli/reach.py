"""What an address leads to: who is there, what it can be sent, and how (I/O: asks it)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from otel_bridge.backends.detect import Endpoint, EndpointKind, detect_endpoint, nowhere_to_go, signals_taken
from otel_bridge.backends.pages import Access, StatusPages
from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.config import OtlpConfig, OtlpProtocol, names_endpoint, otlp_config
from otel_bridge.sinks.otlp.endpoint import http_target
from otel_bridge.sinks.otlp.proxy import proxy_for
from otel_bridge.sinks.otlp.variables import Setting
from otel_bridge.telemetry import Signal

_USUAL = {EndpointKind.PROMETHEUS: "http://localhost:9090", EndpointKind.TEMPO: "http://localhost:3200"}


class Way(Struct, frozen=True):
    """How one signal goes out; ``config`` is ``None`` where it does not."""

    config: OtlpConfig | None = None
    nowhere: str = ""
    """Why it has nowhere to go, though an endpoint was given."""


def find_endpoint(env: Mapping[str, str], endpoint: str, protocol: str | None) -> Endpoint:
    """Ask who is at ``--endpoint``, with the headers, certificates and proxy that requests to it get."""
    config = otlp_config(env, Signal.METRICS, endpoint=endpoint, protocol=protocol)
    return detect_endpoint(endpoint, _access(config))


def way_of(env: Mapping[str, str], signal: Signal, *, found: Endpoint | None, protocol: str | None) -> Way:
    """Say how a signal goes out: to the endpoint found; where that cannot take it, to the signal's own variable.

    Without an endpoint (``None``) the environment decides alone. UsageError if a variable is wrong.
    """
    if found is None:
        return Way(otlp_config(env, signal, protocol=protocol) if names_endpoint(env, signal) else None)
    if found.kind is EndpointKind.RECEIVER:
        return Way(otlp_config(env, signal, endpoint=found.url, protocol=protocol))
    if signal in signals_taken(found.kind) and found.otlp_url:
        return Way(otlp_config(env, signal, endpoint=found.otlp_url, protocol=found.protocol or protocol))
    if env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip():
        return Way(otlp_config(env, signal, protocol=protocol))
    missing = f"{found.kind} has no OTLP receiver" if signal in signals_taken(found.kind) else ""
    return Way(nowhere=missing or nowhere_to_go(found.kind, frozenset({signal})))


def open_store(
    env: Mapping[str, str], kind: EndpointKind, *, url: str | None, found: Endpoint | None
) -> StatusPages | None:
    """Open the pages of a store: of the one named by its option, else of the endpoint if it is one; else ``None``.

    Only the endpoint gets the headers and certificates of the endpoint. UsageError, naming the option, for no URL.
    """
    if url is None:
        if found is None or found.kind is not kind:
            return None
        config = otlp_config(env, Signal.METRICS, endpoint=found.pages_url, protocol=OtlpProtocol.HTTP_PROTOBUF)
        return StatusPages(found.pages_url, _access(config))
    option, usual = f"--{kind.lower()}", _USUAL[kind]
    if not url.lower().startswith(("http://", "https://")):
        raise UsageError(f"{option} is {url!r}: give the URL of its API, such as {usual}")
    target = http_target(Setting(option, url, is_for_signal=True), Signal.METRICS)
    return StatusPages(url, Access(proxy=proxy_for(env, target.host, is_tls=target.is_tls)))


def _access(config: OtlpConfig) -> Access:
    return Access(
        headers=config.headers,
        certificate=config.certificate,
        client_certificate=config.client_certificate,
        client_key=config.client_key,
        proxy=config.proxy,
    )
