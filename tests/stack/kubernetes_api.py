"""As much of a Kubernetes API as the collector asks for: it lists and watches one pod that never changes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "bridge-7d9c5f6b8d-x2vkq",
        "namespace": "agents",
        "labels": {"app": "bridge", "pod-template-hash": "7d9c5f6b8d"},
        "uid": "5f0c8a1e-0000-4000-8000-000000000001",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "bridge-7d9c5f6b8d", "uid": "r", "controller": True}
        ],
    },
    "spec": {"nodeName": "node-3", "containers": []},
    "status": {"podIP": "127.0.0.1", "phase": "Running"},
}
"""The sender of a test, by the address of its connections."""


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[Path]:
    """Serve it on loopback and yield a kubeconfig file for it."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlparse(self.path)
            asked = parse_qs(address.query)
            if address.path != "/api/v1/pods":
                self.send_error(403)  # what the service account of the gateway may not read
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if asked.get("watch", ["0"])[0] in {"1", "true"}:
                self._watch([POD] if "sendInitialEvents" in asked else [])
            else:
                pods = {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [POD]}
                self.wfile.write(json.dumps(pods).encode())

        def _watch(self, pods: list[dict[str, Any]]) -> None:
            end = {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
            events = [{"type": "ADDED", "object": pod} for pod in pods]
            events.append({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Pod", "metadata": end}})
            for event in events:
                self.wfile.write(json.dumps(event).encode() + b"\n")
            self.wfile.flush()
            closing.wait()

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = folder / "kubeconfig"
    cluster = {"server": f"http://127.0.0.1:{server.server_port}"}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "tests",
                "clusters": [{"name": "tests", "cluster": cluster}],
                "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
                "users": [{"name": "tests", "user": {}}],
            }
        )
    )
    try:
        yield kubeconfig
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
