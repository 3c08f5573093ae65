"""What keeps a client's own telemetry from arriving without a word: read off its settings, nothing is asked (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from otel_bridge.client_env.places import Protocol, endpoint_fault, is_loopback, port_fault
from otel_bridge.client_env.variables import BETA_SWITCH, ENDPOINT, HEADERS, RESOURCE_ATTRIBUTES, SWITCH
from otel_bridge.client_env.view import ClientView, Value, exporter_variable
from otel_bridge.pipeline.checks import FAILED, OK, WARNING, Check
from otel_bridge.telemetry import Signal

_WRITE = "`otel-bridge env --write user` sets what is needed"
_EXPORTERS = frozenset({"otlp", "prometheus", "console"})
_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_SESSION_ID = "OTEL_METRICS_INCLUDE_SESSION_ID"
_PROPAGATE = "CLAUDE_CODE_PROPAGATE_TRACEPARENT"
_TIMEOUTS = ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS")


def judge_client(view: ClientView) -> list[Check]:
    """Return what becomes of the client's own telemetry as it is set up: what is wrong, where, and what to do."""
    if not view.is_on:
        return [_off(view), *_locked_out(view)]
    return [
        _on(view),
        *_exporters(view),
        *_ways(view),
        *_temporality(view),
        *_headers(view),
        *_traces(view),
        *_labels(view),
        *_console(view),
        *_ends(view),
        *_locked_out(view),
    ]


def judge_project(place: str, env: Mapping[str, str]) -> list[Check]:
    """Return what a project's own settings try to say about telemetry: a repository can only switch it off."""
    names = sorted(name for name in env if name.startswith("OTEL_") or name in (SWITCH, BETA_SWITCH))
    selectors = {exporter_variable(signal) for signal in Signal}
    off = [name for name in names if name in selectors and env[name].strip() == "none"]
    ignored = [name for name in names if name not in off]
    checks = []
    if off:
        found = f"{place} switches off {', '.join(off)} for clients that work there"
        checks.append(Check("client project", WARNING, found, "take it out there if that is not meant"))
    if ignored:
        found = f"{place} sets {', '.join(ignored)}: the client ignores that in a project, a repository enables nothing"
        checks.append(Check("client project", WARNING, found, f"set it in your own or managed settings: {_WRITE}"))
    return checks


def _off(view: ClientView) -> Check:
    idle = [value for signal in Signal if (value := view.value(exporter_variable(signal))) and value.text != "none"]
    if idle:
        told = ", ".join(map(str, idle))
        found = f"{told}: without effect, since {SWITCH} is not on: nothing is sent"
        return Check("client", WARNING, found, f"set {SWITCH}=1: {_WRITE}")
    looked = ", ".join(layer.place for layer in view.layers)
    found = f"Claude Code's own telemetry is off: {SWITCH} is on in none of {looked}"
    return Check("client", OK, found, "`otel-bridge env --write user` switches it on")


def _on(view: ClientView) -> Check:
    switch = view.value(SWITCH)
    ways = {
        f"{signal} to {_shown(endpoint.text) if (endpoint := view.otlp(signal, 'ENDPOINT')) else 'no endpoint'}"
        for signal in view.sent
    }
    return Check("client", OK, f"telemetry is on ({switch.place if switch else ''}): {', '.join(sorted(ways)) or '-'}")


def _exporters(view: ClientView) -> Iterator[Check]:
    name = "client exporters"
    if not any(view.exporters(signal) for signal in Signal):
        yield Check(name, FAILED, f"{SWITCH} is on, but no signal has an exporter: nothing is sent", _WRITE)
        return
    for signal in (Signal.LOGS, Signal.METRICS):
        if view.value(exporter_variable(signal)) is None:
            found = f"{exporter_variable(signal)} is not set: no {signal} are sent"
            yield Check(name, WARNING, found, f"set it to otlp, or to none if that is meant: {_WRITE}")
    for signal in Signal:
        if unknown := sorted(view.exporters(signal) - _EXPORTERS):
            found = f"{view.value(exporter_variable(signal))}: no exporter is called {', '.join(unknown)}"
            yield Check(name, FAILED, found, "otlp, console, none, and for metrics prometheus are known")


def _ways(view: ClientView) -> Iterator[Check]:
    """Judge endpoint and protocol of each signal; what several have in common is said once."""
    said = set()
    for signal in view.sent:
        for check in (*_protocol(view, signal), *_endpoint(view, signal)):
            if check not in said:
                said.add(check)
                yield check


def _protocol(view: ClientView, signal: Signal) -> Iterator[Check]:
    name, protocol = "client protocol", view.otlp(signal, "PROTOCOL")
    if protocol is None:
        found = (
            "OTEL_EXPORTER_OTLP_PROTOCOL is not set: there is no documented default, and clients have exported nothing"
            " without a word; 2.1.329 takes http/protobuf"
        )
        verdict = WARNING if view.otlp(signal, "ENDPOINT") else FAILED
        yield Check(name, verdict, found, f"set it to grpc, http/protobuf or http/json: {_WRITE}")
    elif protocol.text not in list(Protocol):
        yield Check(name, FAILED, f"{protocol}: no such protocol", "grpc, http/protobuf and http/json are known")


