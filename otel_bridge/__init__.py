"""otel-bridge: what coding agents cost and where the time goes, as OpenTelemetry."""

__version__ = "0.1.0"
