"""Which transport and encoding a configuration asks for. The libraries are loaded only now: each takes 0.1 s (I/O)."""

from __future__ import annotations

from otel_bridge.sinks.otlp.answers import Transport
from otel_bridge.sinks.otlp.config import OtlpConfig, OtlpProtocol
from otel_bridge.sinks.otlp.encoder import Encoder
from otel_bridge.sinks.otlp.json import JsonEncoder
from otel_bridge.sinks.otlp.protobuf import ProtobufEncoder
from otel_bridge.telemetry import Scope


def make_encoder(config: OtlpConfig, scope: Scope) -> Encoder:
    """Make the encoder the protocol needs."""
    encoder = JsonEncoder if config.protocol is OtlpProtocol.HTTP_JSON else ProtobufEncoder
    return encoder(config.signal, scope)


def open_transport(config: OtlpConfig, content_type: str, connections: int) -> Transport:
    """Open the transport; nothing is connected yet. UsageError if certificates or the proxy cannot be used."""
    if config.protocol is OtlpProtocol.GRPC:
        from otel_bridge.sinks.otlp.grpc import GrpcTransport  # noqa: PLC0415

        return GrpcTransport(config)
    from otel_bridge.sinks.otlp.http import HttpTransport  # noqa: PLC0415

    return HttpTransport(config, content_type, connections)
