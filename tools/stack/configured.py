"""The servers of the stack as the shipped configurations describe them, on loopback ports of their own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.stack.programs import SOURCES, program
from tools.stack.servers import Server, free_port, with_addresses

CONFIG = SOURCES.parents[1] / "collector-config"
LOOPBACK = "127.0.0.1"


def local(port: int) -> str:
    """Return ``HOST:PORT`` of a loopback port."""
    return f"{LOOPBACK}:{port}"


@dataclass(frozen=True)
class Ports:
    """Where everything listens; all different, none in use."""

    collector_grpc: int
    collector_http: int
    collector_health: int
    collector_metrics: int
    prometheus: int
    alertmanager: int
    traces_otlp: int
    traces_query: int

    @classmethod
    def free(cls) -> Ports:
        """Return ports that nothing listens on."""
        return cls(**{name: free_port() for name in cls.__dataclass_fields__})


def collector(
    folder: Path, ports: Ports, layers: Sequence[str] = ("agent.yaml",), more: Mapping[str, str] | None = None
) -> Server:
    """Return the collector with shipped configurations, addresses given as users give them: by variables."""
    environment = {
        "COLLECTOR_GRPC": local(ports.collector_grpc),
        "COLLECTOR_HTTP": local(ports.collector_http),
        "COLLECTOR_HEALTH": local(ports.collector_health),
        "COLLECTOR_METRICS_HOST": LOOPBACK,
        "COLLECTOR_METRICS_PORT": str(ports.collector_metrics),
        "COLLECTOR_QUEUE": str(folder / "queue"),
        "TRACES_ENDPOINT": local(ports.traces_otlp),
        "METRICS_ENDPOINT": f"http://{local(ports.prometheus)}/api/v1/otlp",
        **(more or {}),
    }
    command = [str(program("otelcol")), *(f"--config={CONFIG / layer}" for layer in layers)]
    return Server("collector", command, folder, f"http://{local(ports.collector_health)}/", environment)


def with_own_collector(ports: Ports) -> Ports:
    """Return the ports of the same stores with others for one more collector before them."""
    others = (name for name in Ports.__dataclass_fields__ if name.startswith("collector_"))
    return replace(ports, **{name: free_port() for name in others})


def prometheus(folder: Path, ports: Ports) -> Server:
    """Return Prometheus with the shipped configuration and rules; what is not of this stack is a closed port."""
    config = folder / "config"
    shutil.copytree(CONFIG / "prometheus", config, dirs_exist_ok=True)
    addresses = {
        "localhost:9090": local(ports.prometheus),
        "collector:8888": local(ports.collector_metrics),
        "alertmanager:9093": local(ports.alertmanager),
        "bridge:9465": local(free_port()),
        "tempo:3200": local(free_port()),
    }
    file = config / "prometheus.yaml"
    file.write_text(with_addresses(file.read_text(encoding="utf-8"), addresses), encoding="utf-8")
    command = [
        str(program("prometheus")),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={local(ports.prometheus)}",
        "--web.enable-otlp-receiver",
        "--web.enable-lifecycle",
    ]
    return Server("prometheus", command, folder, f"http://{local(ports.prometheus)}/-/ready")


def alertmanager(folder: Path, ports: Ports, webhook: str | None = None) -> Server:
    """Return Alertmanager with the shipped configuration; the webhook is a closed port unless one is given."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "alertmanager.yaml"
    text = (CONFIG / "alertmanager" / file.name).read_text(encoding="utf-8")
    addresses = {"webhook.example:8080": webhook or local(free_port())}
    file.write_text(with_addresses(text, addresses), encoding="utf-8")
    command = [
        str(program("alertmanager")),
        f"--config.file={file}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={local(ports.alertmanager)}",
        "--cluster.listen-address=",
    ]
    return Server("alertmanager", command, folder, f"http://{local(ports.alertmanager)}/-/ready")


def jaeger(folder: Path, ports: Ports) -> Server:
    """Return the trace store of the tests; it keeps traces of any time, in memory."""
    admin = free_port()
    listening = {
        "collector.otlp.grpc.host-port": ports.traces_otlp,
        "collector.otlp.http.host-port": free_port(),
        "collector.grpc-server.host-port": free_port(),
        "collector.http-server.host-port": free_port(),
        "query.http-server.host-port": ports.traces_query,
        "query.grpc-server.host-port": free_port(),
        "admin.http.host-port": admin,
    }
    command = [str(program("jaeger")), *(f"--{flag}={local(port)}" for flag, port in listening.items())]
    return Server("jaeger", command, folder, f"http://{local(admin)}/", {"SPAN_STORAGE_TYPE": "memory"})


def tempo(folder: Path, ports: Ports, binary: str) -> Server:
    """Return Tempo with the shipped configuration: loopback addresses, its folders below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tempo.yaml"
    text = (CONFIG / "tempo" / file.name).read_text(encoding="utf-8")
    addresses = {
        "http_listen_port: 3200": f"http_listen_address: {LOOPBACK}\n  http_listen_port: {ports.traces_query}",
        "grpc_listen_port: 9095": f"grpc_listen_address: {LOOPBACK}\n  grpc_listen_port: {free_port()}",
        "0.0.0.0:4317": local(ports.traces_otlp),
        "0.0.0.0:4318": local(free_port()),
        "/var/tempo": str(folder / "data"),
    }
    members = f"\nmemberlist: {{bind_addr: [{LOOPBACK}], bind_port: {free_port()}, advertise_addr: {LOOPBACK}}}\n"
    file.write_text(with_addresses(text, addresses) + members, encoding="utf-8")
    return Server("tempo", [binary, f"-config.file={file}"], folder, f"http://{local(ports.traces_query)}/ready")
