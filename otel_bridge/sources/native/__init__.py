"""Claude Code's own telemetry: its log events and spans, read from OTLP and put together as sessions (pure)."""
