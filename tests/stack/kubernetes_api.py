"""As much of a Kubernetes API as the collector asks for: it lists and watches a few objects that never change."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

OBJECTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "/api/v1/pods": (
        "v1 Pod",
        [
            {
                "metadata": {
                    "name": "bridge-7d9c-x2v",
                    "namespace": "agents",
                    "uid": "5f0c8a1e-0000-4000-8000-000000000001",
                    "resourceVersion": "1",
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                    "ownerReferences": [
                        {
                            "apiVersion": "apps/v1",
                            "kind": "ReplicaSet",
                            "name": "bridge-7d9c",
                            "uid": "rs",
                            "controller": True,
                        }
                    ],
                },
                "spec": {"nodeName": "node-3", "containers": []},
                "status": {"podIP": "127.0.0.1", "phase": "Running"},
            }
        ],
    ),
    "/api/v1/namespaces": ("v1 Namespace", [{"metadata": {"name": "agents", "uid": "ns", "resourceVersion": "1"}}]),
    "/apis/apps/v1/replicasets": (
        "apps/v1 ReplicaSet",
        [
            {
                "metadata": {
                    "name": "bridge-7d9c",
                    "namespace": "agents",
                    "uid": "rs",
                    "resourceVersion": "1",
                    "ownerReferences": [
                        {
                            "apiVersion": "apps/v1",
                            "kind": "Deployment",
                            "name": "bridge",
                            "uid": "d",
                            "controller": True,
                        }
                    ],
                }
            }
        ],
    ),
}
"""The sender of a test is a pod with the address 127.0.0.1."""


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[Path]:
    """Serve it on loopback and yield a kubeconfig file for it."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlparse(self.path)
            asked = parse_qs(address.query)
            version_and_kind, items = OBJECTS.get(address.path, ("", []))
            if not version_and_kind:
                self.send_error(404)
                return
            version, kind = version_and_kind.split()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            objects = [{"apiVersion": version, "kind": kind, **item} for item in items]
            if asked.get("watch", ["0"])[0] in {"1", "true"}:
                self._watch(version, kind, objects if "sendInitialEvents" in asked else [])
            else:
                whole = {"apiVersion": version, "kind": f"{kind}List", "metadata": {"resourceVersion": "1"}}
                self.wfile.write(json.dumps({**whole, "items": objects}).encode())

        def _watch(self, version: str, kind: str, objects: list[dict[str, Any]]) -> None:
            end = {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
            events = [{"type": "ADDED", "object": each} for each in objects]
            events.append({"type": "BOOKMARK", "object": {"apiVersion": version, "kind": kind, "metadata": end}})
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
