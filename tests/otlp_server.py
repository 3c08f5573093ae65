"""A recording OTLP receiver on loopback, over HTTP or gRPC, that answers as it is told to.

    with RecordingServer("grpc", script=[BUSY, partial(2, "too old")]) as server:
        ...                                # send to server.endpoint, or configure with server.env
        assert server.span_ids() == [...]  # what was accepted, in order; doubles show

Requests are decoded with the official OTLP classes. The same replies work over HTTP and gRPC.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import grpc
from google.protobuf import any_pb2, duration_pb2, json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

REQUESTS: dict[str, Any] = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}
RESPONSES: dict[str, Any] = {
    "traces": trace_service_pb2.ExportTraceServiceResponse,
    "logs": logs_service_pb2.ExportLogsServiceResponse,
    "metrics": metrics_service_pb2.ExportMetricsServiceResponse,
}
REJECTED = {"traces": "rejected_spans", "logs": "rejected_log_records", "metrics": "rejected_data_points"}


@dataclass(frozen=True)
class Reply:
    """What to answer, for both transports at once."""

    status: int = 200
    code: str = "OK"
    message: str = ""
    rejected: int = 0
    """Partial success: so many items, from the end, are not taken."""
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """HTTP only."""
    body: bytes | None = None
    """HTTP only: instead of what belongs to the rest."""
    hangs: bool = False
    """No answer until the client or the server leaves."""
    drops: bool = False
    """HTTP: the connection is cut instead of an answer. gRPC, where a server cannot do that: UNAVAILABLE."""

    @property
    def accepts(self) -> bool:
        return self.status == 200 and not self.hangs and not self.drops


ACCEPT = Reply()
BAD = Reply(400, "INVALID_ARGUMENT", "bad item")
TOO_LARGE = Reply(413, "RESOURCE_EXHAUSTED", "grpc: received message larger than max (9 vs. 4)")
UNAVAILABLE = Reply(503, "UNAVAILABLE", "shutting down")
BUSY = Reply(429, "RESOURCE_EXHAUSTED", "slow down", retry_after_s=1)
HANG = Reply(hangs=True)
DROP = Reply(status=502, code="UNAVAILABLE", message="connection dropped", drops=True)


def partial(rejected: int, message: str) -> Reply:
    """Accept a request, except for so many items at its end."""
    return Reply(rejected=rejected, message=message)


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    signal: str
    message: Any
    """The official request message."""
    encoded_bytes: int
    """Before compression."""
    headers: Mapping[str, str]
    """HTTP headers or gRPC metadata, names in lower case."""
    path: str
    reply: Reply = ACCEPT

    @property
    def items(self) -> list[Any]:
        """The official spans, log records or data points, in order."""
        if self.signal == "traces":
            return [span for r in self.message.resource_spans for s in r.scope_spans for span in s.spans]
        if self.signal == "logs":
            return [record for r in self.message.resource_logs for s in r.scope_logs for record in s.log_records]
        return [point for metric in self.metrics for point in data_points(metric)]

    @property
    def metrics(self) -> list[Any]:
        """The official metrics with their points."""
        return [metric for r in self.message.resource_metrics for s in r.scope_metrics for metric in s.metrics]

    @property
    def accepted(self) -> list[Any]:
        """The items this request was answered to have delivered."""
        items = self.items if self.reply.accepts else []
        return items[: len(items) - self.reply.rejected]


def data_points(metric: Any) -> Any:
    """Return the points of a metric, whatever it is."""
    return getattr(metric, metric.WhichOneof("data")).data_points


Script = Iterable[Reply] | Callable[[Received], Reply]
"""The replies to the first requests (then all is accepted), or what decides about each."""


def bad_items(is_bad: Callable[[Any], bool]) -> Callable[[Received], Reply]:
    """Refuse every request with such an item in it."""
    return lambda request: BAD if any(map(is_bad, request.items)) else ACCEPT


def larger_than(limit_bytes: int) -> Callable[[Received], Reply]:
    """Refuse every request of more bytes."""
    return lambda request: TOO_LARGE if request.encoded_bytes > limit_bytes else ACCEPT


@dataclass(frozen=True)
class Tls:
    """PEM files of a server; clients must show a certificate of ``client_ca`` if that is given."""

    certificate: str
    key: str
    client_ca: str | None = None


class RecordingServer:
    """Receives all signals in one protocol: ``grpc``, ``http/protobuf`` or ``http/json``."""

    def __init__(self, protocol: str, script: Script = (), *, listening: bool = True, tls: Tls | None = None) -> None:
        self.protocol = protocol
        self.requests: list[Received] = []
        """All requests in the order of their arrival, refused ones too."""
        self.closing = threading.Event()
        self._decide = script if callable(script) else _replay(script)
        self._lock = threading.Lock()
        self._front = (_GrpcFront if protocol == "grpc" else _HttpFront)(self, tls)
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self._front.port}"
        """The base endpoint; until the server listens, connections to it are refused."""
        if listening:
            self.listen()

    @property
    def env(self) -> dict[str, str]:
        """The variables that send everything here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol}

    def listen(self) -> None:
        """Start to take connections."""
        self._front.listen()

    def close(self) -> None:
        """Stop; whoever hangs is let go."""
        self.closing.set()
        self._front.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def spans(self) -> list[Span]:
        """Return the accepted spans, request by request."""
        return self._accepted("traces")

    def log_records(self) -> list[LogRecord]:
        """Return the accepted log records, request by request."""
        return self._accepted("logs")

    def span_ids(self) -> list[str]:
        """Return the ids of the accepted spans in hex; one that was taken twice is there twice."""
        return [span.span_id.hex() for span in self.spans()]

    def record(self, request: Received) -> Reply:
        """Decide about a request and keep it."""
        with self._lock:
            reply = self._decide(request)
            self.requests.append(replace(request, reply=reply))
        return reply

    def _accepted(self, signal: str) -> list[Any]:
        with self._lock:
            return [item for request in self.requests if request.signal == signal for item in request.accepted]


