"""The whole stack on loopback: collector, Prometheus, Alertmanager and a trace store, with the shipped configurations.

with Stack(folder) as stack:
    ...                                   # send to stack.collector_http or stack.collector_grpc
    stack.metrics.query("up", at_s)       # ask Prometheus
    stack.trace_store.trace(trace_id)     # ask the trace store
    stack.servers["collector"].kill()     # then start() it: same ports, same data
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from tools.stack import configured
from tools.stack.configured import Ports, local
from tools.stack.servers import Server
from tools.stack.stores import JaegerTraces, Prometheus, TempoTraces, TraceStore


class Stack:
    """Servers that belong together, started on entry and ended on exit.

    ``tempo`` names a Tempo binary to keep the traces; without one Jaeger does.
    """

    def __init__(self, folder: Path, *, tempo: str | None = None) -> None:
        self.folder = folder
        self.ports = ports = Ports.free()
        if tempo:
            trace_store = configured.tempo(folder / "tempo", ports, tempo)
        else:
            trace_store = configured.jaeger(folder / "jaeger", ports)
        self.servers: dict[str, Server] = {
            "trace_store": trace_store,
            "prometheus": configured.prometheus(folder / "prometheus", ports),
            "alertmanager": configured.alertmanager(folder / "alertmanager", ports),
            # The last one: its gRPC client waits up to two minutes after a refused connection.
            "collector": configured.collector(folder / "collector", ports),
        }
        self.trace_store: TraceStore = (TempoTraces if tempo else JaegerTraces)(f"http://{local(ports.traces_query)}")
        """Asks for spans, by trace id or by service and time."""
        self.metrics = Prometheus(self.prometheus)
        """Asks Prometheus."""

    @property
    def collector_http(self) -> str:
        """Return the base endpoint for OTLP over HTTP."""
        return f"http://{local(self.ports.collector_http)}"

    @property
    def collector_grpc(self) -> str:
        """Return HOST:PORT for OTLP over gRPC."""
        return local(self.ports.collector_grpc)

    @property
    def prometheus(self) -> str:
        """Return the address of Prometheus."""
        return f"http://{local(self.ports.prometheus)}"

    @property
    def alertmanager(self) -> str:
        """Return the address of Alertmanager."""
        return f"http://{local(self.ports.alertmanager)}"

    def __enter__(self) -> Self:
        try:
            for server in self.servers.values():
                server.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Kill all servers: nobody needs their data any more."""
        for server in self.servers.values():
            server.kill()
