"""Which program is behind an address, and what it can be sent (I/O: asks it)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from urllib.parse import urlsplit

from msgspec import Struct

from otel_bridge.backends.documents import Page
from otel_bridge.backends.pages import ANYONE, Access, StatusPages
from otel_bridge.backends.prometheus import BUILD_PAGE, prometheus_version
from otel_bridge.backends.tempo import VERSION_PAGE, TempoFacts, read_tempo, tempo_version
from otel_bridge.telemetry import Signal

_PROMETHEUS_OTLP_PATH = "/api/v1/otlp"
_TIMEOUT_S = 3.0


class EndpointKind(StrEnum):
    """The programs an export can be pointed at."""

    RECEIVER = "receiver"
    """A collector, or anything else that takes OTLP at the address itself."""
    PROMETHEUS = "Prometheus"
    TEMPO = "Tempo"


class Endpoint(Struct, frozen=True):
    """An address as given, and what was found there."""

    kind: EndpointKind
    url: str
    otlp_url: str
    """Where to send to, as a base URL; empty where it takes no OTLP."""
    protocol: str = ""
    """The only OTLP protocol it takes there; empty = the one asked for."""
    pages_url: str = ""
    """Below it lie the status pages; empty for a receiver."""


_TAKEN = {
    EndpointKind.RECEIVER: frozenset(Signal),
    EndpointKind.PROMETHEUS: frozenset({Signal.METRICS}),
    EndpointKind.TEMPO: frozenset({Signal.TRACES}),
}
ITEMS = {Signal.TRACES: "spans", Signal.LOGS: "events", Signal.METRICS: "metrics"}
"""What people call the items of a signal."""


def signals_taken(kind: EndpointKind) -> frozenset[Signal]:
    """Return the signals such a program can take; a receiver may refuse some of them nevertheless."""
    return _TAKEN[kind]


def nowhere_to_go(kind: EndpointKind, signals: frozenset[Signal]) -> str:
    """Return the sentence about those of the signals that cannot be sent there; empty where all can."""
    left = [signal for signal in Signal if signal in signals - signals_taken(kind)]
    if not left:
        return ""
    taken = " and ".join(ITEMS[signal] for signal in Signal if signal in signals_taken(kind))
    items = " and ".join(ITEMS[signal] for signal in left)
    names = ", ".join(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT" for signal in left)
    return f"{kind} takes {taken} only: {items} have nowhere to go. Give a collector as --endpoint, or set {names}"


def detect_endpoint(url: str, access: Access = ANYONE, *, timeout_s: float = _TIMEOUT_S) -> Endpoint:
    """Ask who is there. Whoever is neither Prometheus nor Tempo, or does not answer, counts as a receiver.

    A Prometheus may be given by its own address or by that of its OTLP receiver (``…/api/v1/otlp``), a Tempo by the
    address of its API: the port of its OTLP receiver is read from its configuration.
    """
    receiver = Endpoint(EndpointKind.RECEIVER, url, url)
    if not url.lower().startswith(("http://", "https://")):
        return receiver
    base_url = url.rstrip("/").removesuffix("/v1/metrics").removesuffix(_PROMETHEUS_OTLP_PATH)
    with StatusPages(base_url, access, timeout_s=timeout_s) as pages:
        page = pages.get(BUILD_PAGE)
        if prometheus_version(page.text):
            otlp_url = base_url + _PROMETHEUS_OTLP_PATH
            return Endpoint(EndpointKind.PROMETHEUS, url, otlp_url, "http/protobuf", base_url)
        if not page.is_answer or not tempo_version(pages.get(VERSION_PAGE).text):
            return receiver
        return _tempo(url, base_url, pages.get)


def _tempo(url: str, base_url: str, get: Callable[[str], Page]) -> Endpoint:
    facts = read_tempo(get)
    otlp_url, protocol = _receiver_of(base_url, facts) if isinstance(facts, TempoFacts) else ("", "")
    return Endpoint(EndpointKind.TEMPO, url, otlp_url, protocol, base_url)


def _receiver_of(base_url: str, facts: TempoFacts) -> tuple[str, str]:
    """Return address and protocol of Tempo's OTLP receiver, on the host its pages were read from."""
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if facts.http_port is not None:
        return f"{parts.scheme}://{host}:{facts.http_port}", "http/protobuf"
    if facts.grpc_port is not None:
        return f"{parts.scheme}://{host}:{facts.grpc_port}", "grpc"
    return "", ""
