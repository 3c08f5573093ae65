"""What makes Claude Code send its own telemetry: which variables, how they are written, where in settings (pure)."""