def _endpoint(view: ClientView, signal: Signal) -> Iterator[Check]:
    name, endpoint, protocol = "client endpoint", view.otlp(signal, "ENDPOINT"), view.otlp(signal, "PROTOCOL")
    if endpoint is None:
        found = f"{ENDPOINT} is not set: at best it goes to the usual port of this machine"
        yield Check(name, WARNING if protocol else FAILED, found, _WRITE)
        return
    spoken = protocol.text if protocol else Protocol.HTTP_PROTOBUF.value
    is_own = endpoint.name != ENDPOINT
    fault = endpoint_fault(endpoint.text.removesuffix(f"/v1/{signal}") if is_own else endpoint.text)
    if fault:
        yield Check(name, FAILED, f"{_told(endpoint)}: {fault}", _WRITE)
    elif is_own and spoken != Protocol.GRPC and urlsplit(endpoint.text).path in ("", "/"):
        found = f"{_told(endpoint)}: the endpoint of one signal is used as it is, and this one has no path"
        yield Check(name, WARNING, found, f"append /v1/{signal}, or set {ENDPOINT} instead")
    if doubt := port_fault(endpoint.text, spoken):
        yield Check(name, WARNING, f"{_told(endpoint)} with {spoken}: {doubt}", "change the port or the protocol")


def _temporality(view: ClientView) -> Iterator[Check]:
    endpoint, value = view.otlp(Signal.METRICS, "ENDPOINT"), view.value(_TEMPORALITY)
    if Signal.METRICS not in view.sent or endpoint is None or (value and value.text.lower() == "cumulative"):
        return
    if _is_prometheus(endpoint.text):
        seen = f"is {value.text} ({value.place})" if value else "is not set, which means delta"
        found = f"{_TEMPORALITY} {seen}, and {_shown(endpoint.text)} looks like Prometheus, which refuses deltas"
        yield Check("client temporality", FAILED, found, f"set it to cumulative: {_WRITE}")


def _headers(view: ClientView) -> Iterator[Check]:
    by_grpc = [s for s in view.sent if (spoken := view.otlp(s, "PROTOCOL")) and spoken.text == Protocol.GRPC]
    if view.has_headers_helper and by_grpc:
        found = f"otelHeadersHelper is ignored over grpc: {', '.join(by_grpc)} go without its headers"
        verdict = WARNING if view.value(HEADERS) else FAILED
        yield Check("client headers", verdict, found, f"choose http/protobuf, or set {HEADERS}")


def _traces(view: ClientView) -> Iterator[Check]:
    name, exporters = "client traces", view.exporters(Signal.TRACES)
    if exporters and not view.is_beta:
        found = f"{view.value('OTEL_TRACES_EXPORTER')}: spans are beta, and {BETA_SWITCH} is not on: none are sent"
        yield Check(name, WARNING, found, f"set {BETA_SWITCH}=1")
    if view.says(_PROPAGATE) and not (exporters and view.is_beta):
        found = f"{view.value(_PROPAGATE)}: without an exporter of traces no traceparent is sent"
        yield Check(name, WARNING, found, "set OTEL_TRACES_EXPORTER=otlp, or take the flag out")
    elsewhere = view.value("BETA_TRACING_ENDPOINT")
    if elsewhere and view.says("ENABLE_BETA_TRACING_DETAILED"):
        found = f"ENABLE_BETA_TRACING_DETAILED is on: logs and traces go to {_told(elsewhere)} and nowhere else"
        yield Check(name, WARNING, found, "take it out to have them at the endpoint of the exporters")


def _labels(view: ClientView) -> Iterator[Check]:
    session_id = view.value(_SESSION_ID)
    if session_id and not view.says(_SESSION_ID):
        found = f"{session_id}: spans and metrics lose session.id, and nothing can be joined to its session"
        yield Check("client session id", FAILED, found, "take it out")
    attributes = view.value(RESOURCE_ATTRIBUTES)
    wrong = [part for part in attributes.text.split(",") if part.count("=") != 1 or " " in part] if attributes else []
    if wrong:
        found = f"{RESOURCE_ATTRIBUTES} has {wrong[0]!r}: the client drops what is not key=value"
        yield Check("client resource", WARNING, found, "write a space as %20, a comma as %2C and = in a value as %3D")


def _console(view: ClientView) -> Iterator[Check]:
    shown = [signal for signal in Signal if "console" in view.exporters(signal)]
    if shown:
        found = f"{', '.join(shown)} are printed to the client's stdout: an Agent SDK that reads it breaks"
        yield Check("client console", WARNING, found, "use otlp, or console in a terminal only")


def _ends(view: ClientView) -> Iterator[Check]:
    """Judge what is left of a short run when the receiver is far away: of one on this machine all is."""
    hosts = {_host(value.text) for signal in view.sent if (value := view.otlp(signal, "ENDPOINT"))}
    is_far = any(host and not is_loopback(host) for host in hosts)
    unset = [name for name in _TIMEOUTS if view.value(name) is None]
    if is_far and unset:
        found = "short runs (claude -p) have 5 s to send their last data and 2 s to exit: what a slow receiver has not"
        found += " taken by then is lost"
        yield Check(
            "client exit", WARNING, found, f"set {' and '.join(unset)} to 20000, or receive on the same machine"
        )


def _locked_out(view: ClientView) -> Iterator[Check]:
    for value in view.locked_out:
        found = f"{_told(value)} is not used: managed settings say where telemetry goes"
        yield Check("client managed", WARNING, found, "take it out, or have the managed settings changed")


def _is_prometheus(endpoint: str) -> bool:
    try:
        url = urlsplit(endpoint)
        return url.port == 9090 or "/api/v1/otlp" in url.path
    except ValueError:
        return False


def _host(endpoint: str) -> str:
    try:
        return urlsplit(endpoint).hostname or ""
    except ValueError:
        return ""


def _told(value: Value) -> str:
    """Return an endpoint without credentials, and where it is set."""
    return f"{value.name}={_shown(value.text)} ({value.place})"


def _shown(endpoint: str) -> str:
    head, separator, rest = endpoint.partition("//")
    shown = head + separator + rest.rpartition("@")[2] if separator else endpoint
    return shown.partition("?")[0]
