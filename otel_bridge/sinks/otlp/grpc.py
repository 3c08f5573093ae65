"""OTLP over gRPC, with requests that are already encoded (I/O). Imported only to send: grpc takes 0.1 s to load."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import grpc

from otel_bridge import __version__
from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.answers import Answer, BadItems, Refused, Retry, TooLarge, accepted, short
from otel_bridge.sinks.otlp.config import Compression, OtlpConfig
from otel_bridge.sinks.otlp.wire import Message
from otel_bridge.telemetry import Signal

_METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}

_RETRYABLE = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
_ADVICE = {
    "UNAUTHENTICATED": "check the credentials in OTEL_EXPORTER_OTLP_HEADERS",
    "PERMISSION_DENIED": "check what the credentials in OTEL_EXPORTER_OTLP_HEADERS are allowed to do",
    "UNIMPLEMENTED": "check that an OTLP receiver with a pipeline for this signal listens there",
    "RESOURCE_EXHAUSTED": "a quota of the receiver is used up, and it does not say for how long",
}
"""Answers about us: no part of the request would fare better."""

_TOO_LARGE = re.compile(r"larger than max|exceeds maximum size", re.IGNORECASE)
"""What the Go and C implementations say, and the Java one."""

_CHANNEL_OPTIONS = [
    ("grpc.primary_user_agent", f"otel-bridge/{__version__}"),
    # A channel's own pause between connection attempts grows to two minutes; ours decides how long to wait.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
]


class GrpcTransport:
    """Calls ``Export`` of one signal on one channel, which carries any number of calls at once."""

    def __init__(self, config: OtlpConfig, method: str = "") -> None:
        """Open a channel; ``method`` is for a signal that has none of its own here."""
        proxy = ("grpc.http_proxy", config.proxy) if config.proxy else ("grpc.enable_http_proxy", 0)
        options = [*_CHANNEL_OPTIONS, proxy]
        if config.target.is_tls:
            self._channel = grpc.secure_channel(config.target.address, _credentials(config), options)
        else:
            self._channel = grpc.insecure_channel(config.target.address, options)
        is_gzip = config.compression is Compression.GZIP
        self._compression = grpc.Compression.Gzip if is_gzip else grpc.Compression.NoCompression
        self._metadata = tuple(config.headers.items())
        self._timeout_s = config.timeout_s
        self._export = self._channel.unary_unary(method or _METHODS[config.signal])

    def send(self, body: bytes) -> Answer:
        """Make the call once and classify the answer."""
        try:
            response = self._export(
                body, timeout=self._timeout_s, metadata=self._metadata, compression=self._compression
            )
        except grpc.RpcError as error:
            return classified(error.code().name, error.details() or "", error.trailing_metadata() or ())
        return accepted(response, "application/x-protobuf")

    def close(self) -> None:
        """Close the channel; calls under way end as cancelled."""
        self._channel.close()


def classified(code: str, details: str, trailers: Iterable[tuple[str, str | bytes]]) -> Answer:
    """Say what a failed call means, by the table of the OTLP specification."""
    reason = f"{code}: {short(details)}" if details else code
    if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE.search(details):
        return TooLarge(reason)
    after_s = _retry_after_s(trailers)
    if code in _RETRYABLE or (code == "RESOURCE_EXHAUSTED" and after_s is not None):
        return Retry(reason, after_s)
    if code in _ADVICE:
        return Refused(reason, _ADVICE[code])
    return BadItems(reason)


def _retry_after_s(trailers: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Find the delay of the ``google.rpc.RetryInfo`` among the error details."""
    values = (value for name, value in trailers if name == "grpc-status-details-bin")
    status = next((value for value in values if isinstance(value, bytes)), b"")
    try:
        for detail in map(Message, Message(status).payloads(3)):  # Status.details
            if detail.payload(1).endswith(b"/google.rpc.RetryInfo"):  # Any.type_url
                delay = Message(Message(detail.payload(2)).payload(1))  # Any.value, RetryInfo.retry_delay
                return delay.number(1) + delay.number(2) / 1e9  # Duration.seconds, .nanos
    except ValueError:  # details of another kind
        pass
    return None


def _credentials(config: OtlpConfig) -> grpc.ChannelCredentials:
    certificates = [_read(path) for path in (config.certificate, config.client_key, config.client_certificate)]
    return grpc.ssl_channel_credentials(*certificates)


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise UsageError(f"the certificate {path!r} of the OTLP endpoint cannot be read: {error.strerror}") from None