def _replay(replies: Iterable[Reply]) -> Callable[[Received], Reply]:
    left = iter(replies)
    return lambda _: next(left, ACCEPT)


def _status(reply: Reply) -> bytes:
    """Encode a ``google.rpc.Status``, with a ``RetryInfo`` if the reply asks to wait. Short texts only."""
    code: int = grpc.StatusCode[reply.code].value[0]
    status = bytes((0x08, code, 0x12, len(reply.message))) + reply.message.encode()
    if reply.retry_after_s is None:
        return status
    delay = duration_pb2.Duration(seconds=reply.retry_after_s).SerializeToString()
    retry_info = bytes((0x0A, len(delay))) + delay
    detail = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=retry_info).SerializeToString()
    return status + bytes((0x1A, len(detail))) + detail


def _response(signal: str, reply: Reply) -> Any:
    response = RESPONSES[signal]()
    if reply.rejected or reply.message:
        setattr(response.partial_success, REJECTED[signal], reply.rejected)
        response.partial_success.error_message = reply.message
    return response


class _HttpFront:
    """OTLP over HTTP, as ``/v1/<signal>`` below any path."""

    def __init__(self, server: RecordingServer, tls: Tls | None) -> None:
        self._http = _HttpServer(("127.0.0.1", 0), _handler(server), bind_and_activate=False)
        if tls:
            self._http.socket = _tls_context(tls).wrap_socket(self._http.socket, server_side=True)
        self._http.server_bind()
        self.port = self._http.server_port
        self._thread: threading.Thread | None = None

    def listen(self) -> None:
        self._http.server_activate()
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._thread:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave in the middle are part of the tests."""


def _tls_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _handler(server: RecordingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            signal = self.path.rpartition("/v1/")[2]
            is_json = self.headers["content-type"] == "application/json"
            message = from_json(signal, json.loads(body)) if is_json else REQUESTS[signal].FromString(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = server.record(Received(signal, message, len(body), headers, self.path))
            if reply.hangs:
                server.closing.wait()
            if reply.hangs or reply.drops:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._answer(signal, reply, is_json=is_json)

        def _answer(self, signal: str, reply: Reply, *, is_json: bool) -> None:
            if reply.body is not None:
                body = reply.body
            elif not reply.accepts:
                body = json.dumps({"message": reply.message}).encode() if is_json else _status(reply)
            else:
                response = _response(signal, reply)
                body = json_format.MessageToJson(response).encode() if is_json else response.SerializeToString()
            headers = {"content-type": self.headers["content-type"], **reply.headers}
            if reply.retry_after_s is not None:
                headers["retry-after"] = str(reply.retry_after_s)
            self.send_response(reply.status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def from_json(signal: str, document: dict[str, Any]) -> Any:
    """Read an OTLP/JSON request strictly; its ids are hex, where protobuf's own JSON has base64."""
    return json_format.ParseDict(_with_base64_ids(document), REQUESTS[signal]())


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(member)).decode()
        if key in {"traceId", "spanId", "parentSpanId"}
        else _with_base64_ids(member)
        for key, member in value.items()
    }


class _GrpcFront:
    """OTLP over gRPC by the official service stubs."""

    def __init__(self, server: RecordingServer, tls: Tls | None) -> None:
        self._tls = tls
        self._reserved = socket.socket()
        self._reserved.bind(("127.0.0.1", 0))
        self.port: int = self._reserved.getsockname()[1]
        self._grpc = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_service(server, "traces"), self._grpc)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(_service(server, "logs"), self._grpc)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_service(server, "metrics"), self._grpc)

    def listen(self) -> None:
        self._reserved.close()
        address = f"127.0.0.1:{self.port}"
        if self._tls:
            self._grpc.add_secure_port(address, _grpc_credentials(self._tls))
        else:
            self._grpc.add_insecure_port(address)
        self._grpc.start()

    def close(self) -> None:
        self._reserved.close()
        self._grpc.stop(grace=None).wait()


def _service(server: RecordingServer, signal: str) -> Any:
    def export(request: Any, context: grpc.ServicerContext) -> Any:
        headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        reply = server.record(Received(signal, request, request.ByteSize(), headers, f"/v1/{signal}"))
        if reply.hangs:
            server.closing.wait()
            context.abort(grpc.StatusCode.CANCELLED, "the test is over")
        if not reply.accepts:
            context.set_trailing_metadata((("grpc-status-details-bin", _status(reply)),))
            context.abort(grpc.StatusCode[reply.code], reply.message)
        return _response(signal, reply)

    return SimpleNamespace(Export=export)


def _grpc_credentials(tls: Tls) -> grpc.ServerCredentials:
    pair = (Path(tls.key).read_bytes(), Path(tls.certificate).read_bytes())
    client_ca = Path(tls.client_ca).read_bytes() if tls.client_ca else None
    return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=client_ca is not None)
