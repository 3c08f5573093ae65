"""Receiving: OTLP over gRPC and HTTP, checked, handed to an intake, answered with what became of it."""
