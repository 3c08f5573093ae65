"""OTLP: spans and log records to a collector, over HTTP or gRPC, with acknowledgement and retry."""
