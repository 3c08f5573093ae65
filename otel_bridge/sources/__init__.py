"""Where sessions come from. Each source turns its own wire shapes into ``otel_bridge.model``."""
