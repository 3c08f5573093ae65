"""A server on loopback that shows the pages it is given, as Prometheus and Tempo show theirs.

with StatusServer(prometheus_pages(window="400d")) as server:
    ...                                # ask server.url; server.asked has the requests
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

STOCK_PROMETHEUS = """\
global:
  scrape_interval: 15s
runtime:
  gogc: 75
storage:
  tsdb:
    outofordertimewindow: 0
    retention:
      time: 15d
otlp:
  translation_strategy: UnderscoreEscapingWithSuffixes
"""
"""What Prometheus 3.15 shows of a file that sets nothing of this."""

STOCK_TEMPO = """\
target: all
http_api_prefix: ""
server:
    http_listen_port: 3200
    grpc_server_max_connection_age: 2562047h47m16.854775807s
distributor:
    receivers:
        otlp:
            protocols:
                grpc:
                    endpoint: 0.0.0.0:4317
                http:
                    endpoint: 0.0.0.0:4318
    max_attribute_bytes: 2048
query_frontend:
    search:
        max_duration: 168h0m0s
        query_backend_after: 15m0s
    metrics:
        max_duration: 24h0m0s
storage:
    trace:
        wal:
            path: /var/tempo/wal
            ingestion_time_range_slack: 2m0s
overrides:
    defaults:
        ingestion:
            rate_strategy: local
            max_traces_per_user: 10000
    per_tenant_override_config: ""
backend_scheduler:
    provider:
        compaction:
            compaction:
                block_retention: 336h0m0s
backend_worker:
    compaction:
        block_retention: 336h0m0s
live_store:
    wal:
        path: /var/tempo/live-store/traces
        ingestion_time_range_slack: 2m0s
    max_block_duration: 30m0s
"""
"""The keys of interest of what Tempo 3.0 shows of a file that sets only receivers and storage."""


def prometheus_pages(config: str = STOCK_PROMETHEUS, *, retention: str = "15d", **flags: str) -> dict[str, str]:
    """Return the status pages of a Prometheus; flags are named with ``_`` for ``-`` and ``__`` for ``.``."""
    named = {name.replace("__", ".").replace("_", "-"): value for name, value in flags.items()}
    receivers = {"web.enable-otlp-receiver": "false", "web.enable-remote-write-receiver": "false"}
    return {
        "/api/v1/status/buildinfo": _answer({"version": "3.15.0", "revision": "abc", "goVersion": "go1.26.8"}),
        "/api/v1/status/config": _answer({"yaml": config}),
        "/api/v1/status/flags": _answer({"config.file": "/etc/prometheus/prometheus.yaml", **receivers, **named}),
        "/api/v1/status/runtimeinfo": _answer({"storageRetention": retention}),
    }


def tempo_pages(config: str = STOCK_TEMPO) -> dict[str, str]:
    """Return the status pages of a Tempo; each begins with its own name."""
    return {
        "/status/version": "GET /status/version\ntempo, version 3.0.3 (branch: HEAD, revision: abc)\n",
        "/status/config": f"GET /status/config\n---\n{config}",
    }


def _answer(data: Mapping[str, Any]) -> str:
    return json.dumps({"status": "success", "data": data})


class StatusServer:
    """Shows pages by path; 404 for all others and for everything that is posted."""

    def __init__(self, pages: Mapping[str, str | int]) -> None:
        """Listen on a free port. A number instead of a page is the status to answer with."""
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages, self.asked))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler(
    pages: Mapping[str, str | int], asked: list[tuple[str, Mapping[str, str]]]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            page = pages.get(self.path, 404)
            body = b"" if isinstance(page, int) else page.encode()
            self.send_response(page if isinstance(page, int) else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_request(self, *_: object) -> None:
            """Say nothing."""

    return Handler
